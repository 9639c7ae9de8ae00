"""A wrong password, counted where it arrives: no camera is given a second one before its five minutes are over."""

import asyncio

import pytest
from aiohttp import web

from tests.runtime.test_other_brands import Hands, store

OFFER = 'Digest realm="camera", nonce="{}", qop="auth"'
BRANDS = [
    ("milesight", {}),
    ("milesight", {"family": "vs133"}),
    ("axis", {"application": "people-counter"}),
    ("axis", {"application": "3d"}),
    ("axis", {"application": "object-analytics"}),
    ("hikvision", {}),
    ("dahua", {}),
    ("hanwha", {}),
    ("generic", {"path": "/counts", "start": "from", "columns": {"line:1 in": "in"}}),
]


class Camera:
    """Whoever it is that asks, it is another one that it wants."""

    def __init__(self):
        self.tries = self.questions = 0

    async def answer(self, request):
        self.questions += 1
        self.tries += "Authorization" in request.headers
        return web.Response(status=401, headers={"WWW-Authenticate": OFFER.format(self.questions)})


@pytest.fixture
async def camera():
    camera = Camera()
    runner = web.ServerRunner(web.Server(camera.answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield camera, f"{host}:{port}"
    await runner.cleanup()


@pytest.mark.parametrize(("driver", "options"), BRANDS)
async def test_one_try_a_back_off(tmp_path, camera, driver, options):
    """Ticks follow each other and the memory wants to be read: the clock, each kind of data and the memory share one.

    When the five minutes are over there is one more, and no more than that.
    """
    camera, address = camera
    clock = Hands()
    async with store(tmp_path, clock, address, driver, username="counter", **options) as (collector, fill, _):
        [poller] = collector._pollers
        for tries in (1, 2):
            poller.patience.not_before = poller.patience.refused_until = 0.0
            reading = asyncio.create_task(fill.run())
            for _ in range(6):
                clock.moment += 60
                await collector.tick(int(clock.now()))
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

            assert camera.tries == tries
        assert poller.condition.trouble == "credentials refused"


async def test_what_an_account_may_not_read(tmp_path):
    """Regions that are forbidden (403) beside lines that are told cost neither the lines nor their minute."""
    table = "StartTime,EndTime,Line1 - In,Line1 - Out\n2026/11/19 12:00:00,2026/11/19 12:59:59,{},0\n"
    asked = []

    async def answer(request):
        asked.append(request.query.get("dw", ""))
        if asked[-1] == "vcalogcsv":
            return web.Response(text=table.format(len(asked)))
        return web.Response(status=403 if asked[-1] == "regionalcountlogcsv" else 404)

    server = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    host, port = server.addresses[0]
    clock = Hands()
    async with store(tmp_path, clock, f"{host}:{port}", "milesight") as (collector, _, _):
        [poller] = collector._pollers
        for _ in range(4):
            clock.moment += 60
            await collector.tick(int(clock.now()))
        assert poller.condition.problem == ""
    await server.cleanup()

    assert (asked.count("vcalogcsv"), asked.count("regionalcountlogcsv")) == (4, 1)
