"""The live cycle: rows after its cursor in, what is happening now out. It recomputes, it never adds.

Rows are taken moment by moment, as they were told: whoever looks on sees the store as it was at each, also where a
restart left several to be taken in at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from agent.contract.layout import Layout, valid_at
from agent.contract.observation import WIDEST, Origin
from agent.contract.times import DAY, HOUR, MINUTE, store_day
from agent.metrics.catalog import QUARTER, Estimate
from agent.metrics.crowds import staffed
from agent.metrics.measures import observed
from agent.metrics.past import opened
from agent.metrics.windows import GRACE, Windows
from agent.runtime.lookback import CURSOR, LookBack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from agent.contract.observation import Numbered, Observation
    from agent.foundation.clock import Clock
    from agent.metrics.day import Day
    from agent.metrics.expected import Usual
    from agent.runtime.meeting import Meeting

STATE = "metrics"
# What the retained live topics tell of a place: their word for a metric, and the minutes over which it is counted.
LIVE = {"occupancy": ("occupancy", 1), "queue_length": ("queue", 1), "footfall": ("flow", 15), "visits": ("flow", 60)}
AT_ONCE = 5000
KEEP_EVERY = 5000  # rows after which the cursor is written although no window ended


class Seen(NamedTuple):
    """The store at one moment: the rows told last, the number of the last of them, and what all of today means."""

    moment: float
    number: int
    rows: Sequence[Observation]
    day: Day
    now: Mapping[tuple[str, str], Estimate]
    usual: Mapping[str, Usual]


class Onlooker(Protocol):
    """Who is shown every moment in order. It has seen rows up to `number` (None: nothing yet) and up to `moment`."""

    @property
    def number(self) -> int | None:
        """The number of the last row it was shown."""

    @property
    def moment(self) -> float:
        """Up to when it knows the store."""

    def saw(self, seen: Seen) -> None:
        """Rows were taken in."""

    def day_ended(self, day: Day) -> None:
        """A store day is over, and its rows are whole as far as they ever came in time."""


class Cycle:
    """Today's minutes, kept up to date from the buffer, and the metrics worked out from them.

    `values` and `now` are what holds now; windows that ended are appended as rows of origin `edge`, in the commit that
    keeps the cursor and what the doors' past days taught.
    """

    def __init__(
        self, buffer: Meeting, layouts: tuple[Layout, ...], clock: Clock, onlooker: Onlooker | None = None
    ) -> None:
        self._buffer, self._layouts, self._clock, self._onlooker = buffer, layouts, clock, onlooker
        self._cursor = self._kept = 0
        self._moment = 0.0  # of the newest rows taken in
        self._closed = 0  # the end of the last day whose windows were published
        self._past, self._changes = LookBack(buffer, layouts, clock), 0
        self._today: Day | None = None
        self._windows: Windows | None = None
        self._keeps: dict[str, object] = {}  # what is not stored yet
        self.usual: dict[str, Usual] = {}  # what today usually brings, by scope (`store`, `SENSOR/sensor`)
        self.now: dict[tuple[str, str], Estimate] = {}  # by (metric, place)
        # What counts by hand say of the doors, by the start of their day.
        self.by_hand: Callable[[], Awaitable[dict[int, tuple[float, float]]]] | None = None

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

    @property
    def live(self) -> dict[str, dict[str, float]]:
        """What is shown of the store and of each zone: persons present, persons waiting, persons entering a minute."""
        shown: dict[str, dict[str, float]] = {"store": {}, **{zone.name: {} for zone in self.layout.zone}}
        for (metric, place), estimate in self.now.items():
            own = shown.get(place.removeprefix("zone:"))
            if own is not None and metric in LIVE:
                name, each = LIVE[metric]
                own[name] = estimate.value / each
        return {name: values for name, values in shown.items() if values}

    async def run(self) -> None:
        """Follow the buffer for ever, and work out past days beside it."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow())
            both.create_task(self._past.run())

    async def look_back(self) -> bool:
        """Work out one day that is over, where one is ready; whether there was one."""
        return await self._past.work()

    async def _follow(self) -> None:
        while True:
            appended = self._buffer.appended
            with suppress(sqlite3.OperationalError):  # the collector says so; read again with the next append
                await self.catch_up()
            await appended.wait()

    async def catch_up(self) -> None:
        """Take in what was appended since the last time, work out again what it touched, and append what ended."""
        now = self._clock.now()
        if self._today is None:
            await self._begin(*self._day_of(await self._first(now)))
        if self._day_of(now) != self.day:
            await self._begin(*self._day_of(now))
        day, windows = self._today, self._windows
        if day is None or windows is None:
            return
        changed = await self._read(day, windows)
        changed = _earlier(changed, self._relearn(day))
        if not self.now or day.now_index(self._moment) != day.now_index(now):
            changed = _earlier(changed, day.refresh(now))
            self._look(day, windows, now)
        await self._append(windows, now, changed)

    def _day_of(self, moment: float) -> tuple[int, int]:
        return store_day(moment, self.layout.zone_info, self.layout.reset_hour)

    async def _first(self, now: float) -> float:
        """Where to begin: now, or yesterday where whoever looks on has not seen the end of it."""
        stored: dict[str, Any] = await self._buffer.state(STATE) or {}
        self._closed = stored.get("closed", 0)
        await self._past.load(self._day_of(now)[0])
        self._cursor = self._buffer.highest
        if self._onlooker is None:
            return now
        self._moment = self._onlooker.moment
        if self._onlooker.number is None:
            return now
        self._cursor = min(self._cursor, self._onlooker.number)
        missed = max(self._moment, float(self._closed))
        return missed if now - DAY < missed < now else now

    def _look(self, day: Day, windows: Windows, moment: float) -> None:
        self.now = windows.live(moment) | self._baseline(day, moment) | staffed(day, moment)

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

    async def _read(self, day: Day, windows: Windows) -> int | None:
        """Take in the rows of this day after the cursor; the first minute that changed, or None."""
        changed = None
        while rows := await self._buffer.rows_after(self._cursor, AT_ONCE):
            now = self._clock.now()
            mine = rows[: next((i for i, row in enumerate(rows) if _is_of_later(row, day, now)), len(rows))]
            for moment, number, part in _moments(mine, max(self._moment, float(day.start)), min(now, day.end)):
                self._cursor = number
                if not part:
                    continue
                self._past.touched(part, day.start)
                day.take(part)
                changed = _earlier(changed, day.refresh(moment))
                self._look(day, windows, moment)
                self._moment = moment
                if self._onlooker:
                    self._onlooker.saw(Seen(moment, number, part, day, self.now, self.usual))
            if len(mine) < AT_ONCE:
                break
        return changed

    async def _begin(self, start: int, end: int) -> None:
        """Close the day that ran, learn from it, and begin the next with what the buffer already has of it."""
        if self._today is not None and self._windows is not None:
            await self._close(self._today, self._windows)
        if self.by_hand is not None:
            self._past.history.by_hand = await self.by_hand()
        self._today = opened(self.layout, start, end, self._past.history)
        self._changes = self._past.changes
        self.usual, self.now = self._today.usual, {}
        self._windows = Windows(self._today)
        # What comes after the cursor is taken in by its moments.
        later = {_key(row.observation) for row in await self._rows_after_cursor()}
        for first in range(start - WIDEST, int(min(self._clock.now(), end)) + 1, HOUR):
            rows = await self._buffer.rows_between(first, min(first + HOUR, end), start)
            self._today.take(row for row in rows if _key(row) not in later)
            self._windows.known(row for row in rows if row.origin is Origin.EDGE and row.start >= start)

    async def _rows_after_cursor(self) -> list[Numbered]:
        found: list[Numbered] = []
        while rows := await self._buffer.rows_after(found[-1].number if found else self._cursor, AT_ONCE):
            found += rows
        return found

    async def _close(self, day: Day, windows: Windows) -> None:
        changed = _earlier(await self._read(day, windows), day.refresh(day.end))  # with the tick that ended the day
        if self._onlooker:
            self._onlooker.day_ended(day)
        self._closed = day.end
        self._past.ended(day.start, day.end)
        self._keeps = {STATE: {"closed": day.end}}
        await self._append(windows, day.end + GRACE, changed)

    def _relearn(self, day: Day) -> int | None:
        """Where past days say something else now, tell all of today with that; the first minute that changed."""
        if self._changes == self._past.changes:
            return None
        self._changes, history = self._past.changes, self._past.history
        again = day.relearn(history.ratio(day.start), history.usual(day.start))
        self.usual = day.usual
        if again:
            day.refresh(self._clock.now())
        return 0 if again else None

    async def _append(self, windows: Windows, now: float, changed: int | None) -> None:
        """Publish windows that ended; without any the cursor is kept now and then, so that the buffer can be pruned."""
        rows = windows.due(now, changed)
        if not rows and not self._keeps and self._cursor <= self._kept + KEEP_EVERY:
            return
        try:
            await self._buffer.append(rows, state={CURSOR: self._cursor, **self._past.state(), **self._keeps})
        except sqlite3.OperationalError:
            windows.forget()  # all is given out again once the disk takes it; the collector tells of the trouble
            return
        self._kept, self._keeps = self._cursor, {}

    def entered_and_left(self, sensor: str) -> tuple[int, int] | None:
        """Today's persons over a sensor's entrance lines, None where it has none."""
        return self._today.entered_and_left(sensor) if self._today else None

    def observed(self, sensor: str, lag: float) -> float | None:
        """How much of the last hour a sensor told of, None where that cannot be said yet. `lag`: see Figures."""
        day = self._today
        return observed(day, sensor, day.now_index(self._clock.now() - MINUTE - lag)) if day else None

    def hours(self, sensor: str) -> tuple[float | None, ...]:
        """How many crossed a sensor's lines or entered its regions by hours of today, None where it told nothing."""
        return self._today.hours(sensor, self._clock.now()) if self._today else ()


def _moments(
    rows: Iterable[Numbered], earliest: float, latest: float
) -> Iterator[tuple[float, int, list[Observation]]]:
    """Rows by the moment at which they were told: the end of the newest so far, for late ones tell of it too."""
    moment, number = earliest, 0
    part: list[Observation] = []
    for row in rows:
        if row.observation.origin is not Origin.EDGE:
            at = min(max(moment, float(row.observation.end)), latest)
            if at > moment and part:
                yield moment, number, part
                part = []
            moment = max(moment, at)
            part.append(row.observation)
        number = row.number
    if number:
        yield moment, number, part


def _is_of_later(row: Numbered, day: Day, now: float) -> bool:
    """Whether it is of a day that has begun meanwhile; what a device dates into the future is of none."""
    return row.observation.origin is not Origin.EDGE and day.end < row.observation.end <= now


def _key(row: Observation) -> tuple[object, ...]:
    return (row.sensor, row.place, row.metric, row.start, row.origin)


def _earlier(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
