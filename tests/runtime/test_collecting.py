"""Collector, pollers and backfill against the simulated store's cameras over HTTP; the truth is what they served."""

import asyncio
from contextlib import asynccontextmanager
from typing import ClassVar
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin
from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.foundation.clock import Clock
from agent.runtime import poller as polling
from agent.runtime.backfill import Backfill, first_stretches, load, state_name
from agent.runtime.book import Book
from agent.runtime.collector import Collector
from agent.runtime.poller import INTERVALS, Poller
from agent.runtime.readings import Memory
from agent.simulator.installation import FaultKind
from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store

ZONE = ZoneInfo("Europe/Lisbon")
NOON = 1_795_089_600  # 2026-11-19T12:00:00Z, a Thursday
HOUR = 3600

SCENARIO = {
    "seed": 7,
    "history_days": 5,
    "store": {
        "name": "test",
        "time_zone": "Europe/Lisbon",
        "hours": dict.fromkeys(
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], "09:00-21:00"
        ),
    },
    "arrivals": {"visits_per_day": 2000, "by_hour": [0] * 9 + [1] * 12 + [0] * 3},
    "door": [{"name": "main"}],
    "camera": [{"id": "door", "auth": "basic-then-digest", "line": [{"number": 1, "counts": "door:main"}]}],
}


class Hands(Clock):
    """A clock that the test moves."""

    moment: ClassVar = [float(NOON)]

    def now(self):
        return self.moment[0]


@pytest.fixture
def clock():
    Hands.moment = [float(NOON)]
    return Hands()


@pytest.fixture
async def cameras(clock):
    async with open_store(Scenario.model_validate(SCENARIO), clock.now) as store:
        yield store


@asynccontextmanager
async def agent(folder, store, clock, *, days=0):
    """One store's collecting half on a buffer in a folder; leaving the block is a clean end."""
    buffer = await Buffer.open(folder / "buffer.db", clock, 10**8)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        driver = brand("milesight").open_driver(
            Device("door", store.addresses["cameras"]["door"], ZONE, session, clock.now, "counter", "example")
        )
        stored = await buffer.state(polling.state_name("door"))
        book = Book.load(stored) if stored else Book()
        begins = int(clock.now() - 600 * bool(days)) // HOUR * HOUR
        for kind in driver.cadence:
            if kind in INTERVALS:
                book.memories.setdefault(kind, Memory(begins))
        one = Poller("door", driver, ZONE, book)
        saved = await buffer.state(state_name("door"))
        kinds = [kind for kind in driver.cadence if kind in INTERVALS]
        stretches = load(saved) if saved is not None else first_stretches(kinds, begins - days * 86400, begins)
        fill = Backfill(one, buffer, clock, stretches, pause=0)
        yield Collector([one], {"door": fill}, buffer, clock), fill, buffer
    await buffer.close()


async def ticks(collector, clock, count):
    for _ in range(count):
        clock.moment[0] = (clock.moment[0] // 60 + 1) * 60
        collector._pollers[0].patience.not_before = 0.0  # the store's minutes pass faster than real back-off
        await collector.tick(int(clock.now()))


def line_rows(store, *, finished):
    return {
        (place, metric, start, end): value
        for kind, place, metric, start, end, value, done, _ in store.cameras["door"].served.rows()
        if kind == "lines" and place.startswith("line") and (done or not finished)
    }


async def held(buffer, origin):
    rows = await buffer.rows_since(0)
    return {
        (row.place, row.metric, row.start, row.end): row.value
        for row in rows
        if row.origin is origin and row.place.startswith("line") and row.value is not None
    }


async def test_every_finished_hour_is_what_the_camera_served(tmp_path, cameras, clock):
    """Two hours polled minute by minute: each finished row is there with its value, and its minutes sum to it."""
    async with agent(tmp_path, cameras, clock) as (collector, _, buffer):
        await ticks(collector, clock, 125)

        log, live = await held(buffer, Origin.LOG), await held(buffer, Origin.LIVE)

    served = line_rows(cameras, finished=True)
    assert log
    assert log == {key: value for key, value in served.items() if key in log}
    assert sum(log.values()) > 100
    for (place, metric, start, end), value in log.items():
        minutes = [v for (p, m, a, b), v in live.items() if (p, m) == (place, metric) and start <= a and b <= end]
        assert sum(minutes) == value


async def test_an_outage_of_the_line_breaks_and_mends(tmp_path, cameras, clock):
    """Silent for three hours: a gap is told, nothing is zero; back again, the camera's memory fills every hour."""
    async with agent(tmp_path, cameras, clock) as (collector, _, buffer):
        await ticks(collector, clock, 20)
        await cameras.cameras["door"].unplug(power=False)
        await ticks(collector, clock, 180)
        during = await held(buffer, Origin.LIVE)
        told = await buffer.pending_entries()
        await cameras.cameras["door"].plug()
        await ticks(collector, clock, 70)
        log, live = await held(buffer, Origin.LOG), await held(buffer, Origin.LIVE)
        after = await buffer.pending_entries()

    assert max(end for *_, end in during) == NOON + 20 * 60
    assert [(entry.start, entry.reason) for entry in told] == [(NOON + 20 * 60, "no answer")]
    assert {start for *_, start, _ in log} >= {NOON, NOON + HOUR, NOON + 2 * HOUR}
    served = line_rows(cameras, finished=True)
    assert all(served[key] == value for key, value in log.items())
    wide = [key for key in live if key[3] - key[2] > 120]
    assert wide
    assert after == []


async def test_the_first_start_reads_the_cameras_memory(tmp_path, cameras, clock):
    """Three days of finished hours, each as served, resumed where a restart left off."""
    async with agent(tmp_path, cameras, clock, days=3) as (_, fill, _buffer):
        await fill._chunk(fill._stretches[0])
    async with agent(tmp_path, cameras, clock, days=3) as (_, fill, buffer):
        begun = fill._stretches[0].at
        task = asyncio.create_task(fill.run())
        while fill.progress.running:
            await buffer.changed()
            await asyncio.sleep(0)
        task.cancel()
        log = await held(buffer, Origin.LOG)

    assert begun > NOON - 3 * 86400
    assert len({start for *_, start, _ in log}) == 72
    served = line_rows(cameras, finished=True)
    assert all(served[key] == value for key, value in log.items())


@pytest.mark.parametrize("fault", ["timeout", "html-200", "truncated", "huge", "redirect", "bad-gateway", "empty"])
async def test_a_broken_answer_costs_that_poll_only(tmp_path, cameras, clock, fault, monkeypatch):
    """Whatever the camera answers, it costs that stretch alone: never a zero, and the sum mends."""
    monkeypatch.setattr(polling, "DEADLINE", 0.3)
    async with agent(tmp_path, cameras, clock) as (collector, _, buffer):
        await ticks(collector, clock, 5)
        cameras.cameras["door"].faults.switch(FaultKind(fault), on=True)
        await ticks(collector, clock, 3)
        broken = await held(buffer, Origin.LIVE)
        cameras.cameras["door"].faults.switch(FaultKind(fault), on=False)
        await ticks(collector, clock, 2)
        mended = await held(buffer, Origin.LIVE)

    assert max(end for *_, end in broken) == NOON + 300
    assert max(end for *_, end in mended) == NOON + 600
    served = line_rows(cameras, finished=False)
    for metric in ("in", "out"):
        total = sum(value for (place, m, _, _), value in mended.items() if (place, m) == ("line:1", metric))
        assert total == served["line:1", metric, NOON, NOON + HOUR]
