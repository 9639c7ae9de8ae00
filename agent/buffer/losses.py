"""What a damaged file does not give any more: its numbers exactly, and whose they were where the index still tells."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.buffer.damage import DAMAGED, STORE
from agent.contract.observation import LedgerEntry
from agent.contract.ranges import Ranges
from agent.contract.times import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.contract.observation import Series

UNREADABLE = (sqlite3.DatabaseError, UnicodeError)
BLOCK = 2000  # numbers an entry may speak of, as many as one is given where the buffer is full

# The key's index alone answers this: it is a second copy, on other pages, of where each row belongs.
PLACES = "SELECT start, series, number FROM observation INDEXED BY observation_key WHERE start > -1 ORDER BY start"
BEFORE = 'SELECT "end" FROM observation WHERE number < ? ORDER BY number DESC LIMIT 1'
AFTER = "SELECT start FROM observation WHERE number > ? ORDER BY number LIMIT 1"


class Place(NamedTuple):
    """Numbers of one sensor that are gone, and when their intervals began."""

    numbers: Ranges
    first: int
    last: int
    length: int


def told(
    source: sqlite3.Connection,
    missing: Ranges,
    series: Mapping[int, Series],
    lengths: Mapping[int, int],
    epoch: str,
    now: int,
) -> list[LedgerEntry]:
    """Entries that name every missing number of the epoch once; of the whole store where nobody can tell whose it was.

    `lengths` is how long an interval of a series is, as far as rows of it could be read.
    """
    reason = reason_of(epoch)
    entries, rest = [], missing.copy()
    for (sensor, _), place in sorted(_places(source, missing, series, lengths).items(), key=lambda one: one[1].first):
        rest.subtract(place.numbers)
        span = tuple(place.numbers)
        entries.append(LedgerEntry(sensor, place.first, place.last + place.length, "lost", reason, span))
    for first, last in _blocks(rest):
        start, end = _between(source, first, last, now)
        entries.append(LedgerEntry(STORE, start, end, "lost", reason, ((first, last),)))
    return _apart(entries)


def reason_of(epoch: str) -> str:
    """The numbers of an entry with this reason are those of the epoch named, and not of the one it is sent in."""
    return f"{DAMAGED} (numbers of epoch {epoch})"


def _places(
    source: sqlite3.Connection, missing: Ranges, series: Mapping[int, Series], lengths: Mapping[int, int]
) -> dict[tuple[str, int], Place]:
    """By sensor and block of numbers, read from both ends of the index: a bad page of it stops each way once."""
    found: dict[tuple[str, int], Place] = {}
    for order in ("", " DESC"):
        for start, key, number in _rows(source, PLACES + order):
            if not (isinstance(start, int) and isinstance(number, int)) or key not in series or number not in missing:
                continue  # a flipped bit in the schema makes the number a column of its own, which holds nothing
            at, length = (series[key].sensor, number // BLOCK), lengths.get(key, HOUR)
            held = found.get(at, Place(Ranges(), start, start, length))
            held.numbers.add(number, number)
            found[at] = Place(held.numbers, min(held.first, start), max(held.last, start), max(held.length, length))
    return found


def _rows(source: sqlite3.Connection, question: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from source.execute(question)
    except UNREADABLE:
        return


def _blocks(rest: Ranges) -> Iterator[tuple[int, int]]:
    for first, last in rest:
        edges = [first, *range((first // BLOCK + 1) * BLOCK, last + 1, BLOCK), last + 1]
        yield from ((a, b - 1) for a, b in pairwise(edges))


def _between(source: sqlite3.Connection, first: int, last: int, now: int) -> tuple[int, int]:
    """Where numbers about which nothing is known lie in time: between what was written before and after them."""
    known = [_one(source, BEFORE, first), _one(source, AFTER, last)]
    start, end = known[0] or 0, known[1] or now
    return (start, end) if start < end else (end, start) if end < start else (start, start + HOUR)


def _one(source: sqlite3.Connection, question: str, number: int) -> int | None:
    try:
        row = source.execute(question, (number,)).fetchone()
    except UNREADABLE:
        return None
    return row[0] if row and isinstance(row[0], int) else None


def _apart(entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """One entry a key: a later entry with the key of an earlier would replace it."""
    joined: dict[tuple[str, int], LedgerEntry] = {}
    for entry in entries:
        key = (entry.sensor, entry.start)
        held = joined.get(key, entry)
        numbers = Ranges((*held.numbers, *entry.numbers))
        joined[key] = held._replace(end=max(held.end, entry.end), numbers=tuple(numbers))
    return list(joined.values())
