"""Appending: numbers, revisions, no overlaps, never downwards. Plain functions inside the caller's transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.observation import WIDEST, LedgerEntry, Numbered, Observation, Origin, Quality, Series, checked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from agent.buffer.numbers import Numbers

# The newest version of one key.
FIND_CURRENT = """
SELECT c."end", c.number, o.value, o.quality FROM current c JOIN observation o ON o.number = c.number
WHERE c.start = ? AND c.series = ?"""
# What of one series lies across an interval, withdrawn rows left out.
FIND_OVERLAPS = """
SELECT c.start, c."end", c.number, o.value FROM current c JOIN observation o ON o.number = c.number
WHERE c.start > ? AND c.start < ? AND c.series = ? AND c."end" > ? AND c.start <> ? AND o.value IS NOT NULL"""
LATEST_ENDS = 'SELECT series, max("end") FROM current WHERE start > ? GROUP BY series'
ADD_OBSERVATION = "INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
SET_CURRENT = """
INSERT INTO current VALUES (?, ?, ?, ?)
ON CONFLICT (start, series) DO UPDATE SET "end" = excluded."end", number = excluded.number"""
DROP_OBSERVATION = "DELETE FROM observation WHERE number = ?"
ADD_SERIES = "INSERT INTO series (sensor, place, metric, origin) VALUES (?, ?, ?, ?) RETURNING id"
FIND_ENTRY = 'SELECT number, "end", state, numbers FROM ledger WHERE start = ? AND sensor = ? AND reason = ?'
ADD_ENTRY = "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)"
DROP_ENTRY = "DELETE FROM ledger WHERE number = ?"

DISPUTED = "a later reading was lower"


class Version(NamedTuple):
    """What the buffer holds for a key now."""

    end: int
    number: int
    value: float | None
    quality: Quality


_DOUBTFUL = Quality.UNCONFIRMED | Quality.ESTIMATED | Quality.PROVISIONAL


def _says_the_same(before: Version, row: Observation) -> bool:
    """Whether the row is no news: equal in end and value, and not removing a doubt about the value."""
    if (before.end, before.value) != (row.end, row.value):
        return False
    return before.quality == row.quality or not before.quality & _DOUBTFUL or bool(row.quality & _DOUBTFUL)


class Appender:
    """Appends to one buffer. Keeps the ids of series, and the end of each so that the usual append needs no search."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._ids: dict[Series, int] = {
            Series(sensor, place, metric, Origin(origin)): number
            for number, sensor, place, metric, origin in connection.execute("SELECT * FROM series")
        }
        self.series = {number: series for series, number in self._ids.items()}
        self._ends: dict[int, int] = {}
        self._looked_back_to: int | None = None

    def forget(self, connection: sqlite3.Connection) -> None:
        """Start over after a transaction that was rolled back."""
        self.__init__(connection)  # type: ignore[misc]  # the same object, read afresh

    def append(self, connection: sqlite3.Connection, numbers: Numbers, rows: Iterable[Observation]) -> list[Numbered]:
        """The rows that were news, withdrawals and all, with their numbers.

        Raises:
            ValueError: a row breaks the contract; nothing of the transaction may then be kept.
        """
        written: list[Numbered] = []
        for row in rows:
            written += self._append_one(connection, numbers, checked(row))
        return written

    def _append_one(self, connection: sqlite3.Connection, numbers: Numbers, row: Observation) -> list[Numbered]:
        series = self._id(connection, row.series)
        found = connection.execute(FIND_CURRENT, (row.start, series)).fetchone()
        before = Version(found[0], found[1], found[2], Quality(found[3])) if found else None
        if before and _says_the_same(before, row):
            return []
        across = [] if before and before.end == row.end else self._overlaps(connection, series, row)
        if self._is_lower(row, before, [value for *_, value in across]):
            append_entry(connection, numbers, LedgerEntry(row.sensor, row.start, row.end, "disputed", DISPUTED))
            return []
        withdrawn = [
            self._write(connection, numbers, series, row._replace(start=start, end=end, value=None), number)
            for start, end, number, _ in across
        ]
        return [*withdrawn, self._write(connection, numbers, series, row, before.number if before else None)]

    def _is_lower(self, row: Observation, before: Version | None, across: list[float]) -> bool:
        """Whether the row would lower, or make provisional again, what is finished."""
        if row.value is None or row.origin is Origin.EDGE:
            return False
        held = 0.0
        if before and before.value is not None and not before.quality & Quality.PROVISIONAL:
            if row.value < before.value or row.quality & Quality.PROVISIONAL:
                return True
            held = before.value
        # A wide row (an hour that came twice, read once) against the rows it covers: the larger total stays.
        return row.origin is Origin.LOG and bool(across) and row.value < held + sum(across)

    def _overlaps(
        self, connection: sqlite3.Connection, series: int, row: Observation
    ) -> list[tuple[int, int, int, float]]:
        if row.start >= self._latest_end(connection, series, row.start):
            return []
        return connection.execute(FIND_OVERLAPS, (row.start - WIDEST, row.end, series, row.start, row.start)).fetchall()

    def _latest_end(self, connection: sqlite3.Connection, series: int, start: int) -> int:
        """Where a series' rows end, or a moment before `start` where none can reach it; one look serves all series."""
        if series not in self._ends:
            since = start - WIDEST
            if self._looked_back_to is None or since < self._looked_back_to:
                for known, end in connection.execute(LATEST_ENDS, (since,)):
                    self._ends.setdefault(known, end)
                self._looked_back_to = since
            self._ends.setdefault(series, 0)
        return self._ends[series]

    def _write(
        self, connection: sqlite3.Connection, numbers: Numbers, series: int, row: Observation, replaced: int | None
    ) -> Numbered:
        number = numbers.take()
        connection.execute(
            ADD_OBSERVATION,
            (number, series, row.start, row.end, row.value, int(row.quality), row.lower, row.upper, row.n),
        )
        connection.execute(SET_CURRENT, (row.start, series, row.end, number))
        if replaced is not None:
            connection.execute(DROP_OBSERVATION, (replaced,))
            numbers.give_up(replaced)
        self._ends[series] = max(self._ends.get(series, row.end), row.end)
        return Numbered(number, row)

    def _id(self, connection: sqlite3.Connection, series: Series) -> int:
        if series not in self._ids:
            made: int = connection.execute(ADD_SERIES, series).fetchone()[0]
            self._ids[series] = made
            self.series[made] = series
        return self._ids[series]


def append_entry(connection: sqlite3.Connection, numbers: Numbers, entry: LedgerEntry) -> bool:
    """Write a ledger entry in place of an older one with its key; False where that already says the same."""
    text = json.dumps(entry.numbers)
    before = connection.execute(FIND_ENTRY, (entry.start, entry.sensor, entry.reason)).fetchone()
    if before and tuple(before[1:]) == (entry.end, entry.state, text):
        return False
    if before:
        connection.execute(DROP_ENTRY, (before[0],))
        numbers.give_up(before[0])
    connection.execute(
        ADD_ENTRY, (numbers.take(), entry.sensor, entry.start, entry.end, entry.state, entry.reason, text)
    )
    return True
