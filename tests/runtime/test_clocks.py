"""A polled camera whose clock is off: its hours are put where they were, and nothing is lost when somebody sets it."""

from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin, Quality
from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.runtime.backfill import Backfill
from agent.runtime.book import Book
from agent.runtime.collector import Collector
from agent.runtime.poller import Poller
from agent.runtime.readings import Memory
from agent.runtime.timing import Timepiece
from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store
from tests.runtime.test_collecting import HOUR, NOON, SCENARIO, Hands, ticks

ZONE = ZoneInfo("Europe/Lisbon")
CAMERA = {
    "id": "door",
    "driver": "hikvision",
    "auth": "digest",
    "line": [{"number": 1, "counts": "door:main"}],
}


@pytest.fixture
def clock():
    Hands.moment = [float(NOON)]
    return Hands()


@asynccontextmanager
async def store(folder, clock, **camera):
    scenario = Scenario.model_validate(SCENARIO | {"camera": [CAMERA | camera]})
    async with open_store(scenario, clock.now) as cameras, aiohttp.ClientSession(auto_decompress=False) as session:
        buffer = await Buffer.open(folder / "buffer.db", clock, 10**8)
        piece = Timepiece()
        address = cameras.addresses["cameras"]["door"]
        device = Device("door", address, ZONE, session, lambda: clock.now() + piece.shift, "counter", "example")
        driver = brand("hikvision").open_driver(device)
        book = Book({kind: Memory(NOON) for kind in driver.cadence})
        one = Poller("door", driver, ZONE, book, clock.now, piece)
        fill = Backfill(one, buffer, clock, [], pause=0)
        yield cameras.cameras["door"], Collector([one], {"door": fill}, buffer, clock), one, fill, buffer
        await buffer.close()


async def told(buffer, origin):
    rows = [row for row in await buffer.rows_since(0) if row.origin is origin and row.place == "line:1"]
    return {(row.metric, row.start): row for row in rows if row.value is not None}


@pytest.mark.parametrize("skew", [-200.0, 700.0])
async def test_hours_of_a_clock_that_is_off(tmp_path, clock, skew):
    """Each hour is told from when to when it really was, with the flag; minute by minute it adds up to the same."""
    async with store(tmp_path, clock, clock_skew=skew) as (camera, collector, one, _, buffer):
        await ticks(collector, clock, 200)
        log, live = await told(buffer, Origin.LOG), await told(buffer, Origin.LIVE)
        served = {(metric, start): value for _, _, metric, start, _, value, done, _ in camera.served.rows() if done}

    assert abs(one.condition.offset - skew) < 2
    assert len(log) >= 4
    for (metric, start), row in log.items():
        label = round((start + skew) / HOUR) * HOUR
        assert abs(start + skew - label) <= 5
        assert row.quality & Quality.CLOCK_CORRECTED
        assert row.value == served[metric, label]
        if start < NOON:
            continue
        within = [part.value for key, part in live.items() if key[0] == metric and start <= key[1] < row.end - 60]
        assert abs(sum(within) - row.value) <= 6  # what fell into the minute of the edge
