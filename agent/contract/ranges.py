"""Sets of whole numbers kept as ranges: numbers acknowledged, void, covered. Closed on both ends."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Ranges:
    """A set of whole numbers as disjoint, sorted, non-touching closed ranges.

    A month offline leaves one range, not 864,000 numbers; every operation is in ranges, never in numbers.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    @classmethod
    def of_numbers(cls, numbers: Iterable[int]) -> Ranges:
        """The set of the numbers given."""
        made = cls()
        for number in numbers:
            made.add(number, number)
        return made

    def add(self, first: int, last: int) -> None:
        """Put first…last (both included) into the set; an empty range is a ValueError."""
        if last < first:
            raise ValueError(f"range {first}-{last} runs backwards")
        low = bisect_left(self._last, first - 1)
        high = bisect_right(self._first, last + 1)
        if low < high:
            first = min(first, self._first[low])
            last = max(last, self._last[high - 1])
        self._first[low:high] = [first]
        self._last[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take first…last (both included) out of the set; an empty range takes nothing."""
        if last < first:
            return
        low = bisect_left(self._last, first)
        high = bisect_right(self._first, last)
        if low >= high:
            return
        pieces = [(self._first[low], first - 1), (last + 1, self._last[high - 1])]
        kept = [(a, b) for a, b in pieces if a <= b]
        self._first[low:high] = [a for a, _ in kept]
        self._last[low:high] = [b for _, b in kept]

    def update(self, other: Iterable[tuple[int, int]]) -> None:
        """Put every range of the other into this set."""
        for first, last in other:
            self.add(first, last)

    def subtract(self, other: Iterable[tuple[int, int]]) -> None:
        """Take every range of the other out of this set."""
        for first, last in other:
            self.remove(first, last)

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._last, number)
        return at < len(self._last) and self._first[at] <= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._first, self._last, strict=True)))

    def __len__(self) -> int:
        """How many numbers, not how many ranges."""
        return sum(b - a + 1 for a, b in self)

    def __bool__(self) -> bool:
        return bool(self._first)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a mutable set is not hashable

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    @property
    def highest(self) -> int:
        """The largest number, 0 of an empty set."""
        return self._last[-1] if self._last else 0

    def copy(self) -> Ranges:
        return Ranges(self)

    def between(self, first: int, last: int) -> Ranges:
        """The part of the set within first…last."""
        made = Ranges()
        made.update((max(a, first), min(b, last)) for a, b in self if max(a, first) <= min(b, last))
        return made

    def gaps(self, first: int, last: int) -> Ranges:
        """What of first…last is not in the set."""
        if last < first:
            return Ranges()
        made = Ranges([(first, last)])
        made.subtract(self)
        return made
