"""What becomes of messages whose times are wrong, that overlap, or that the disk does not take; on a real buffer."""

import asyncio
import json
import random
import sqlite3
from contextlib import asynccontextmanager
from itertools import pairwise
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin, Quality
from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.foundation.clock import Clock
from agent.runtime.book import Condition
from agent.runtime.inbox import Inbox, NotStored, load_box
from tests.runtime.sending import info, iso, periodic, trigger

NOON = 1_795_089_600  # 2026-11-19T12:00:00Z
MEASURED, CORRECTED = Quality.MEASURED, Quality.MEASURED | Quality.CLOCK_CORRECTED


class Hands(Clock):
    """A clock that the test moves; what waits for the end of a minute waits no longer than a moment."""

    def __init__(self):
        super().__init__()
        self.moment = float(NOON)

    def now(self):
        return self.moment

    def real(self, _seconds):
        return 0.01


class Store:
    """An inbox with one sensor."""

    def __init__(self, clock, buffer, inbox):
        self.clock, self.buffer, self.inbox = clock, buffer, inbox
        self.box = inbox.boxes["door"]

    async def send(self, message, at):
        """Let a message come in at a moment; whether it was news."""
        self.clock.moment = float(at)
        return await self.inbox.put("door", json.dumps(message).encode(), "application/json", {})

    async def rows(self, origin=Origin.PUSH):
        """By metric and start: end, value, quality; withdrawn ones left out."""
        return {
            (row.metric, row.start - NOON): (row.end - NOON, row.value, row.quality)
            for row in await self.buffer.rows_since(0)
            if row.origin is origin and row.value is not None
        }

    async def minute_ends(self, at):
        """Until what the end of a minute adds is committed."""
        appended, self.clock.moment = self.buffer.appended, float(at)
        await appended.wait()


@asynccontextmanager
async def store(folder, clock, driver="milesight", **options):
    buffer = await Buffer.open(folder / "buffer.db", clock, 10**8)
    async with aiohttp.ClientSession() as session:
        device = Device("door", "192.0.2.10", ZoneInfo("Europe/Lisbon"), session, clock.now, options=options)
        box = await load_box("door", brand(driver).open_driver(device), Condition(), buffer)
        inbox = Inbox([box], buffer, clock)
        running = asyncio.create_task(inbox.run())
        try:
            yield Store(clock, buffer, inbox)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await buffer.close()


@pytest.fixture
def clock():
    return Hands()


async def test_crossings_and_periods_are_never_added(tmp_path, clock):
    """A camera that tells both is counted from its periods, in whatever order they come, also after a restart."""
    async with store(tmp_path, clock, family="push") as one:
        await one.send(trigger(NOON + 5), NOON + 5)
        await one.send(trigger(NOON + 9), NOON + 9)
        assert await one.rows() == {("in", 0): (60, 2.0, MEASURED)}
        await one.send(periodic(NOON, 2, 1), NOON + 60)
        await one.send(trigger(NOON + 30), NOON + 61)
        await one.send(trigger(NOON + 70), NOON + 70)
    async with store(tmp_path, clock, family="push") as one:
        assert not await one.send(trigger(NOON + 70), NOON + 75)
        await one.send(periodic(NOON + 60, 1, 0), NOON + 120)
        await one.send(trigger(NOON + 130), NOON + 130)
        held = await one.rows()
        await one.minute_ends(NOON + 3600)  # the periods were switched off: the crossing counts after all
        rows = await one.rows()

    assert held == {
        ("in", 0): (60, 2.0, MEASURED),
        ("out", 0): (60, 1.0, MEASURED),
        ("in", 60): (120, 1.0, MEASURED),
        ("out", 60): (120, 0.0, MEASURED),
    }
    assert rows == held | {("in", 120): (180, 1.0, MEASURED)}


async def test_a_clock_that_is_slow_is_corrected(tmp_path, clock):
    """Three minutes slow: measured by messages that come evenly, taken off, and told."""
    slow, chance = 180, random.Random(1)  # noqa: S311 - the same delays every time
    async with store(tmp_path, clock, family="push") as one:
        for minute in range(20):
            drift = minute // 4
            await one.send(
                periodic(NOON + 60 * minute - slow - drift, minute + 1, 0), NOON + 60 * minute + 60 + chance.random()
            )
        rows = {start: row for (metric, start), row in (await one.rows()).items() if metric == "in"}
        condition = one.box.condition

    later = {start: row for start, row in rows.items() if row[2] & Quality.CLOCK_CORRECTED}
    assert len(rows) == 20
    assert sum(row[1] for row in rows.values()) == 210
    assert len(later) == 18
    assert all(abs(start - round(start / 60) * 60) <= 5 for start in later)
    assert -190 < condition.offset < -175
    assert condition.doubt == ""


async def test_a_late_message_is_no_slow_clock(tmp_path, clock):
    """After an hour without network the camera sends what it kept: its times are right."""
    async with store(tmp_path, clock, family="push") as one:
        for minute in range(4):
            await one.send(periodic(NOON + 60 * minute, 1, 0), NOON + 60 * minute + 60)
        for minute in range(4, 64):
            await one.send(periodic(NOON + 60 * minute, 1, 0), NOON + 64 * 60 + minute // 10)
        await one.send(periodic(NOON + 64 * 60, 1, 0), NOON + 65 * 60)
        rows = await one.rows()

    assert {start for metric, start in rows if metric == "in"} == {60 * minute for minute in range(65)}
    assert not any(row[2] & Quality.CLOCK_CORRECTED for row in rows.values())
    assert abs(one.box.condition.offset) < 60


@pytest.mark.parametrize("alike", [False, True])
async def test_a_clock_that_stands_still(tmp_path, clock, alike):
    """The time of receipt counts and is said to; of messages alike to the letter one is lost."""
    async with store(tmp_path, clock, family="push") as one:
        for minute in range(3):
            await one.send(periodic(NOON + 60 * minute, 1, 0), NOON + 60 * minute + 60)
        for minute in range(3, 13):
            message = periodic(NOON + 120, 1 if alike else minute, 0) | {"device_info": info()}
            await one.send(message, NOON + 60 * minute + 60)
        doubt = one.box.condition.doubt
        for minute in range(13, 18):
            await one.send(periodic(NOON + 60 * minute, 1, 0), NOON + 60 * minute + 60)
        rows = await one.rows()

    still = {start: row for (metric, start), row in rows.items() if metric == "in" and 180 <= start < 780}
    assert doubt == "stands still"
    assert one.box.condition.doubt == ""
    assert all(row[2] & Quality.CLOCK_CORRECTED for row in still.values())
    assert sum(row[1] for row in still.values()) == (9 if alike else sum(range(3, 13)))
    spans = sorted((start, row[0]) for start, row in still.items())
    assert all(end <= following for (_, end), (following, _) in pairwise(spans))


async def test_a_clock_that_jumps_back(tmp_path, clock):
    """What it tells then of hours told before changes nothing of them; it is believed again when it goes evenly."""
    async with store(tmp_path, clock, family="push") as one:
        for minute in range(5):
            await one.send(periodic(NOON + 60 * minute, 1, 0), NOON + 60 * minute + 60)
        before = await one.rows()
        for minute in range(5, 15):
            await one.send(periodic(NOON - 7200 + 60 * minute, 2, 0), NOON + 60 * minute + 60)
        rows = await one.rows()

    assert {key: rows[key] for key in before} == before
    assert sum(value for (metric, _), (_, value, _) in rows.items() if metric == "in") == 25
    assert min(start for _, start in rows) == 0
    assert one.box.condition.offset == pytest.approx(-7200, abs=5)


async def test_what_has_not_begun_is_not_counted(tmp_path, clock):
    """A first message from tomorrow is a fast clock; one among right ones is damage."""
    async with store(tmp_path, clock, family="push") as one:
        for minute in range(3):
            await one.send(periodic(NOON + 60 * minute, 1, 0), NOON + 60 * minute + 60)
        wrong = periodic(NOON + 86400, 9, 9) | {"isRetransmission": True}
        await one.send(wrong, NOON + 200)
        rows = await one.rows()

    assert {start for _, start in rows} == {0, 60, 120}
    assert "has not begun" in one.box.condition.problem


async def test_a_disk_that_takes_nothing(tmp_path, clock, monkeypatch):
    """The sender is told to send again, and when it does the message counts once."""
    async with store(tmp_path, clock, family="push") as one:
        await one.send(trigger(NOON + 1), NOON + 1)
        append = one.buffer.append
        monkeypatch.setattr("agent.runtime.inbox.AGAIN_AFTER", 0.0)

        async def full(*_, **__):
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(one.buffer, "append", full)
        with pytest.raises(NotStored):
            await one.send(trigger(NOON + 2), NOON + 2)
        monkeypatch.setattr(one.buffer, "append", append)
        assert await one.send(trigger(NOON + 2), NOON + 2)
        assert not await one.send(trigger(NOON + 2), NOON + 3)

        assert await one.rows() == {("in", 0): (60, 2.0, MEASURED)}


async def test_states_become_minutes(tmp_path, clock):
    """Who is in a region: the last word of a minute, final when it is over. Stays: their mean, and how many."""
    async with store(tmp_path, clock, family="push") as one:

        def message(at, present, stay):
            dwell = {"region": 1, "duration": stay * 1000, "dwell_end_time": iso(at), "people_id": 77}
            count = {"region": 1, "total": {"current_total": present}}
            data = {"region_count_data": [count], "dwell_time_data": [dwell]}
            return {"device_info": info(), "time_info": {"time": iso(at)}, "region_trigger_data": data}

        await one.send(message(NOON + 5, 4, 10), NOON + 5)
        await one.send(message(NOON + 50, 3, 30), NOON + 50)
        assert (await one.rows())["occupancy", 0] == (60, 3.0, Quality.PROVISIONAL)
        await one.minute_ends(NOON + 61)
        rows = await one.rows()

    assert rows == {("occupancy", 0): (60, 3.0, MEASURED), ("dwell_mean", 0): (60, 20.0, MEASURED)}
