"""The oracle: what each camera served, whole and intact. It is kept outside of whatever is being tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Cell(NamedTuple):
    """One value of one served row: [start, end) in UTC seconds by the camera's clock.

    `finished`: that clock was past the end when it was served. Sum columns and hours not yet begun are no cells.
    """

    kind: str
    place: str
    metric: str
    start: int
    end: int
    value: int
    finished: bool


class Served:
    """What one camera served so far: of each interval the last value."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str, int, int], tuple[int, bool, float]] = {}
        self.counters: Mapping[str, object] = {}

    def record(self, cells: Iterable[Cell], at: float) -> None:
        """These left the camera whole. A value stays finished once it was served finished, until it changes."""
        rows = self._rows
        for kind, place, metric, start, end, value, finished in cells:
            key = (kind, place, metric, start, end)
            before = rows.get(key)
            rows[key] = (value, finished or (before is not None and before[:2] == (value, True)), at)

    def rows(self) -> list[list[object]]:
        """[kind, place, metric, start, end, value, finished, served_at] in the order of first serving."""
        return [[*key, *row] for key, row in self._rows.items()]
