"""The live cycle: rows after its cursor in, what is happening now out. It recomputes, it never adds."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.contract.layout import Layout, valid_at
from agent.contract.observation import Origin
from agent.contract.times import MINUTE, store_day
from agent.kernels.occupancy import door_ratios
from agent.metrics.catalog import QUARTER, Estimate
from agent.metrics.day import Day
from agent.metrics.expected import learn, usual
from agent.metrics.windows import GRACE, Windows

if TYPE_CHECKING:
    from agent.foundation.clock import Clock
    from agent.metrics.expected import Learned, Usual
    from agent.runtime.meeting import Meeting

CURSOR, STATE, EXPECTED = "cursor:metrics", "metrics", "metrics:expected"
DAYS_KEPT = 60  # of door totals: with a day fading to 0.9, what is older weighs less than a fifth of a percent
AT_ONCE = 5000
KEEP_EVERY = 5000  # rows after which the cursor is written although no window ended
FORGET, PRIOR = 0.9, 250.0  # see door_ratios


class Cycle:
    """Today's minutes, kept up to date from the buffer, and the metrics worked out from them.

    `values` and `now` are what holds now; windows that ended are appended as rows of origin `edge`, in the commit that
    keeps the cursor and what the doors' past days taught.
    """

    def __init__(self, buffer: Meeting, layouts: tuple[Layout, ...], clock: Clock) -> None:
        self._buffer, self._layouts, self._clock = buffer, layouts, clock
        self._cursor = self._kept = 0
        self._doors: list[list[float]] | None = None  # entered, left, completeness of past days
        self._today: Day | None = None
        self._windows: Windows | None = None
        self._learned: Learned = {}
        self._lessons: dict[str, object] = {}  # what a day taught and is not stored yet
        self.usual: dict[str, Usual] = {}  # what today usually brings, by scope (`store`, `SENSOR/sensor`)
        self.now: dict[tuple[str, str], Estimate] = {}  # by (metric, place)

    @property
    def layout(self) -> Layout:
        """The version that holds now."""
        return valid_at(self._layouts, self._clock.now())

    @property
    def day(self) -> tuple[int, int]:
        """The store day that runs."""
        return (self._today.start, self._today.end) if self._today else (0, 0)

    @property
    def values(self) -> dict[str, float]:
        """What holds now in the store as a whole, by metric."""
        return {metric: estimate.value for (metric, place), estimate in self.now.items() if place == "store"}

    async def run(self) -> None:
        """Follow the buffer for ever."""
        while True:
            appended = self._buffer.appended
            with suppress(sqlite3.OperationalError):  # the collector says so; read again with the next append
                await self.catch_up()
            await appended.wait()

    async def catch_up(self) -> None:
        """Take in what was appended since the last time, work out again what it touched, and append what ended."""
        now = self._clock.now()
        today = store_day(now, self.layout.zone_info, self.layout.reset_hour)
        if self._today is None or today != self.day:
            await self._begin(*today)
        day, windows = self._today, self._windows
        if day is None or windows is None:
            return
        await self._read(day)
        changed = day.refresh(now)
        self.now = windows.live(now) | self._baseline(day, now)
        await self._append(windows, now, changed)

    def _baseline(self, day: Day, now: float) -> dict[tuple[str, str], Estimate]:
        """What the time over which `footfall` is told usually brings, and how that spreads; nothing without history."""
        if (known := self.usual.get("store")) is None:
            return {}
        minute = day.now_index(now)
        expected = known.over(max(0, minute - QUARTER // MINUTE), max(1, minute))
        return {
            ("footfall_expected", "store"): Estimate(expected, 1.0),
            ("footfall_dispersion", "store"): Estimate(known.dispersion, 1.0),
        }

    async def _read(self, day: Day) -> None:
        while rows := await self._buffer.rows_after(self._cursor, AT_ONCE):
            self._cursor = rows[-1].number
            day.take(row.observation for row in rows if row.observation.origin is not Origin.EDGE)
            if len(rows) < AT_ONCE:
                break

    async def _begin(self, start: int, end: int) -> None:
        """Close the day that ran, learn from it, and begin the next with what the buffer already has of it."""
        if self._doors is None:
            stored: dict[str, Any] = await self._buffer.state(STATE) or {"doors": []}
            self._doors = stored["doors"]
            self._learned = await self._buffer.state(EXPECTED) or {}
        if self._today is not None and self._windows is not None:
            await self._read(self._today)  # the tick that ended the day
            changed = self._today.refresh(self._today.end)
            self._doors = [*self._doors, _balance(self._today)][-DAYS_KEPT:]
            self._learned = learn(self._learned, self._today)
            self._lessons = {STATE: {"doors": self._doors}, EXPECTED: self._learned}
            await self._append(self._windows, self._today.end + GRACE, changed)
        came, went, told = np.array(self._doors, dtype=np.float64).reshape(-1, 3).T.copy()
        ratio = float(door_ratios(came, went, told, FORGET, PRIOR)[-1])
        self._today = Day(self.layout, start, end, ratio)
        self.usual = usual(self._learned, start)
        self._windows = Windows(self._today)
        self._cursor = self._buffer.highest
        self._today.take(await self._buffer.rows_since(start))

    async def _append(self, windows: Windows, now: float, changed: int | None) -> None:
        """Publish windows that ended; without any the cursor is kept now and then, so that the buffer can be pruned."""
        rows = windows.due(now, changed)
        if not rows and not self._lessons and self._cursor <= self._kept + KEEP_EVERY:
            return
        try:
            await self._buffer.append(rows, state={CURSOR: self._cursor, **self._lessons})
        except sqlite3.OperationalError:
            windows.forget()  # all is given out again once the disk takes it; the collector tells of the trouble
            return
        self._kept, self._lessons = self._cursor, {}

    def entered_and_left(self, sensor: str) -> tuple[int, int] | None:
        """Today's persons over a sensor's entrance lines, None where it has none."""
        return self._today.entered_and_left(sensor) if self._today else None

    def hours(self, sensor: str) -> tuple[float | None, ...]:
        """How many crossed a sensor's lines or entered its regions by hours of today, None where it told nothing."""
        return self._today.hours(sensor, self._clock.now()) if self._today else ()


def _balance(day: Day) -> list[float]:
    """Entered, left and completeness of a whole day."""
    whole = float(np.mean((day.entered.told, day.left.told)))
    return [float(np.nansum(day.entered.persons)), float(np.nansum(day.left.persons)), whole]
