"""Drivers whose running totals and memory tell of the same lines, and drivers of which nothing is asked."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin, Quality
from agent.foundation.clock import Clock
from agent.runtime.collector import Collector
from agent.sensors import open_backfill, open_poller

ZONE = ZoneInfo("Europe/Lisbon")
NOON = 1_795_089_600  # 2026-11-19T12:00:00Z, when Lisbon is on UTC


class Hands(Clock):
    """A clock that the test moves."""

    def __init__(self):
        super().__init__()
        self.moment = float(NOON)

    def now(self):
        return self.moment


class Axis:
    """A people counter through whose door somebody walks in every minute, and out every second one."""

    def __init__(self, clock):
        self.clock = clock
        self.exports = self.failing = 0

    def passed(self, since, until):
        minutes = max(0, int(min(until, self.clock.now()) - since) // 60)
        return [minutes, minutes // 2]

    async def answer(self, request):
        now = datetime.fromtimestamp(self.clock.now(), UTC)
        midnight = int(now.replace(hour=0, minute=0, second=0).timestamp())
        if "live-sum" in request.query_string:
            came, left = self.passed(midnight, 2**40)
            return web.json_response({"serial": "S", "timestamp": f"{now:%Y%m%d%H%M%S}", "in": came, "out": left})
        self.exports += "export-json" in request.query_string
        if self.failing and "export-json" in request.query_string:
            self.failing -= 1
            return web.Response(status=500)
        quarters = range(midnight, midnight + 86400, 900)
        data = {f"{datetime.fromtimestamp(at, UTC):%Y%m%d%H%M%S}": self.passed(at, at + 900) for at in quarters}
        return web.json_response({"counter": {"delta": 900, "types": {"Total In": 66, "Total Out": 67}}, "data": data})


@asynccontextmanager
async def store(folder, clock, address, driver, username="", **options):
    """The collecting half of a store with one sensor, put together as the agent does."""
    sensor = SimpleNamespace(
        id="door", driver=driver, address=address, username=username, password_file="", options=options, installed=None
    )
    settings = SimpleNamespace(sensor=[sensor], history=SimpleNamespace(days=7, pause=0.0))
    configuration = SimpleNamespace(settings=settings, zone_of=lambda _: ZONE, secret=lambda _: "")
    buffer = await Buffer.open(folder / "buffer.db", clock, 10**8)
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            one = await open_poller(configuration, sensor, session, buffer, clock)
            fill = await open_backfill(configuration, one, buffer, clock)
            yield Collector([one], {"door": fill}, buffer, clock), fill, buffer
    finally:
        await buffer.close()  # its thread would keep a test that failed from ending


@pytest.fixture
async def axis():
    clock = Hands()
    camera = Axis(clock)
    runner = web.ServerRunner(web.Server(camera.answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield clock, f"{host}:{port}", camera
    await runner.cleanup()


async def test_totals_and_memory_of_one_line(tmp_path, axis):
    """The minutes come from the running totals and the quarters from the memory: neither withdraws the other."""
    clock, address, camera = axis
    async with store(tmp_path, clock, address, "axis") as (collector, _, buffer):
        for _ in range(125):
            clock.moment += 60
            await collector.tick(int(clock.now()))
        rows = [row for row in await buffer.rows_since(0) if row.start >= NOON]

    def told(origin, metric):
        return {row.start: row for row in rows if row.origin is origin and row.metric == metric}

    assert not [row for row in rows if row.value is None]
    assert {row.place for row in rows} == {"line:1"}
    assert {row.end - row.start for row in told(Origin.LIVE, "in").values()} == {60}
    assert sum(row.value for row in told(Origin.LIVE, "in").values()) == 124  # the first reading is a baseline
    quarters = told(Origin.LOG, "in")
    assert {(row.end - row.start, row.value, row.quality) for row in quarters.values()} == {(900, 15, Quality.MEASURED)}
    assert len(quarters) == 8
    assert json.dumps(sorted(quarters)) == json.dumps([NOON + 900 * n for n in range(8)])
    assert camera.exports == 6  # twice for each of three hours that ended, the first of them before the start


async def test_an_hour_that_could_not_be_read_at_once(tmp_path, axis):
    """A memory that is read once an hour and does not answer then is asked again at the next tick."""
    clock, address, camera = axis
    async with store(tmp_path, clock, address, "axis") as (collector, _, buffer):
        for minute in range(66):
            clock.moment += 60
            collector._pollers[0].patience.not_before = 0.0  # the store's minutes pass faster than real back-off
            camera.failing = 3 if minute == 59 else camera.failing
            await collector.tick(int(clock.now()))
        rows = [row for row in await buffer.rows_since(0) if row.start >= NOON and row.origin is Origin.LOG]

    assert camera.failing == 0
    assert sorted({row.start - NOON for row in rows}) == [0, 900, 1800, 2700]


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("xovis", {}),
        ("vivotek", {}),
        ("onvif", {}),
        ("milesight", {"family": "push"}),
        ("axis", {"application": "object-analytics"}),
        ("generic", {"cumulative": True, "columns": {"line:1 in": "in"}}),
    ],
)
async def test_a_sensor_without_a_memory(tmp_path, driver, options):
    """A store starts with a sensor whose past cannot be asked for; nothing is waited for."""
    clock = Hands()
    async with store(tmp_path, clock, "127.0.0.1:9", driver, **options) as (collector, fill, buffer):
        for _ in range(2):
            clock.moment += 60
            await collector.tick(int(clock.now()))

        assert fill.waiting == 0
        assert list(await buffer.rows_since(0)) == []


async def test_a_quiet_night_is_watched(tmp_path, axis):
    """Zeros of a quarter in which running totals were answered are measured; those of a silence are unconfirmed."""
    clock, address, _ = axis
    Axis.passed, passed = (lambda *_: [0, 0]), Axis.passed
    try:
        async with store(tmp_path, clock, address, "axis") as (collector, _, buffer):
            for minute in range(185):
                clock.moment += 60
                if not 60 < minute < 100:  # nobody asks: the agent is held up
                    await collector.tick(int(clock.now()))
            rows = [row for row in await buffer.rows_since(0) if row.start >= NOON and row.origin is Origin.LOG]
    finally:
        Axis.passed = passed

    quality = {(row.start - NOON) // 900: row.quality for row in rows if row.metric == "in"}
    assert len(quality) == 12
    assert {n for n, mask in quality.items() if mask & Quality.UNCONFIRMED} == {4, 5, 6}
    assert {mask for n, mask in quality.items() if n not in {4, 5, 6}} == {Quality.MEASURED}
