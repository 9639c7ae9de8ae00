"""Every stretch in which a sensor should have answered ends as told, or as lost with a reason: none stays pending."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin, Quality
from agent.foundation.clock import Clock
from agent.runtime.collector import Collector
from agent.sensors import open_backfill, open_poller
from agent.settings import Sensor
from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store

ZONE = ZoneInfo("Europe/Lisbon")
NOON = 1_795_089_600  # 2026-11-19T12:00:00Z, a Thursday
HOUR = 3600


class Hands(Clock):
    """A clock that the test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = float(NOON)

    def now(self):
        return self.moment


def scenario(driver: str, family: str) -> Scenario:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    camera = {"id": "door", "driver": driver, "family": family, "auth": "digest"}
    return Scenario.model_validate(
        {
            "seed": 7,
            "history_days": 5,
            "store": {"name": "t", "time_zone": "Europe/Lisbon", "hours": dict.fromkeys(days, "00:00-24:00")},
            "arrivals": {"visits_per_day": 3000, "by_hour": [1] * 24},
            "door": [{"name": "main"}],
            "camera": [{**camera, "line": [{"number": 1, "counts": "door:main"}]}],
        }
    )


class Life:
    """One camera, and the collecting half of an agent that can be stopped and started on the same buffer."""

    def __init__(self, folder, cameras, clock, driver: str, options: dict) -> None:
        self.file, self.cameras, self.clock = folder / "buffer.db", cameras, clock
        self.camera = cameras.cameras["door"]
        self.sensor = Sensor(
            id="door",
            driver=driver,
            address=cameras.addresses["cameras"]["door"],
            username="counter",
            password_file="p",  # noqa: S106 - the name of a file
            options=options,
        )

    @asynccontextmanager
    async def agent(self):
        settings = SimpleNamespace(sensor=[self.sensor], history=SimpleNamespace(days=2, pause=0.0))
        configuration = SimpleNamespace(settings=settings, zone_of=lambda _: ZONE, secret=lambda _: "example")
        buffer = await Buffer.open(self.file, self.clock, 10**8)
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            one = await open_poller(configuration, self.sensor, session, buffer, self.clock)
            fill = await open_backfill(configuration, one, buffer, self.clock)
            collector = Collector([one], {"door": fill}, buffer, self.clock)
            yield SimpleNamespace(collector=collector, poller=one, fill=fill, buffer=buffer, tick=self.tick)
            await collector.close()
        await buffer.close()

    async def tick(self, agent, minutes: int) -> None:
        for _ in range(minutes):
            self.clock.moment = (self.clock.moment // 60 + 1) * 60
            agent.poller.patience.not_before = 0.0  # the store's minutes pass faster than real back-off
            await agent.collector.tick(int(self.clock.now()))

    def served(self) -> dict:
        return {
            (place, metric, start, end): value
            for kind, place, metric, start, end, value, done, _ in self.camera.served.rows()
            if kind == "lines" and place.startswith("line") and done
        }


@asynccontextmanager
async def life(folder, driver="milesight", family="camera", options=None):
    clock = Hands()
    async with open_store(scenario(driver, family), clock.now) as cameras:
        yield Life(folder, cameras, clock, driver, {"family": family} if options is None else options)


async def logged(buffer) -> dict:
    return {
        (row.place, row.metric, row.start, row.end): row
        for row in await buffer.rows_since(0)
        if row.origin is Origin.LOG and row.place.startswith("line") and row.value is not None
    }


async def test_three_outages_end_with_what_the_camera_knows_and_nothing_pending(tmp_path):
    """The agent is down for 36 hours, the camera unreachable for 5, then without power for 5.

    Afterwards every finished hour is in the buffer as the camera tells it, the hours without power are unconfirmed
    where they are there at all, and no entry of the ledger is pending.
    """
    async with life(tmp_path) as there:
        async with there.agent() as agent:
            await agent.fill.run_dry()
            await there.tick(agent, 90)
        stopped = there.clock.moment
        there.clock.moment += 36 * HOUR
        async with there.agent() as agent:
            await there.tick(agent, 3)
            told = await agent.buffer.pending_entries()
            assert [(entry.state, entry.start <= stopped) for entry in told] == [("pending", True)]
            await agent.fill.run_dry()
            await there.tick(agent, 100)

            await there.camera.unplug(power=False)
            await there.tick(agent, 300)
            assert [entry.state for entry in await agent.buffer.pending_entries()] == ["pending"]
            await there.camera.plug()
            await there.tick(agent, 130)

            dark = there.clock.moment
            await there.camera.unplug(power=True)
            await there.tick(agent, 300)
            light = there.clock.moment
            await there.camera.plug()
            await there.tick(agent, 200)
            await agent.fill.run_dry()
            await there.tick(agent, 70)

            rows, pending = await logged(agent.buffer), await agent.buffer.pending_entries()

    hours = {start for _, _, start, _ in rows}
    served = {key: value for key, value in there.served().items() if min(hours) <= key[2] <= max(hours)}
    assert {key: row.value for key, row in rows.items()} == served
    assert len(hours) >= 48 + 36 + 10
    whole_dark = [start for start in hours if dark <= start and start + HOUR <= light]
    assert all(
        row.quality & Quality.UNCONFIRMED and not row.quality & Quality.MEASURED
        for key, row in rows.items()
        if key[2] in whole_dark
    )
    assert pending == []


def ledger(file) -> list[tuple]:
    """Start, end, state and reason of every entry, as the file holds them."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute('SELECT start, "end", state, reason FROM ledger ORDER BY number').fetchall()


@pytest.mark.parametrize("hours", [5, 40])
async def test_a_camera_with_running_totals_alone_answers_a_gap_of_less_than_a_day(tmp_path, hours):
    """What the totals rose in the gap is one wide row; beyond a day they say nothing, and the gap is lost."""
    async with life(tmp_path, "axis", "object-analytics", {"application": "object-analytics",
                    "scenarios": {"1": "line:1 in", "2": "line:1 out"}, "scenario": 2}) as there:  # fmt: skip
        async with there.agent() as agent:
            await there.tick(agent, 5)
        there.clock.moment += hours * HOUR
        async with there.agent() as agent:
            await there.tick(agent, 3)
            rows = [row for row in await agent.buffer.rows_since(0) if row.value is not None]
            wide = [row for row in rows if row.end - row.start > HOUR]
    assert bool(wide) is (hours == 5)
    assert [state for *_, state, _ in ledger(there.file)] == ["answered" if hours == 5 else "lost"]


async def test_another_camera_behind_the_address_begins_afresh(tmp_path):
    """The serial number changes over a silence: its memory of before is not asked for, its totals are a baseline."""
    async with life(tmp_path, "axis", "people-counter", {}) as there, there.agent() as agent:
        await agent.fill.run_dry()
        await there.tick(agent, 70)
        assert agent.poller.book.occupant.serial == there.camera.brand.camera.number
        before = await agent.buffer.rows_since(0)

        await there.camera.unplug(power=False)
        await there.tick(agent, 30)
        swapped = int(there.clock.moment)
        there.camera.brand.camera = there.camera.brand.camera.model_copy(update={"serial": "ANOTHER"})
        await there.camera.plug()
        await there.tick(agent, 200)
        await agent.fill.run_dry()
        rows = [row for row in await agent.buffer.rows_since(0) if row not in before]

    next_hour = (swapped // HOUR + 1) * HOUR
    assert agent.poller.book.occupant.serial == "ANOTHER"
    assert agent.poller.book.occupant.since == next_hour
    told = [row for row in rows if row.value is not None]
    assert {row.origin for row in told} == {Origin.LOG, Origin.LIVE}
    assert min(row.start for row in told) >= swapped
    assert [(end, state) for _, end, state, _ in ledger(there.file)] == [(swapped + 60, "lost")]


async def test_one_round_by_hand_keeps_what_the_memory_has_and_ends(tmp_path):
    """`poll --once --backfill-hours 24` in a real process: each hour once, then nothing new; a dead one is status 1."""
    (tmp_path / "door.password").write_text("example\n")
    async with open_store(scenario("milesight", "camera"), time.time) as cameras:
        config = tmp_path / "agent.toml"
        config.write_text(
            '[store]\ntenant = "t"\nid = "s"\n[device]\nid = "d"\n[buffer]\npath = "buffer.db"\n'
            '[mqtt]\nhost = "127.0.0.1"\n[cameras]\nloopback = true\n[history]\ndays = 0\npause = 0\n'
            f'[[sensor]]\nid = "door"\ndriver = "milesight"\naddress = "{cameras.addresses["cameras"]["door"]}"\n'
            'username = "counter"\npassword_file = "door.password"\n'
        )
        (tmp_path / "layout.toml").write_text(
            'version = "1"\neffective_from = 2026-01-01\ntime_zone = "Europe/Lisbon"\n'
            '[[sensor]]\nid = "door"\n[[sensor.line]]\nnumber = 1\n'
        )
        command = [sys.executable, "-m", "agent", "poll", "--once", "--backfill-hours", "24", "--json"]
        rounds = []
        for _ in range(2):
            status, told = await run([*command, "--config", str(config)])
            assert status == 0, told
            rounds.append(json.loads(told)[0])
        await cameras.cameras["door"].unplug()
        status, told = await run([*command, "--config", str(config)])

    with closing(sqlite3.connect(tmp_path / "buffer.db")) as connection:
        hours = {row[0] for row in connection.execute("SELECT start FROM observation")}
    assert rounds[0]["rows"] > 24
    assert rounds[1]["rows"] == 0
    assert len(hours) >= 24
    assert (status, json.loads(told)[0]["answered"]) == (1, False)


async def run(command: list[str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    told, _ = await process.communicate()
    return process.returncode, told.decode()
