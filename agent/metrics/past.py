"""A store day from its opening to its lesson: the same numbers live, after a restart, and worked out years later."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.observation import Observation, Origin
from agent.metrics.day import Day
from agent.metrics.flows import minutes_of
from agent.metrics.history import MINUTES_OF, lesson_of
from agent.metrics.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.contract.layout import Layout
    from agent.metrics.history import History, Lesson


class WorkedOut(NamedTuple):
    """What a day that is over says: the rows that are news, and its lesson."""

    rows: list[Observation]
    lesson: Lesson


def opened(layout: Layout, start: int, end: int, history: History) -> Day:
    """A day to take rows into, with what earlier days taught."""
    day = Day(layout, start, end, history.ratio(start))
    day.usual = history.usual(start)
    return day


class Past:
    """A whole day that is over, from all of its rows in any order, ours among them."""

    def __init__(self, layout: Layout, start: int, end: int, history: History) -> None:
        self._layout, self._history = layout, history
        self.day = opened(layout, start, end, history)
        self._rows, self._ours = 0, list[Observation]()

    def take(self, rows: Iterable[Observation]) -> None:
        """Some of its rows, each once."""
        day = self.day
        inside = [row for row in rows if day.start < row.end <= day.end]
        told = [row for row in inside if row.origin is not Origin.EDGE and not row.by_hand]
        self._rows += len(told)
        self._ours += [row for row in inside if row.origin is Origin.EDGE]
        day.take(told)

    def worked_out(self) -> WorkedOut | None:
        """What the day says: only what does not stand already. None where no device told anything of it.

        Numbers that stand and cannot be measured any more are withdrawn.
        """
        if not self._rows:
            return None
        day, history, layout = self.day, self._history, self._layout
        day.refresh(day.end)
        day.past = history.before(day.start)
        day.past_minutes = [one.unpacked() for one in history.before(day.start, MINUTES_OF - 1)]
        day.look_back(ends_empty=not layout.opening or not layout.is_open(day.end))
        day.minutes = minutes_of(day)
        windows = Windows(day)
        windows.known(self._ours)
        return WorkedOut(windows.whole(), lesson_of(day, fingerprint(layout), self._rows, day.minutes))


def fingerprint(layout: Layout) -> str:
    """Names a version with its content: a day worked out with another is worked out again."""
    said = layout.model_dump_json(by_alias=True)
    return f"{layout.version} {hashlib.sha256(said.encode()).hexdigest()[:16]}"
