"""A device that starts without knowing the time: rows wait, and are put where they were when the clock is set."""

import asyncio
import json
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin, Quality
from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.runtime.book import Book, Condition
from agent.runtime.collector import Collector
from agent.runtime.doubt import Doubt, awaits_sync
from agent.runtime.inbox import Inbox, load_box
from agent.runtime.poller import Poller
from agent.runtime.readings import Memory
from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store
from tests.runtime.sending import periodic
from tests.runtime.test_collecting import SCENARIO
from tests.runtime.test_inbox import NOON, Hands

YEARS = 2 * 365 * 86400  # seconds the clock is slow
ZONE = ZoneInfo("Europe/Lisbon")


class Machine(Hands):
    """A machine whose clock is slow until somebody sets it. `true` is the time; the monotonic clock goes with it."""

    def __init__(self):
        super().__init__()
        self.true, self.slow = float(NOON), YEARS

    def now(self):
        return self.true - self.slow

    def awaits(self, _floor, _now):
        return self.slow > 0

    def doubt(self, buffer, boot="boot-1"):
        since_boot = lambda: self.true - NOON + 20  # noqa: E731 - the test's own
        return Doubt(buffer, self, 0.0, awaits=self.awaits, monotonic=since_boot, boot=boot).load()


@pytest.fixture
def machine():
    return Machine()


@asynccontextmanager
async def sending(folder, machine, boot="boot-1"):
    """The agent's half that takes messages, from start to end; `send` lets one come in."""
    buffer = await Buffer.open(folder / "buffer.db", machine, 10**8)
    doubt = await machine.doubt(buffer, boot)
    async with aiohttp.ClientSession() as session:
        device = Device("door", "192.0.2.10", ZONE, session, machine.now, options={"family": "push"})
        box = await load_box("door", brand("milesight").open_driver(device), Condition(), buffer)
        inbox = Inbox([box], buffer, machine, doubt)
        doubt.shifters.append(box.shift)
        running = asyncio.create_task(inbox.run())

        async def send(minute, came):
            machine.true = NOON + 60.0 * minute + 60
            body = json.dumps(periodic(NOON + 60 * minute, came, 0)).encode()
            return await inbox.put("door", body, "application/json", {})

        try:
            yield send, buffer, doubt
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await buffer.close()


async def told(buffer, metric="in", origin=Origin.PUSH):
    rows = [row for row in await buffer.rows_since(0) if (row.metric, row.origin) == (metric, origin)]
    return {row.start - NOON: (row.end - row.start, row.value, row.quality) for row in rows if row.value is not None}


async def test_what_was_sent_before_the_clock_was_set(tmp_path, machine):
    """Nothing is numbered before; then each minute is there once, to the second, and is said to be corrected."""
    async with sending(tmp_path, machine) as (send, buffer, doubt):
        for minute in range(5):
            await send(minute, minute + 1)
        assert await told(buffer) == {}
        assert doubt.waiting == 10
    async with sending(tmp_path, machine) as (send, buffer, doubt):
        assert not await send(4, 5)
        await send(5, 6)
        machine.slow = 0
        await send(6, 7)
        await send(7, 8)
        rows = await told(buffer)

    assert doubt.waiting == 0
    assert [(round(start / 60), row[:2]) for start, row in sorted(rows.items())] == [
        (minute, (60, minute + 1.0)) for minute in range(8)
    ]
    assert all(abs(start - round(start / 60) * 60) <= 2 for start in rows)
    assert all(row[2] & Quality.CLOCK_CORRECTED for start, row in rows.items() if start < 330)
    assert rows[420][2] == Quality.MEASURED


async def test_rows_of_an_earlier_start_are_estimates(tmp_path, machine):
    """Of a start that ended before the clock was set only the order is known: it was before this one."""
    async with sending(tmp_path, machine) as (send, *_):
        await send(0, 1)
        await send(1, 2)
    machine.true += 600
    async with sending(tmp_path, machine, "boot-2") as (send, buffer, _):
        machine.slow = 0
        await send(30, 3)
        rows = await told(buffer)

    *earlier, (last, row) = sorted(rows.items())
    assert (last, row[1]) == (1800, 3.0)
    assert [one[1] for _, one in earlier] == [1.0, 2.0]
    assert all(one[2] & Quality.ESTIMATED and not one[2] & Quality.MEASURED for _, one in earlier)
    assert all(start + one[0] <= last for start, one in earlier)


async def test_a_camera_that_is_asked_meanwhile(tmp_path, machine):
    """Its hours are read when the time is known, none of them twice; none is looked for two years ago."""
    machine.moment = float(NOON)
    camera = {"id": "door", "auth": "basic", "line": [{"number": 1, "counts": "door:main"}]}
    async with (
        open_store(Scenario.model_validate(SCENARIO | {"camera": [camera]}), lambda: machine.true) as store,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        buffer = await Buffer.open(tmp_path / "buffer.db", machine, 10**8)
        doubt = await machine.doubt(buffer)
        address = store.addresses["cameras"]["door"]
        device = Device("door", address, ZONE, session, machine.now, "counter", "example")
        driver = brand("milesight").open_driver(device)
        book = Book({kind: Memory(NOON - YEARS) for kind in driver.cadence if kind != "counters"})
        one = Poller("door", driver, ZONE, book, machine.now)
        one.doubted = lambda: doubt.doubted
        doubt.shifters.append(one.shift)
        collector = Collector([one], {}, buffer, machine, doubt=doubt)
        for minute in range(130):
            machine.true = NOON + 60.0 * minute + 60
            machine.slow = YEARS if minute < 20 else 0
            doubt.look()
            await collector.tick(int(machine.now()))
        log = {
            (row.metric, row.start, row.value)
            for row in await buffer.rows_since(0)
            if row.origin is Origin.LOG and row.place == "line:1"
        }
        everything = [row for row in await buffer.rows_since(0) if row.value is not None]
        await buffer.close()
    served = {
        (metric, start, value)
        for kind, place, metric, start, _, value, done, _ in store.cameras["door"].served.rows()
        if (kind, place) == ("lines", "line:1") and done and start >= NOON
    }

    assert len(log) == 4
    assert log == served
    assert min(row.start for row in everything) >= NOON


def test_which_clock_is_doubted(monkeypatch):
    """One that the kernel knows to be kept right never; one before a time that has passed always."""
    monkeypatch.setattr("agent.runtime.doubt.clock_sync", lambda: "ntp")
    assert not awaits_sync(2.0, 1.0)
    monkeypatch.setattr("agent.runtime.doubt.clock_sync", lambda: "none")
    assert awaits_sync(2.0, 1.0)
