"""Recorded history in columns, and the place where the stages meet over it instead of over a buffer on disk."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from agent.contract.observation import WIDEST, Numbered, Observation, Origin, Quality
from agent.contract.times import HOUR, MINUTE
from agent.foundation.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from agent.contract.happenings import Alert, ManualCount
    from agent.contract.observation import LedgerEntry

Key = tuple[str, str, str]  # sensor, place, metric

KEPT = 2 * WIDEST  # seconds of recorded rows held ready: the day that runs and the one that just ended


class Columns(NamedTuple):
    """Recorded rows as they come: which series, from when until when, how much."""

    series: Sequence[Key]
    which: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float64]


class Recording:
    """Recorded rows in the order of time, each once: the same whatever order they came in and however often.

    Of two values for one interval the larger counts, as with a device read twice. An interval of an hour and more is
    a device's memory, a shorter one a difference, so where both tell of an hour its total is the memory's.
    """

    def __init__(self, told: Columns) -> None:
        order = sorted(range(len(told.series)), key=told.series.__getitem__)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        which = rank[told.which] if order else told.which
        by = np.lexsort((told.value, told.start, which, told.end))
        which, start, end = which[by], told.start[by], told.end[by]
        again = (which[1:] == which[:-1]) & (start[1:] == start[:-1]) & (end[1:] == end[:-1])
        last = np.append(~again, True)[: by.size]
        self.series = [told.series[i] for i in order]
        self._which, self._start, self._end, self._value = which[last], start[last], end[last], told.value[by][last]
        same = told.value[by][1:] == told.value[by][:-1]
        self.disputed = int((again & ~same).sum())
        self.size = int(self._end.size)

    @property
    def begins(self) -> int:
        """The start of the first interval."""
        return int(self._start.min()) if self.size else 0

    @property
    def ends(self) -> int:
        """The end of the last interval."""
        return int(self._end[-1]) if self.size else 0

    def ticks(self, until: float) -> Iterator[tuple[int, list[Observation]]]:
        """What was known at the end of each minute in which an interval ended, up to a moment."""
        minute = -(-self._end // MINUTE) * MINUTE
        edges = [0, *(np.flatnonzero(np.diff(minute)) + 1).tolist(), self.size] if self.size else []
        for first, last in pairwise(edges):
            if minute[first] > until:
                return
            yield int(minute[first]), self._rows(first, last)

    def _rows(self, first: int, last: int) -> list[Observation]:
        columns = (self._which, self._start, self._end, self._value)
        told = zip(*(column[first:last].tolist() for column in columns), strict=True)
        rows = []
        for which, start, end, value in told:
            sensor, place, metric = self.series[which]
            origin = Origin.LOG if end - start >= HOUR else Origin.LIVE
            rows.append(Observation(sensor, place, metric, start, end, value, origin, Quality.MEASURED))
        return rows


class StoppedClock(Clock):
    """Stands where it is set."""

    moment = 0.0

    def now(self) -> float:
        """The moment it was set to."""
        return self.moment


class Memory:
    """A buffer that keeps nothing on disk: what recorded rows, the stages' rows and their state meet in.

    `told` has the newest version of every row that a stage made, `alerts` every transition.
    """

    def __init__(self) -> None:
        self.appended = asyncio.Event()
        self.told: dict[tuple[str, str, int], Observation] = {}
        self.alerts: list[Alert] = []
        self._rows: list[Numbered] = []
        self._states: dict[str, object] = {}
        self.highest = 0

    async def append(
        self,
        rows: Sequence[Observation] = (),
        entries: Sequence[LedgerEntry] = (),  # noqa: ARG002 - the buffer's form
        state: Mapping[str, object] | None = None,
        *,
        alerts: Sequence[Alert] = (),
        manual: Sequence[ManualCount] = (),  # noqa: ARG002 - as above
    ) -> list[Numbered]:
        """See Buffer."""
        written = []
        for row in rows:
            if row.origin is Origin.EDGE:
                self.told[row.place, row.metric, row.start] = row
            self.highest += 1
            written.append(Numbered(self.highest, row))
        self._rows += written
        self.alerts += alerts
        self._states |= state or {}
        self.appended.set()
        self.appended = asyncio.Event()
        return written

    async def state(self, name: str) -> Any:  # noqa: ANN401 - as in Buffer
        """See Buffer."""
        return self._states.get(name)

    async def rows_after(self, number: int, limit: int = 5000) -> list[Numbered]:
        """See Buffer."""
        first = bisect_right(self._rows, number, key=lambda row: row.number)
        return self._rows[first : first + limit]

    async def rows_since(self, start: int) -> list[Observation]:
        """See Buffer."""
        found = [row.observation for row in self._rows if row.observation.start >= start]
        return sorted(found, key=lambda row: row.start)

    def forget(self, before: float) -> None:
        """Drop recorded rows that no stage looks at any more."""
        self._rows = [row for row in self._rows if row.observation.end > before]
