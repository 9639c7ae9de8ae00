"""What days that are over taught: how doors miscount, what is usual, and the minutes from which stays are told.

A lesson is a function of one day's rows, its layout version and the lessons before it, never of when it was worked out.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from agent.contract.times import DAY
from agent.kernels.occupancy import door_ratios
from agent.metrics.expected import by_hours, usual

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.kernels.registry import Floats
    from agent.metrics.day import Day
    from agent.metrics.expected import Learned, Usual

SLOTS = 64  # days that are kept: eight weeks are learned from, and a door's ratio fades to 0.9 a day
FORGET, PRIOR = 0.9, 250.0  # see door_ratios
WHOLE = 0.95  # completeness below which a day teaches nothing of its doors
MINUTES_OF = 28  # days whose minutes tell how long people stay
CROWDS_OF = 7  # days whose minutes tell who goes where: a week has every weekday, and the store is still the same


class Minutes(NamedTuple):
    """One day by minutes: who came and left, and who was in each zone at each minute's start and came in from outside.

    `names` are the zones' in order, the last is everywhere else in the store.
    """

    entered: Floats
    left: Floats
    names: tuple[str, ...]
    present: Floats  # a row a minute, a column a zone
    came: Floats


class Lesson(NamedTuple):
    """What one day taught. `rows` is of how many device rows: fewer than before means that some were dropped.

    `layout` names the version it was worked out with, content and all; `came`, `left` and `told` are the doors'.
    """

    start: int
    end: int
    layout: str
    rows: int
    came: float
    left: float
    told: float
    hours: dict[str, list[float | None]]
    zones: tuple[str, ...]
    minutes: str

    def unpacked(self) -> Minutes:
        """The day by minutes."""
        columns = np.frombuffer(zlib.decompress(base64.b64decode(self.minutes)), np.float32).astype(np.float64)
        table = columns.reshape(2 + 2 * len(self.zones), -1)
        present, came = (np.ascontiguousarray(part.T) for part in np.vsplit(table[2:], 2))
        return Minutes(table[0].copy(), table[1].copy(), self.zones, present, came)


def lesson_of(day: Day, layout: str, rows: int, minutes: Minutes) -> Lesson:
    """What a day that is over teaches."""
    table = np.vstack([minutes.entered, minutes.left, minutes.present.T, minutes.came.T]).astype(np.float32)
    came, left = (float(np.nansum(way.persons)) for way in (day.entered, day.left))
    return Lesson(
        day.start,
        day.end,
        layout,
        rows,
        came,
        left,
        float(np.mean((day.entered.told, day.left.told))),
        by_hours(day),
        minutes.names,
        base64.b64encode(zlib.compress(table.tobytes(), 6)).decode(),
    )


class History:
    """The lessons of past days by their start. What a day is given depends on earlier days alone."""

    def __init__(self, lessons: Iterable[Lesson] = ()) -> None:
        self.lessons = {one.start: one for one in sorted(lessons)}
        self.by_hand: dict[int, tuple[float, float]] = {}  # by day: what counts by hand say of the doors, see `audits`

    def put(self, lesson: Lesson) -> None:
        """Learn a day, or learn it again; the oldest are forgotten."""
        self.lessons[lesson.start] = lesson
        self.lessons = dict(sorted(self.lessons.items())[-SLOTS:])

    def before(self, start: int, days: int = SLOTS) -> list[Lesson]:
        """The lessons of so many days before one, the oldest first."""
        oldest = start - days * DAY - DAY // 2
        return [one for one in self.lessons.values() if oldest < one.start < start]

    def ratio(self, start: int) -> float:
        """How many enter the doors' counts for one who leaves, known before a day."""
        told = [self._doors(one) for one in self.before(start)]
        came, left, whole = np.array(told, dtype=np.float64).reshape(-1, 3).T.copy()
        return float(door_ratios(came, left, whole, FORGET, PRIOR)[-1])

    def _doors(self, one: Lesson) -> tuple[float, float, float]:
        """What a day teaches of the doors; of one that was not whole, what was seen of them by hand alone."""
        came, left = self.by_hand.get(one.start, (0.0, 0.0))
        if came and one.told < WHOLE:
            return came, left, 1.0
        return one.came + came, one.left + left, one.told

    def usual(self, start: int) -> dict[str, Usual]:
        """What is expected of a day, by scope."""
        learned: Learned = {}
        for one in self.before(start):
            for scope, hours in one.hours.items():
                learned.setdefault(scope, []).append([float(one.start), *hours])
        return usual(learned, start)


def slot(start: int) -> int:
    """Under which of the slots a day is kept: the one it takes was of a day that is forgotten."""
    return (start + DAY // 2) // DAY % SLOTS


def dumped(lesson: Lesson) -> dict[str, Any]:
    """A lesson as JSON."""
    return lesson._asdict()


def loaded(found: Any) -> Lesson | None:  # noqa: ANN401 - JSON
    """A lesson from JSON; None where it is none, or of an older shape: that day is worked out again."""
    if not isinstance(found, dict) or found.keys() != set(Lesson._fields):
        return None
    return Lesson(**found | {"zones": tuple(found["zones"])})
