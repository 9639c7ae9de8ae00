"""One camera that means harm, or one whose memory is read, costs the others nothing. Nothing here is timed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from agent.buffer.buffer import Buffer
from agent.contract.times import HOUR
from agent.drivers.base import Kind
from agent.drivers.reading.fetch import MAX_BODY
from agent.foundation.clock import Clock
from agent.runtime import backfill, collector
from agent.runtime.backfill import Backfill, Stretch
from agent.runtime.collector import Collector
from agent.sensors import camera_session, open_poller
from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store
from tests.rig.hostile import WAYS, hostile_cameras, poured

ZONE = ZoneInfo("Europe/Lisbon")
NOON = 1_795_089_600  # 2026-11-19T12:00:00Z, a Thursday
OTHERS = ("camera", "people-counter", "search", "rpc2", "sunapi")
DRIVERS = dict(zip(OTHERS, ("milesight", "axis", "hikvision", "dahua", "hanwha"), strict=True))
SCENARIO = {
    "seed": 7,
    "history_days": 3,
    "store": {"name": "test", "time_zone": "Europe/Lisbon"},
    "arrivals": {"visits_per_day": 2000, "by_hour": [0] * 9 + [1] * 12 + [0] * 3},
    "door": [{"name": "main"}],
    "camera": [
        {"id": family, "driver": driver, "family": family, "line": [{"number": 1, "counts": "door:main"}]}
        for family, driver in DRIVERS.items()
    ],
}


class Hands(Clock):
    """A clock that the test moves."""

    def __init__(self):
        super().__init__()
        self.moment = float(NOON)

    def now(self):
        return self.moment


class Shop:
    """Five sensors of five brands, put together as the agent does, and room for more."""

    def __init__(self, stack, clock, buffer, session):
        self._stack, self.clock, self.buffer, self._session = stack, clock, buffer, session
        self.pollers = []

    async def add(self, name, driver, address):
        account = {"username": "counter", "password_file": "x"}
        sensor = SimpleNamespace(id=name, driver=driver, address=address, options={}, **account)
        configuration = SimpleNamespace(zone_of=lambda _: ZONE, secret=lambda _: "example")
        made = await open_poller(configuration, sensor, self._session, self.buffer, self.clock)
        self.pollers.append(made)
        return made

    def collector(self, fills=()):
        return Collector(self.pollers, {fill._poller.sensor: fill for fill in fills}, self.buffer, self.clock)

    async def ticks(self, collector, count):
        for _ in range(count):
            self.clock.moment = (self.clock.moment // 60 + 1) * 60
            await collector.tick(int(self.clock.now()))


@pytest.fixture
async def shop(tmp_path):
    clock = Hands()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(Scenario.model_validate(SCENARIO), clock.now))
        buffer = await Buffer.open(tmp_path / "buffer.db", clock, 10**8)
        stack.push_async_callback(buffer.close)
        session = await stack.enter_async_context(camera_session(loopback=True))
        made = Shop(stack, clock, buffer, session)
        for name, address in store.addresses["cameras"].items():
            await made.add(name, DRIVERS[name], address)
        yield made


async def test_cameras_that_mean_harm(shop, monkeypatch):
    """Five sensors beside twelve hostile ones: each tick of theirs is its own commit, and of no body much is read.

    After the first silence nobody is waited for who is known not to answer: the wait would last longer than the test.
    """
    async with hostile_cameras() as addresses:
        bad = [await shop.add(f"bad-{way}", "milesight", address) for way, address in addresses.items()]
        poured.clear()
        running = shop.collector()
        for _ in range(4):
            await shop.ticks(running, 1)
            monkeypatch.setattr(collector, "GATHER", 3600.0)
            assert {one.book.answered for one in shop.pollers if one not in bad} == {int(shop.clock.now())}
            for one in bad:
                one.patience.not_before = 0.0  # asked anew at every tick, which the back-off would spare it
        rows = await shop.buffer.rows_since(0)
        await running.close()

    assert len(bad) == len(WAYS)
    assert not any(one.condition.up for one in bad)
    assert {row.sensor for row in rows} <= set(OTHERS)
    assert len(poured) == 3
    assert max(poured.values()) < 4 * 4 * MAX_BODY  # four ticks; sockets hold some of it


async def test_a_poll_waits_for_one_chunk(shop):
    """While a memory of three days is read, a poll that wants its turn gets it after the chunk that has it."""
    one = shop.pollers[0]
    fill = Backfill(one, shop.buffer, shop.clock, [Stretch(Kind.LINES, NOON - 72 * HOUR, NOON - HOUR)], pause=0)
    chunks, between, read, ask = 0, [], one.driver.history, one._ask_all

    async def counted(kind, start, end):
        nonlocal chunks
        chunks += asyncio.current_task() is filling
        return await read(kind, start, end)

    async def asked(tick, so_far):
        between.append(chunks - wanted)
        return await ask(tick, so_far)

    one.driver.history, one._ask_all = counted, asked
    running = shop.collector([fill])
    filling = asyncio.create_task(fill.run())
    while fill.waiting:
        wanted = chunks
        await shop.ticks(running, 1)
    filling.cancel()

    assert chunks == 4
    assert between
    assert max(between) <= 1


async def test_a_tick_waits_for_one_piece(shop, monkeypatch):
    """While the memories of five sensors are read at once, at most one commit of theirs is before a tick's."""
    monkeypatch.setattr(backfill, "PIECE", 10)
    stretch = NOON - 72 * HOUR, NOON - HOUR
    fills = [Backfill(one, shop.buffer, shop.clock, [Stretch(Kind.LINES, *stretch)], pause=0) for one in shop.pollers]
    append, under_way, ahead = shop.buffer.append, 0, []

    async def counted(*given, **named):
        nonlocal under_way
        theirs = asyncio.current_task() in filling
        if not theirs:
            ahead.append(under_way)
        under_way += theirs
        try:
            return await append(*given, **named)
        finally:
            under_way -= theirs

    monkeypatch.setattr(shop.buffer, "append", counted)
    running = shop.collector(fills)
    filling = [asyncio.create_task(fill.run()) for fill in fills]
    while any(fill.waiting for fill in fills):
        await shop.ticks(running, 1)
    for task in filling:
        task.cancel()
    await asyncio.gather(*filling, return_exceptions=True)

    assert max(ahead) == 1
    assert all(fill.progress.rows > 100 for fill in fills)
