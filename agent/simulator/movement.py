"""What moved at one spot in one day: sorted times in whole milliseconds, so that every sum is exact."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

SECOND = 1000


class Movement(NamedTuple):
    """Times in milliseconds since 1970, each list sorted: who came in, who went out, and the stays in view.

    The sums run along `starts` and `ends`; with them person-seconds cost two bisections, however long the day.
    """

    ins: array[int]
    outs: array[int]
    starts: array[int]
    ends: array[int]
    start_sums: array[int]
    end_sums: array[int]

    def entered(self, since: int, until: int) -> int:
        """How many came in in [since, until)."""
        return bisect_left(self.ins, until) - bisect_left(self.ins, since)

    def left(self, since: int, until: int) -> int:
        """How many went out in [since, until)."""
        return bisect_left(self.outs, until) - bisect_left(self.outs, since)

    def present(self, moment: int) -> int:
        """How many are in view."""
        return bisect_left(self.starts, moment + 1) - bisect_left(self.ends, moment + 1)

    def person_ms(self, since: int, until: int) -> int:
        """How long all persons together were in view in [since, until)."""
        return self._spent(until) - self._spent(since)

    def _spent(self, moment: int) -> int:
        begun = bisect_left(self.starts, moment)
        ended = bisect_left(self.ends, moment)
        return moment * (begun - ended) - self.start_sums[begun] + self.end_sums[ended]


def movement(ins: Iterable[int], outs: Iterable[int], stays: Sequence[tuple[int, int]] | None = None) -> Movement:
    """A day's movement from times in any order; without `stays` somebody is in view from in to out."""
    sorted_ins, sorted_outs = array("q", sorted(ins)), array("q", sorted(outs))
    starts = sorted_ins if stays is None else array("q", sorted(start for start, _ in stays))
    ends = sorted_outs if stays is None else array("q", sorted(end for _, end in stays))
    return Movement(sorted_ins, sorted_outs, starts, ends, _sums(starts), _sums(ends))


def _sums(times: array[int]) -> array[int]:
    return array("q", accumulate(times, initial=0))


def missed(true: Movement, rng: Random, miss_in: float, miss_out: float) -> Movement:
    """What a camera that misses some of the crossings counts; how long people were in view stays as it was."""
    return true._replace(ins=_without(true.ins, rng, miss_in), outs=_without(true.outs, rng, miss_out))


def _without(times: array[int], rng: Random, share: float) -> array[int]:
    return array("q", (moment for moment in times if rng.random() >= share)) if share else times
