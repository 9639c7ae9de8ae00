"""A scripted day as cameras tell it, lived by the agent's own stages on a real buffer; alone it can be killed anywhere.

    python -m tests.alerts.living DATABASE FROM UNTIL

lives the day from where the buffer has it, minute by minute.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tomllib
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.alerting import DEFAULTS
from agent.alerts.binding import bound
from agent.alerts.rules import Rules
from agent.buffer.buffer import Buffer
from agent.contract.happenings import Alert
from agent.contract.layout import Layout
from agent.contract.observation import Observation, Origin, Quality
from agent.foundation.clock import Clock
from agent.foundation.toml import load
from agent.runtime.alarms import Alarms
from agent.runtime.cycle import Cycle
from agent.runtime.outgoing import Outgoing
from agent.runtime.recorded import Columns, Recording
from tests.metrics.days import taught

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

MIDNIGHT = 1_772_409_600  # 2026-03-02T00:00:00Z, a Monday in Lisbon
DAY = 86400
LAYOUT = Layout.model_validate(
    tomllib.loads("""
version = "1"
effective_from = 2026-03-01
time_zone = "Europe/Lisbon"
capacity = 100
[[sensor]]
id = "door"
line = [{ number = 1 }]
[[sensor]]
id = "till"
tells = ["crossings", "queue_length"]
region = [{ number = 1 }]
[[sensor]]
id = "jewels"
tells = ["occupancy", "staff"]
region = [{ number = 1 }]
[[zone]]
name = "checkout"
purpose = "queue"
places = ["till/region:1"]
[[zone]]
name = "jewellery"
purpose = "premium"
places = ["jewels/region:1"]
[[opening]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "10:00"
until = "21:00"
""")
)
EACH_WAY = (1.0, 3.0, 2.0, 2.5, 1.5)  # persons a minute, in turns: two a minute, and never the same twice
INSIDE = 40.0


def clock(text: str) -> int:
    """A time of the scripted day."""
    hour, minute = map(int, text.split(":"))
    return MIDNIGHT + 3600 * hour + 60 * minute


def between(at: int, first: str, last: str) -> bool:
    return clock(first) <= at < clock(last)


def told(start: int) -> list[Observation]:
    """What the cameras tell of one minute."""
    end = start + 60
    came = went = EACH_WAY[start // 60 % len(EACH_WAY)]
    came += 55.0 * (start == clock("14:00"))
    went += 55.0 * (start == clock("15:00"))
    if between(start, "19:00", "19:20"):  # something hangs before the door's sensor
        came = went = 0.0
    jewels = 3.0 if between(start, "12:00", "12:20") else 0.0
    rows = [
        ("door", "line:1", "in", came),
        ("door", "line:1", "out", went),
        ("till", "region:1", "queue_length", 11.0 if between(start, "17:00", "17:30") else 3.0),
        ("jewels", "region:1", "occupancy", jewels),
        ("jewels", "region:1", "staff", 0.0 if between(start, "12:00", "12:30") else 1.0),
    ]
    if start in (clock("11:00"), clock("11:30")) or start % 3600 == 0:
        rows.append(("door", "sensor", "alarm_counter", float(between(start, "11:00", "11:30"))))
    return [
        Observation(sensor, place, metric, start, end, value, Origin.LIVE, Quality.MEASURED)
        for sensor, place, metric, value in rows
    ]


class Hands(Clock):
    """A clock that the day moves."""

    moment = float(clock("09:00"))

    def now(self) -> float:
        return Hands.moment


class Stages:
    """The stages between rows and alerts, as the running agent has them."""

    def __init__(self, buffer: Buffer, alarms: Alarms, cycle: Cycle) -> None:
        self.buffer, self.alarms, self.cycle = buffer, alarms, cycle

    async def minute(self, start: int, rows: Iterable[Observation]) -> None:
        """One tick and what it leads to."""
        Hands.moment = start + 60.4
        await self.buffer.append(list(rows), state={"fed": start + 60})
        await self.cycle.catch_up()
        await self.alarms.turn()

    async def live(self, first: int, last: int, silent: tuple[tuple[str, str], ...] = ()) -> None:
        """Minute by minute; `silent` are stretches in which no camera answers."""
        for start in range(first, last, 60):
            quiet = any(between(start, *stretch) for stretch in silent)
            await self.minute(start, [] if quiet else told(start))

    async def told(self) -> list[Alert]:
        """Every transition that the buffer holds."""
        return read_alerts(self.buffer.path)


def recorded(rows: Iterable[Observation]) -> Recording:
    """The same rows as somebody recorded them."""
    rows = list(rows)
    series = sorted({(row.sensor, row.place, row.metric) for row in rows})
    columns = zip(*((series.index(row[:3]), *row[3:8]) for row in rows), strict=True)
    return Recording(Columns(series, *map(np.array, columns)))


def read_alerts(path: Path) -> list[Alert]:
    with closing(sqlite3.connect(path)) as connection:
        return [Alert(*row[1:-1]) for row in connection.execute("SELECT * FROM alert ORDER BY number")]


def rules(text: str = "") -> Rules:
    """Those that come with the code, or others."""
    return Rules.model_validate(tomllib.loads(text)) if text else load(DEFAULTS, Rules)


@asynccontextmanager
async def stages(path: Path, written: str = "", *actions: object) -> AsyncIterator[Stages]:
    """A start of the agent; leaving is a clean end."""
    buffer = await Buffer.open(path, Hands(), 10**9)
    outgoing = Outgoing(buffer, Hands(), "lisboa-01", actions)  # type: ignore[arg-type]  # actions of tests
    alarms = Alarms(buffer, LAYOUT, "lisboa-01", Hands(), outgoing)
    await alarms.load({})
    cycle = Cycle(buffer, (LAYOUT,), Hands(), alarms)
    await cycle.catch_up()
    alarms.use(lambda layout: bound(rules(written), layout))
    try:
        yield Stages(buffer, alarms, cycle)
    finally:
        await buffer.close()


def came_before(at: int) -> list[Observation]:
    """Forty people come in in one minute."""
    return [
        Observation("door", "line:1", metric, at - 60, at, persons, Origin.LIVE, Quality.MEASURED)
        for metric, persons in (("in", INSIDE), ("out", 0.0))
    ]


async def teach(path: Path, first: str = "09:00") -> None:
    """Three weeks of like days are behind the store, and forty people came in just before the first minute."""
    Hands.moment = float(clock(first))
    buffer = await Buffer.open(path, Hands(), 10**9)
    began = [float(MIDNIGHT + 4 * 3600 - DAY * n) for n in range(21, 0, -1)]
    usual = {"door/sensor": 240.0, "store": 120.0}
    await buffer.append(came_before(clock(first)), state=taught(usual, began, LAYOUT))
    await buffer.close()


async def main(path: Path, first: str, last: str, *, new: bool) -> None:
    if new:
        await teach(path, first)
    begun = await Buffer.open(path, Hands(), 10**9)
    at = await begun.state("fed") or clock(first)
    await begun.close()
    Hands.moment = float(at)
    async with stages(path) as living:
        for start in range(at, clock(last), 60):
            print(start, flush=True)  # who kills us knows then how far we are
            await living.live(start, start + 60)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    asyncio.run(main(file, sys.argv[2], sys.argv[3], new=not file.exists()))
