"""Hikvision's alert stream, torn into pieces, through Digest, over a connection that breaks and is made again."""

import asyncio

from aiohttp import web

from agent.contract.observation import Origin
from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.runtime import following
from agent.runtime.book import Book
from agent.runtime.following import follow
from agent.runtime.poller import Poller
from tests.runtime.test_inbox import NOON, clock, store  # noqa: F401 - a fixture

ALERT = """--boundary\r\nContent-Type: application/xml\r\n\r\n
<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">
<serialNumber>S</serialNumber><eventType>{kind}</eventType>
<peopleCounting><statisticalMethods>timeRange</statisticalMethods>
<TimeRange><startTime>2026-11-19T12:{a:02}:00+00:00</startTime><endTime>2026-11-19T12:{b:02}:00+00:00</endTime></TimeRange>
<enter>{n}</enter><exit>0</exit></peopleCounting></EventNotificationAlert>\r\n"""


async def test_each_alert_of_a_stream_counts_once(tmp_path, clock, monkeypatch):  # noqa: F811 - as above
    """Pieces of 7 bytes; the stream breaks after each third alert, and begins with one that was told."""
    monkeypatch.setattr(following, "BACK_OFF_FIRST", 0.01)
    clock.moment = NOON + 1000.0
    asked = []

    async def answer(request):
        asked.append(request.headers.get("Authorization", ""))
        if not asked[-1].startswith("Digest"):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Digest realm="IP", nonce="n1", qop="auth"'})
        response = web.StreamResponse()
        await response.prepare(request)
        first = 3 * sum(one.startswith("Digest") for one in asked) - 3
        for minute in range(max(0, first - 1), first + 3):
            alert = ALERT.format(kind="PeopleCounting", a=minute, b=minute + 1, n=minute + 1).encode()
            for at in range(0, len(alert), 7):
                await response.write(alert[at : at + 7])
        return response

    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with store(tmp_path, clock, "hikvision") as one:
        device = one.box.driver._device
        at = Device("door", f"{host}:{port}", device.zone, device.session, clock.now, "counter", "example")
        driver = brand("hikvision").open_driver(at)
        following_it = asyncio.create_task(follow(Poller("door", driver, device.zone, Book()), driver, one.inbox))
        async with asyncio.timeout(20):
            while len(rows := {key: row for key, row in (await one.rows(Origin.PUSH)).items() if row[1]}) < 9:  # noqa: ASYNC110 - no event of ours
                await asyncio.sleep(0.02)
        following_it.cancel()
        await asyncio.gather(following_it, return_exceptions=True)
    await runner.cleanup()

    assert {start // 60: row[1] for (metric, start), row in rows.items()} == {n: n + 1.0 for n in range(len(rows))}
    assert not asked[0]
