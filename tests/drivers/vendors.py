"""A vendor's device of our own making: it answers by path, and keeps what it was asked."""

from datetime import datetime

from aiohttp import web

from agent.drivers.reading.brands import brand
from tests.drivers.test_log_in import CANARY


def utc(text):
    return int(datetime.fromisoformat(text).timestamp())


NOW = "2026-07-06T12:00:00Z"
SINCE, UNTIL = utc("2026-07-06T07:00:00Z"), utc("2026-07-06T09:00:00Z")  # 08:00 to 10:00 in Lisbon


class Vendor:
    """Answers by path; `asked` are method, target and body of every request."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    async def answer(self, request):
        body = await request.text()
        self.asked.append((request.method, request.raw_path, body))
        name = request.path.strip("/").replace("/", "_").replace(".", "_").replace("-", "_")
        found = self.answers.get(name)
        if found is None:
            return web.Response(status=404)
        text = found(request, body) if callable(found) else found
        return text if isinstance(text, web.Response) else web.Response(text=text)


async def opened(rig, name, vendor, now=NOW, **options):
    address = await rig.serve(vendor.answer)
    return brand(name).open_driver(
        await rig.device(address, now=utc(now), username="counter", password=CANARY, **options)
    )


def told(history):
    assert list(history.problems) == []
    return [(row.place, row.metric, row.value, (row.start - SINCE) / 3600) for row in history.rows]
