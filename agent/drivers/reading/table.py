"""A tolerant reader of the CSV tables that cameras answer with: columns by name, each bad row refused on its own.

A row that cannot be read is never a zero: it is left out, and a problem says where and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, TypeVar

from agent.drivers.base import Garbled
from agent.drivers.reading.localtime import wall_seconds, walls_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_ROWS = 10_000  # a week of minutes, a year of hours; what 4 MiB of the worst become stays near 16 MiB
MAX_HEADER = 16 * 1024  # characters
MAX_COLUMNS = 256
MAX_PROBLEMS = 100  # enough to see the pattern; a hostile body would make one of every line
_LONGEST = 20  # characters of a number
MOST = 10**9  # persons or seconds in one interval; above, a number is damage

_FEW = {str(number): float(number) for number in range(1000)}  # nearly all there is in a minute or an hour

T = TypeVar("T")


@dataclass(slots=True)
class Table:
    """A table as read: every row has a cell for each name of the header; `lines` are the rows' numbers in the body.

    `all_cells` are those of all rows, one after the other, so that a column is a slice of them.
    """

    header: list[str]
    header_line: int
    all_cells: list[str]
    lines: list[int]
    misfits: list[Garbled]
    refused: dict[int, Garbled] = field(default_factory=dict)

    @property
    def rows(self) -> list[list[str]]:
        """The cells row by row."""
        width = len(self.header)
        return [self.all_cells[begin : begin + width] for begin in range(0, len(self.all_cells), width)]

    @property
    def problems(self) -> list[Garbled]:
        """What could not be read, by line; after `MAX_PROBLEMS` one that counts the rest."""
        found = sorted([*self.misfits, *self.refused.values()], key=lambda problem: problem.line or 0)
        rest = len(found) - MAX_PROBLEMS
        return [*found[:MAX_PROBLEMS], Garbled(f"and {rest} more problems")] if rest > 0 else found

    def refuse(self, row: int, column: int, what: str) -> None:
        """Leave a row out; `what` continues a sentence that begins with the column's name. The first reason stays."""
        if row not in self.refused:
            width = len(self.header)
            raw = ",".join(self.all_cells[row * width : (row + 1) * width])
            self.refused[row] = Garbled(f"{self.header[column]!r} {what}", raw, self.lines[row], column + 1)

    def cells(self, column: int) -> Sequence[str]:
        """The cells of a column as they were written."""
        return self.all_cells[column :: len(self.header)]

    def times(self, column: int) -> list[int | None]:
        """What the wall clock shows in each cell; see `localtime.wall_seconds`."""
        try:
            return list(walls_seconds(self.cells(column)))
        except ValueError:
            return self._each(column, wall_seconds)

    def counts(self, column: int) -> list[float | None]:
        """The whole numbers of a column, from zero."""
        cells = self.cells(column)
        try:
            return list(map(_FEW.__getitem__, cells))
        except KeyError:
            pass  # more than a few, or written otherwise
        try:
            known = {text: count(text) for text in set(cells)}  # counts repeat
            return list(map(known.__getitem__, cells))
        except ValueError:
            return self._each(column, count)

    def amounts(self, column: int) -> list[float | None]:
        """The numbers of a column, from zero, with or without decimals."""
        return self._each(column, _amount)

    def _each(self, column: int, read: Callable[[str], T]) -> list[T | None]:
        return [self._cell(row, column, cell, read) for row, cell in enumerate(self.cells(column))]

    def _cell(self, row: int, column: int, cell: str, read: Callable[[str], T]) -> T | None:
        text = cell.strip()
        try:
            return read(text)
        except ValueError as error:
            self.refuse(row, column, f"{text[:40]!r} {error}" if text else "is empty")
            return None


def read_table(text: str) -> Table | None:
    """The table of a text, or None where there is no line at all.

    Raises:
        Garbled: the header is longer than any table's.
    """
    lines = text.replace('"', "").split("\n", 2 * MAX_ROWS)  # what is beyond stays in one piece, and unread
    at = next((index for index, line in enumerate(lines) if line.strip()), None)
    if at is None:
        return None
    first = lines[at].rstrip(", \t")
    header = [name.strip() for name in first[:MAX_HEADER].split(",", MAX_COLUMNS)]
    if len(first) > MAX_HEADER or len(header) > MAX_COLUMNS:
        raise Garbled("a first line that is longer than any table's header", first, at + 1, len(header))
    cells, numbers, misfits = _cells(lines[at + 1 :], at + 2, header)
    return Table(header, at + 1, cells, numbers, misfits)


def _cells(lines: list[str], first: int, header: list[str]) -> tuple[list[str], list[int], list[Garbled]]:
    """The cells of the rows of the header's shape, these rows' numbers in the body, and the others as misfits."""
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) <= MAX_ROWS and set(map(str.count, lines, repeat(","))) == {len(header) - 1} and "" not in lines:
        return ",".join(lines).split(","), list(range(first, first + len(lines))), []
    all_cells: list[str] = []
    numbers: list[int] = []
    misfits: list[Garbled] = []
    for number, line in enumerate(lines, first):
        cells = line.split(",", MAX_COLUMNS)
        if not line or len(cells) != len(header):
            if not line.strip():
                continue
            cells = _fitted(cells, header, misfits, number)
        if len(numbers) == MAX_ROWS or len(misfits) == MAX_PROBLEMS:
            misfits.append(Garbled("too many rows, or too many broken ones; the rest was not read", line, number))
            break
        if cells:
            all_cells += cells
            numbers.append(number)
    return all_cells, numbers, misfits


def _fitted(cells: list[str], header: list[str], misfits: list[Garbled], number: int) -> list[str]:
    """The cells without empty ones beyond the header; none, and a misfit, where the row has another shape."""
    width = len(header)
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        return cells[:width]
    what = f"{len(cells)} fields where the header has {width}"
    if len(cells) < width:
        what = f"the row breaks off before {header[len(cells)]!r}: " + what
    misfits.append(Garbled(what, ",".join(cells), number, min(len(cells), width) + 1))
    return []


# Counts repeat from row to row: out of the cache 1,440 take 0.07 ms, without 0.35.
@lru_cache(maxsize=4096)
def count(text: str) -> float:
    """A whole number of persons.

    Raises:
        ValueError: it is none; what it says continues a sentence that begins with the text.
    """
    if not (text.isascii() and text.isdigit()):
        raise ValueError("is no whole number from 0")
    return _plausible(text)


def _amount(text: str) -> float:
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        raise ValueError("is no number from 0")
    return _plausible(text)


def _plausible(text: str) -> float:
    value = float(text)
    if value > MOST or len(text) > _LONGEST:  # the length, since the cache keeps the text
        raise ValueError("is more than any camera counts")
    return value
