"""The live cycle: rows after its cursor in, what is happening now out. It recomputes, it never adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.contract.layout import Layout, valid_at
from agent.contract.observation import Origin
from agent.contract.times import HOUR, MINUTE, store_day
from agent.metrics.catalog import CATALOG, Minutes, doors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.buffer.buffer import Buffer
    from agent.contract.observation import Observation
    from agent.foundation.clock import Clock


class Cycle:
    """Today's minutes as arrays, kept up to date from the buffer, and the metrics worked out from them."""

    def __init__(self, buffer: Buffer, layouts: tuple[Layout, ...], clock: Clock) -> None:
        self._buffer, self._layouts, self._clock = buffer, layouts, clock
        self._cursor = 0
        self._minutes: Minutes = {}
        self._finished: dict[tuple[str, str, str], dict[tuple[int, int], float]] = {}
        self._counts: Minutes = {}
        self.day = (0, 0)
        self.values: dict[str, float] = {}

    @property
    def layout(self) -> Layout:
        """The version that holds now."""
        return valid_at(self._layouts, self._clock.now())

    async def run(self) -> None:
        """Follow the buffer for ever."""
        while True:
            appended = self._buffer.appended
            await self.catch_up()
            await appended.wait()

    async def catch_up(self) -> None:
        """Take in what was appended since the last time, and work the metrics out again."""
        today = store_day(self._clock.now(), self.layout.zone_info, self.layout.reset_hour)
        if today != self.day:
            self.day, self._minutes, self._finished = today, {}, {}
            self._cursor = self._buffer.highest
            self._take(await self._buffer.rows_since(today[0]))
        while rows := await self._buffer.rows_after(self._cursor):
            self._cursor = rows[-1].number
            self._take(row.observation for row in rows)
        length = (self.day[1] - self.day[0]) // MINUTE
        self._counts = self._reconciled(length)
        self.values = {
            metric.name: float(metric.compute(self.layout, self._counts, length)[self._now_index(length)])
            for metric in CATALOG
            if self.layout.lines(*metric.needs)
        }

    def _now_index(self, length: int) -> int:
        return min(length - 1, max(0, int(self._clock.now() - self.day[0]) // MINUTE))

    def _take(self, rows: Iterable[Observation]) -> None:
        """A row lands whole in the minute it ends in: a wide one is never spread, and a sum of minutes stays exact."""
        length = (self.day[1] - self.day[0]) // MINUTE
        for row in rows:
            key = (row.sensor, row.place, row.metric)
            value = row.value if row.counted and row.value is not None else np.nan
            if row.origin is Origin.LOG and self.day[0] <= row.start and row.end <= self.day[1]:
                self._finished.setdefault(key, {})[row.start, row.end] = value
            elif row.origin is Origin.LIVE and self.day[0] < row.end <= self.day[1]:
                told = self._minutes.setdefault(key, np.full(length, np.nan))
                told[(row.end - 1 - self.day[0]) // MINUTE] = value

    def _reconciled(self, length: int) -> Minutes:
        """The minutes with what finished hours say beyond them put into each hour's last minute.

        A finished hour wins over the differences made of it; where in the hour its remainder belongs is unknown, and
        for what is inside now it does not matter.
        """
        counts = {key: told.copy() for key, told in self._minutes.items()}
        for key, hours in self._finished.items():
            told = counts.setdefault(key, np.full(length, np.nan))
            for (start, end), value in hours.items():
                first, last = (start - self.day[0]) // MINUTE, (end - 1 - self.day[0]) // MINUTE
                remainder = value - np.nansum(told[first : last + 1])
                if remainder and not np.isnan(remainder):
                    told[last] = np.nan_to_num(told[last]) + remainder
        return counts

    def entered_and_left(self, sensor: str) -> tuple[int, int] | None:
        """Today's persons over a sensor's entrance lines, None where it has none."""
        only = self.layout.model_copy(update={"sensor": tuple(s for s in self.layout.sensor if s.id == sensor)})
        length = (self.day[1] - self.day[0]) // MINUTE
        if not length or not any(line.role.value == "entrance" for s in only.sensor for line in s.line):
            return None
        entered, left = doors(only, self._counts, length)
        return int(np.nansum(entered)), int(np.nansum(left))

    def hours(self, sensor: str) -> tuple[float | None, ...]:
        """How many crossed a sensor's lines in each hour of today, None for an hour of which it told nothing.

        Where the layout gives it no lines, how many entered its regions.
        """
        own = next((one for one in self.layout.sensor if one.id == sensor), None)
        kind = "line" if own is None or own.line or not own.region else "region"
        told = [
            counts for (name, place, _), counts in self._counts.items() if name == sensor and place.startswith(kind)
        ]
        if not told:
            return ()
        minutes = np.vstack(told)[:, : self._now_index(told[0].size) + 1]
        per_hour = HOUR // MINUTE
        return tuple(
            float(np.nansum(hour)) if not np.isnan(hour).all() else None
            for hour in (minutes[:, at : at + per_hour] for at in range(0, minutes.shape[1], per_hour))
        )
