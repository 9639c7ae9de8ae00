"""Days that are over, worked out when their rows are in, and again when late rows or a corrected layout touch them.

Nothing is added to what was said before: a day is a function of its rows, its layout version and the days before it, so
a day that changes has the later ones worked out again too. Earliest first, one at a time, beside the live cycle.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING

import structlog

from agent.contract.layout import valid_at
from agent.contract.observation import WIDEST, LedgerEntry, Origin
from agent.contract.times import HOUR, MINUTE, rfc3339, store_day
from agent.metrics.history import SLOTS, History, Lesson, dumped, loaded, slot
from agent.metrics.past import Past, WorkedOut, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.contract.layout import Layout
    from agent.contract.observation import Observation
    from agent.foundation.clock import Clock
    from agent.runtime.meeting import Meeting

log = structlog.get_logger()

CURSOR, TOUCHED, LESSON = "cursor:metrics", "metrics:touched", "metrics:day:{}"
AT_ONCE = 5000
SETTLES = 2 * MINUTE  # without late rows, so that a backfill of a week is worked out once and not hour by hour
PATIENCE = HOUR  # after which late rows that never stop are no reason to wait any more
ENDED = 10 * MINUTE  # after its end a day's last hour has come from every camera's memory
FIRST = 10.0  # real seconds after the start: kernels are compiled by then
LOOK = 30.0  # seconds of the store's time between two looks
FEW = 500  # rows below which a thread costs more than it gives


class LookBack:
    """The past days of a store: their lessons, and those that have to be worked out (again)."""

    def __init__(self, buffer: Meeting, layouts: tuple[Layout, ...], clock: Clock) -> None:
        self._buffer, self._layouts, self._clock = buffer, layouts, clock
        self.history = History()
        self.changes = 0  # how often what today is told with has changed
        self._waiting: dict[int, float] = {}  # starts of days, and since when they wait
        self._last_touch = 0.0
        self._today = 0

    async def load(self, today: int) -> None:
        """What is kept, and which days were touched since, by rows or by a layout that says something else of them."""
        self._today = today
        found = [loaded(await self._buffer.state(LESSON.format(n))) for n in range(SLOTS)]
        self.history = History(one for one in found if one is not None)
        for start in await self._buffer.state(TOUCHED) or []:
            self._waiting.setdefault(self._day(start)[0], 0.0)
        for lesson in list(self.history.lessons.values()):
            start, end = self._day(lesson.start)
            if (start, end) != (lesson.start, lesson.end):  # the day begins at another hour now
                del self.history.lessons[lesson.start]
                self._waiting |= {start: 0.0, self._day(lesson.end - 1)[0]: 0.0}
            elif lesson.layout != fingerprint(self._layout(start)):
                self._waiting[start] = 0.0
        cursor = await self._buffer.state(CURSOR) or 0
        while rows := await self._buffer.rows_after(cursor, AT_ONCE):
            cursor = rows[-1].number
            self.touched((row.observation for row in rows), today)
        self._last_touch = 0.0  # the first look need not wait
        self._drop_later(today)

    def _drop_later(self, today: int) -> None:
        self._waiting = {start: since for start, since in self._waiting.items() if start < today}

    def _layout(self, start: int) -> Layout:
        return valid_at(self._layouts, start)

    def _day(self, moment: float) -> tuple[int, int]:
        layout = self._layout(int(moment))
        return store_day(moment, layout.zone_info, layout.reset_hour)

    # ---- what has to be worked out

    def touched(self, rows: Iterable[Observation], today: int) -> None:
        """Rows that came: those of earlier days have these worked out again."""
        late = {row.end for row in rows if row.end <= today and row.origin is not Origin.EDGE}
        if late:
            self._last_touch = now = self._clock.now()
            for start in {self._day(end - 1)[0] for end in late}:
                self._waiting.setdefault(start, now)

    def ended(self, start: int, today: int) -> None:
        """A day is over and the next has begun."""
        self._today = today
        self._waiting.setdefault(start, self._clock.now())

    def state(self) -> dict[str, object]:
        """What is kept in the commit that moves the cursor over the rows that touched these days, today among them."""
        return {TOUCHED: sorted({*self._waiting, self._today})}

    def _ready(self) -> int | None:
        """The earliest day that may be worked out now."""
        now = self._clock.now()
        start = min(self._waiting, default=None)
        if start is None or now < self._day(start)[1] + ENDED:
            return None
        settled = now - self._last_touch >= SETTLES or now - self._waiting[start] >= PATIENCE
        return start if settled else None

    # ---- working it out

    async def run(self) -> None:
        """Work out what is ready, for ever, at most half of the time."""
        await asyncio.sleep(FIRST)
        while True:
            before = time.perf_counter()
            while await self.work():
                await asyncio.sleep(time.perf_counter() - before)
                before = time.perf_counter()
            await asyncio.sleep(max(1.0, self._clock.real(LOOK)))

    async def work(self) -> bool:
        """Work out one day; whether there was one."""
        start = self._ready()
        if start is None:
            return False
        since = self._waiting.pop(start)
        end, layout = self._day(start)[1], self._layout(start)
        past = Past(layout, start, end, self.history)
        try:
            for first in range(start - WIDEST, end, HOUR):
                rows = await self._buffer.rows_between(first, min(first + HOUR, end), start)
                if len(rows) < FEW:
                    past.take(rows)
                else:
                    await asyncio.to_thread(past.take, rows)
            found = await asyncio.to_thread(past.worked_out)
            await self._keep(start, layout, found)
        except sqlite3.OperationalError:  # the collector says so; tried again with the next look
            self._waiting.setdefault(start, since)
            return False
        return True

    async def _keep(self, start: int, layout: Layout, found: WorkedOut | None) -> None:
        """Its rows, its lesson and what still waits in one commit."""
        before = self.history.lessons.get(start)
        if found is None or (before is not None and found.lesson.rows < before.rows):
            if before is None:
                await self._buffer.append(state=self.state())
                return
            # Dropped for want of room or age: the numbers that stand were made of more than is left.
            log.warning("day_not_whole", day=rfc3339(start), rows=found.lesson.rows if found else 0, were=before.rows)
            found = WorkedOut([], before._replace(layout=fingerprint(layout)))
        rows, lesson = found
        later = [one for one in self.history.lessons if one > start] if _teaches_otherwise(before, lesson) else []
        self._waiting |= {one: self._waiting.get(one, 0.0) for one in later if one < self._today}
        entries = [_entry(lesson, layout)] if rows and before and before.layout != lesson.layout else []
        try:
            await self._buffer.append(rows, entries, {LESSON.format(slot(start)): dumped(lesson), **self.state()})
        except sqlite3.OperationalError:
            for one in later:
                self._waiting.pop(one, None)
            raise
        self.history.put(lesson)
        self.changes += _teaches_otherwise(before, lesson)


def _teaches_otherwise(before: Lesson | None, lesson: Lesson) -> bool:
    """Whether later days have to be worked out again."""
    return before is None or before[4:] != lesson[4:]


def _entry(lesson: Lesson, layout: Layout) -> LedgerEntry:
    """The ledger says which days were worked out again because somebody corrected what the sensors mean."""
    reason = f"worked out again with layout {layout.version}"
    return LedgerEntry("store", lesson.start, lesson.end, "answered", reason)
