"""Appending so that it survives a power cut, beside bare aiosqlite, and what that costs the card."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiosqlite
from figures import Figure

from agent.buffer.buffer import Buffer
from agent.contract.observation import Observation, Origin, Quality
from agent.foundation.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

DISK = "/var/tmp"  # noqa: S108 - /tmp may be memory, where nothing is durable
START = 1_773_705_600
CAMERAS = 8
ROWS_EACH = 4  # two lines, in and out
TICKS = 1440
PLACES = 4  # lines of each sensor whose rows are followed to metrics and alerts
FOLLOWED = 200  # ticks of one sensor, and as many of all at once

BARE = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE row (start INTEGER, series INTEGER, stop INTEGER, value REAL, origin INTEGER, quality INTEGER, number
INTEGER, PRIMARY KEY (start, series)) WITHOUT ROWID
"""


def tick(number: int, rows: int, each: int = ROWS_EACH) -> list[Observation]:
    """One tick of a store: a row for each series of its cameras."""
    start = START + 60 * number
    return [
        Observation(
            f"cam-{i // each}",
            f"line:{i % each // 2 + 1}",
            ("in", "out")[i % 2],
            start,
            start + 60,
            float((number * 7 + i) % 9),
            Origin.LIVE,
            Quality.MEASURED,
        )
        for i in range(rows)
    ]


def written_bytes() -> int:
    """What this process has sent towards the disk so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


async def _into_buffer(folder: str, name: str, rows: int, ticks: int) -> float:
    buffer = await Buffer.open(Path(folder, name), Clock(), 4 << 30)
    for number in range(ticks // 10):
        await buffer.append(tick(number, rows))
    before = time.perf_counter()
    for number in range(ticks // 10, ticks // 10 + ticks):
        await buffer.append(tick(number, rows), state={"poller": {"raw": number}})
    taken = time.perf_counter() - before
    await buffer.close()
    return rows * ticks / taken


async def _into_bare(folder: str, name: str, rows: int, ticks: int) -> float:
    async with aiosqlite.connect(Path(folder, name)) as link:
        await link.executescript(BARE)
        before = time.perf_counter()
        for number in range(ticks):
            values = [(r.start, i, r.end, r.value, 1, 1, number * rows + i) for i, r in enumerate(tick(number, rows))]
            await link.executemany("INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            await link.commit()
        return rows * ticks / (time.perf_counter() - before)


def appending() -> list[Figure]:
    figures = []
    for rows, ticks in ((1, 300), (50, 200), (1000, 20)):
        with tempfile.TemporaryDirectory(dir=DISK) as folder:
            rates = [
                [asyncio.run(way(folder, f"{way.__name__}{turn}.db", rows, ticks)) for turn in range(3)]
                for way in (_into_buffer, _into_bare)
            ]
        ours, bare = (sorted(three)[1] for three in rates)
        what = f"durable append, {rows:,} row{'s' * (rows > 1)} a commit"
        figures.append(Figure(what, ours, "rows/s", 0.5, bare, "aiosqlite, WAL FULL", of_ratio=True, more=True))
    return figures


def card() -> list[Figure]:
    rows = CAMERAS * ROWS_EACH
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        ours = _cost(lambda: asyncio.run(_into_buffer(folder, "ours.db", rows, TICKS)))
        bare = _cost(lambda: asyncio.run(_into_bare(folder, "bare.db", rows, TICKS)))
    if not ours:
        return []  # a file system that does not tell, such as one in memory
    a_day = ours * 10 / 11 / CAMERAS / 1e6  # a tenth of the ticks came before the day
    label = f"{CAMERAS} cameras, {ROWS_EACH} rows each, a commit a minute"
    return [
        Figure(f"written to disk a row: {label}", ours / 1.1 / rows / TICKS, "B", None, bare / rows / TICKS, "bare"),
        Figure(f"written to disk a day and camera: {CAMERAS} cameras", a_day, "MB", 6.0),
    ]


def _cost(work: Callable[[], object]) -> int:
    before = written_bytes()
    work()
    return written_bytes() - before


class Hands(Clock):
    """A clock that is just after the tick."""

    minute = 360

    def now(self) -> float:
        return START + 60 * self.minute + 61.0


def live_tick() -> list[Figure]:
    """From rows appended to what they mean and whom they alarm, for one sensor of a hundred and for all at once."""
    from agent.alerting import DEFAULTS  # noqa: PLC0415 - pydantic models and rule-engine, for this row alone
    from agent.contract.layout import Layout, Line, Sensor  # noqa: PLC0415 - as above
    from agent.kernels.registry import warm_up  # noqa: PLC0415 - as above
    from agent.layouts import read_rules  # noqa: PLC0415 - as above
    from agent.runtime.alarms import Alarms  # noqa: PLC0415 - as above
    from agent.runtime.cycle import Cycle  # noqa: PLC0415 - as above
    from agent.runtime.outgoing import Outgoing  # noqa: PLC0415 - as above
    from tests.metrics.days import taught  # noqa: PLC0415 - as above

    lines = tuple(Line(number=number + 1) for number in range(PLACES))
    sensors = tuple(Sensor(id=f"cam-{n}", line=lines) for n in range(100))
    layout = Layout(version="1", effective_from="2026-03-01", time_zone="Europe/Lisbon", sensor=sensors, capacity=500)
    began = [START + 14400 - 86400 * day for day in range(21, 0, -1)]
    warm_up()
    usual = {f"{sensor.id}/sensor": 120.0 for sensor in sensors}
    clock = Hands(0.0, START + 360 * 60)
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        buffer = loop.run_until_complete(Buffer.open(Path(folder, "tick.db"), clock, 1 << 30))
        loop.run_until_complete(buffer.append(state=taught(usual, began, layout)))
        alarms = Alarms(buffer, layout, "store", clock, Outgoing(buffer, clock, "store", []))
        cycle = Cycle(buffer, (layout,), clock, alarms)
        loop.run_until_complete(cycle.catch_up())
        alarms.use(lambda layout: read_rules(DEFAULTS, layout))

        def taken(rows: list[Observation]) -> float:
            loop.run_until_complete(buffer.append(rows))
            before = time.perf_counter()
            loop.run_until_complete(cycle.catch_up())
            loop.run_until_complete(alarms.turn())
            return (time.perf_counter() - before) * 1000

        one, hundred = [], []
        for clock.minute in range(360, 360 + 2 * FOLLOWED):  # in turns, one sensor before the others and all at once
            rows, first = tick(clock.minute, 2 * PLACES * 100, 2 * PLACES), 2 * PLACES if clock.minute % 2 else 0
            if first:
                one.append(taken(rows[:first]))
            spent = taken(rows[first:])
            hundred += [] if first else [spent]
        loop.run_until_complete(buffer.close())
    loop.close()
    told = []
    for what, spent, limit in (("one sensor of 100", one, 1.0), ("all 100 at once", hundred, 30.0)):
        told += [
            Figure(f"rows appended → metrics and alerts, {what}, p50", sorted(spent)[FOLLOWED // 2], "ms", limit),
            Figure("  p99", sorted(spent)[FOLLOWED * 99 // 100], "ms"),
        ]
    return told
