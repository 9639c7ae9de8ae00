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

UNSAID = -1
ORIGINS = {int(one): one for one in Origin}  # enums are slow to make, and a month has a million rows
QUALITIES = {mask: Quality(mask) for mask in range(64)}
KEPT = 2 * WIDEST  # seconds of recorded rows held ready: the day that runs and the one that just ended


class Columns(NamedTuple):
    """Recorded rows as they come: which series, from when until when, how much, and how that came to be."""

    series: Sequence[Key]
    which: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float64]
    origin: NDArray[np.int8]  # of `Origin`, or UNSAID
    quality: NDArray[np.int16]


class Recording:
    """Recorded rows in the order of time, each once: the same whatever order they came in and however often.

    Of two values for one interval the larger counts, as with a device read twice. Where the origin is not said, an
    interval of an hour and more is a device's memory and a shorter one a difference.
    """

    def __init__(self, told: Columns) -> None:
        order = sorted(range(len(told.series)), key=told.series.__getitem__)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        which = rank[told.which] if order else told.which
        width = np.where(told.end - told.start >= HOUR, int(Origin.LOG), int(Origin.LIVE))
        origin = np.where(told.origin == UNSAID, width, told.origin)
        by = np.lexsort((told.quality, told.value, origin, told.start, which, told.end))
        columns = [one[by] for one in (which, told.start, told.end, told.value, origin, told.quality)]
        again = np.logical_and.reduce([columns[i][1:] == columns[i][:-1] for i in (0, 1, 2, 4)])
        start, end, value = columns[1:4]
        last = np.append(~again, True)[: by.size]
        self.series = [told.series[i] for i in order]
        self._columns = tuple(one[last] for one in columns)
        self._start, self._end = start[last], end[last]
        self.disputed = int((again & (value[1:] != value[:-1])).sum())
        self.size = int(self._end.size)

    @property
    def begins(self) -> int:
        """The start of the first interval."""
        return int(self._start.min()) if self.size else 0

    @property
    def ends(self) -> int:
        """The end of the last interval."""
        return int(self._end[-1]) if self.size else 0

    @property
    def first(self) -> int:
        """The end of the minute in which the first interval ended: when a running store would have known of it."""
        return -(-int(self._end[0]) // MINUTE) * MINUTE if self.size else 0

    @property
    def typical(self) -> int:
        """How long most intervals are, in seconds."""
        return int(np.median(self._end - self._start)) if self.size else 0

    def ticks(self, until: float) -> Iterator[tuple[int, list[Observation]]]:
        """What was known at the end of each minute in which an interval ended, up to a moment."""
        minute = -(-self._end // MINUTE) * MINUTE
        edges = [0, *(np.flatnonzero(np.diff(minute)) + 1).tolist(), self.size] if self.size else []
        for first, last in pairwise(edges):
            if minute[first] > until:
                return
            yield int(minute[first]), self._rows(first, last)

    def _rows(self, first: int, last: int) -> list[Observation]:
        told = zip(*(column[first:last].tolist() for column in self._columns), strict=True)
        return [
            Observation(*self.series[which], start, end, value, ORIGINS[origin], QUALITIES[quality])  # type: ignore[call-arg]  # a series has three parts
            for which, start, end, value, origin, quality in told
        ]


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
        self.told: dict[tuple[str, str, str, int], Observation] = {}
        self.alerts: list[Alert] = []
        self._rows: list[Numbered] = []
        self._by_hour: dict[int, list[Observation]] = {}  # of their start
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
                self.told[row.sensor, row.place, row.metric, row.start] = row
            self.highest += 1
            written.append(Numbered(self.highest, row))
            self._by_hour.setdefault(row.start // HOUR, []).append(row)
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

    async def rows_between(self, start: int, end: int, ends_after: int) -> list[Observation]:
        """See Buffer."""
        hours = (self._by_hour.get(hour, ()) for hour in range(start // HOUR, -(-end // HOUR)))
        return [row for hour in hours for row in hour if start <= row.start < end and row.end > ends_after]

    def forget(self, before: float) -> None:
        """Drop recorded rows that no stage looks at any more."""
        self._rows = [row for row in self._rows if row.observation.end > before]
        self._by_hour = {hour: rows for hour, rows in self._by_hour.items() if (hour + 1) * HOUR > before - WIDEST}
