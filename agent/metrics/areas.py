"""What crossings mean: all lines of one role as a flow, and a place between flows as an area with people in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from agent.contract.times import HOUR, MINUTE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.kernels.registry import Floats

WIDEST = 25 * HOUR // MINUTE  # minutes that one row may cover
NEVER = WIDEST  # no day has this minute


@dataclass
class Flow:
    """All lines of one role, one way: their rows of the matrices, persons by minute, and the share of them that told.

    A minute is missing only where no line told anything: one silent door must not stop the others from counting.
    `back` is the first minute that the persons of a minute may have come in: an earlier one below a wide row.
    """

    rows: NDArray[np.int64]
    persons: Floats
    told: Floats
    back: NDArray[np.int64]
    is_wide: bool = False
    replaced: int = NEVER  # the first minute of which it is known since the last look, or is not any more, who came

    def placed(self, first: int, last: int) -> bool:
        """Whether it is known who of them came in the minutes [first, last) and who before or after."""
        if not self.is_wide:
            return True
        return bool(self.back[first:last].min() >= first and self.back[last : last + WIDEST].min(initial=last) >= last)

    def all_placed(self, span: slice, width: int) -> NDArray[np.bool_]:
        """The same of every window of a span, in two strides instead of one for each."""
        first = np.arange(span.start, span.stop, width)
        later = np.append(np.minimum.accumulate(self.back[::-1])[::-1], NEVER + self.back.size)
        placed: NDArray[np.bool_] = np.logical_and(
            later[first + width] >= first + width, self.back[span].reshape(-1, width).min(axis=1) >= first
        )
        return placed

    @property
    def by_minutes(self) -> Floats:
        """Persons by minute, missing where it is not known in which of them they came."""
        persons = self.persons.copy()
        for at in np.flatnonzero(self.back < np.arange(self.back.size)) if self.is_wide else ():
            persons[self.back[at] : at + 1] = np.nan
        return persons


@dataclass
class Area:
    """A place that people are in, the store or a zone: as a device tells it, or as its lines add up.

    `inside` and its `variance` are known for the minutes before `known_to`; where a wide row leaves open who came when,
    `inside` is missing and only `level`, which is carried on, runs through.
    """

    inward: Flow
    outward: Flow
    told: NDArray[np.int64]  # the rows of the matrices in which devices tell how many are present
    level: Floats
    inside: Floats
    variance: Floats
    ratio: float = 1.0
    known_to: int = 0
    share: float = 1.0  # of those in the store, in the zone whose devices tell how many are there
    seen: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # the rows in which they do
    behind: frozenset[int] = frozenset()  # all rows that it is worked out from

    @property
    def by_lines(self) -> bool:
        """Whether it is a sum of crossings, which the day's end corrects."""
        return not self.told.size

    def show(self, first: int, last: int) -> None:
        """What is known of these minutes."""
        self.inside[first:last] = self.level[first:last]
        for way in (self.inward, self.outward):
            for at in np.flatnonzero(way.back[first:] < np.arange(first, way.back.size)) + first if way.is_wide else ():
                self.inside[way.back[at] : at] = np.nan
