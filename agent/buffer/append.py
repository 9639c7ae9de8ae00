"""Appending: numbers, revisions, no overlaps, never downwards. Plain functions inside the caller's transaction."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from functools import reduce
from itertools import accumulate
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.buffer.seals import is_whole_row, seal_of, seal_of_plain, seal_of_row
from agent.contract.happenings import AlertColumns, ManualColumns, alert_columns, manual_columns
from agent.contract.observation import (
    GAP_STATES,
    WIDEST,
    LedgerEntry,
    Numbered,
    Observation,
    Origin,
    Quality,
    Series,
    checked,
)
from agent.contract.ranges import Ranges

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from agent.buffer.numbers import Numbers
    from agent.contract.happenings import Alert, ManualCount

# The row of one key.
FIND = "SELECT * FROM observation WHERE start = ? AND series = ?"
# What of one series lies across an interval, withdrawn rows left out.
FIND_OVERLAPS = """
SELECT * FROM observation
WHERE start > ? AND start < ? AND series = ? AND "end" > ? AND start <> ? AND value IS NOT NULL"""
FIND_ABOUT = """
SELECT series, start, "end" FROM observation
WHERE start > ? AND start < ? AND series IN (SELECT value FROM json_each(?))"""
LATEST_ENDS = 'SELECT series, max("end") FROM observation WHERE start > ? GROUP BY series'
ADD_OBSERVATION = "INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
DROP_OBSERVATION = "DELETE FROM observation WHERE number = ?"
ADD_SERIES = "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?)"
FIND_ENTRY = 'SELECT number, "end", state, numbers FROM ledger WHERE start = ? AND sensor = ? AND reason = ?'
ADD_ENTRY = "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
DROP_ENTRY = "DELETE FROM ledger WHERE number = ?"
ADD_ALERT = "INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_MANUAL = "INSERT INTO manual VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

_UNKNOWN = 1 << 62  # where a series ends that was not looked for yet: nothing begins after it

SEARCHES = 4  # of the rows of a commit, before one search is made for all that are left
DISPUTED = "a later reading was lower"


class Version(NamedTuple):
    """What the buffer holds for a key now."""

    end: int
    number: int
    value: float | None
    quality: Quality
    bounds: tuple[float | None, ...]  # lower, upper, n


Other = tuple[int, int, int, float, int]  # start, end, number, value and quality of a row that lies across
_DOUBTFUL = Quality.UNCONFIRMED | Quality.ESTIMATED | Quality.PROVISIONAL


def _says_the_same(before: Version, row: Observation) -> bool:
    """Whether the row is no news: equal in end and value, and not removing a doubt about the value."""
    if (before.end, before.value) != (row.end, row.value):
        return False
    if row.origin is Origin.EDGE and before.bounds != (row.lower, row.upper, row.n):
        return False  # the same number, surer than before
    return before.quality == row.quality or not before.quality & _DOUBTFUL or bool(row.quality & _DOUBTFUL)


class Apart:
    """The rows of one commit, and what of their series the buffer has thereabouts."""

    def __init__(self, rows: Sequence[Observation]) -> None:
        self._rows = rows
        self.asked = 0
        self._held: dict[int, tuple[list[int], list[int]]] = {}  # starts, and the latest end up to each
        self._ends: dict[int, int] = {}  # of each series at the look: what is written after it is not looked for
        self._since: dict[int, int] = {}  # the latest end of what was asked for since

    def look(self, connection: sqlite3.Connection, ids: Mapping[Series, int], ends: Mapping[int, int]) -> None:
        """Find what lies about the rows, as `FIND` and `FIND_OVERLAPS` would for each."""
        series = sorted({ids[row.series] for row in self._rows if row.series in ids})
        begin, end = min(row.start for row in self._rows), max(row.end for row in self._rows)
        held: dict[int, list[tuple[int, int]]] = {one: [] for one in series}
        for one, start, until in connection.execute(FIND_ABOUT, (begin - WIDEST, end, json.dumps(series))):
            held[one].append((start, until))
        for one, found in held.items():
            found.sort()
            self._ends[one] = ends.get(one, 0)
            self._held[one] = [start for start, _ in found], list(accumulate((until for _, until in found), max))

    def is_apart(self, series: int, row: Observation) -> bool:
        """Whether nothing held or written since touches the row; False where that is not known."""
        before = self._since.get(series, row.start)
        self._since[series] = max(before, row.end)
        if row.start < before or row.end > self._ends.get(series, 0):
            return False
        starts, ends = self._held[series]
        earlier = bisect_left(starts, row.end)
        return not earlier or ends[earlier - 1] <= row.start


class Appender:
    """Appends to one buffer. Keeps the ids of series, and the end of each so that the usual append needs no search."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.ids: dict[Series, int] = {
            Series(sensor, place, metric, Origin(origin)): number
            for number, sensor, place, metric, origin, _ in connection.execute("SELECT * FROM series")
        }
        self.series = {number: series for series, number in self.ids.items()}
        self._ends: dict[int, int] = {}
        self._looked_back_to: int | None = None
        self._new: list[tuple[Any, ...]] = []  # rows not yet inserted: one executemany costs a third of single calls

    def forget(self, connection: sqlite3.Connection) -> None:
        """Start over after a transaction that was rolled back."""
        self.__init__(connection)  # type: ignore[misc]  # the same object, read afresh

    def append(self, connection: sqlite3.Connection, numbers: Numbers, rows: Sequence[Observation]) -> list[Numbered]:
        """The rows that were news, withdrawals and all, with their numbers.

        Raises:
            ValueError: a row breaks the contract; nothing of the transaction may then be kept.
        """
        written: list[Numbered] = []
        ids, ends, apart = self.ids, self._ends, Apart(rows)
        for row in rows:
            # The usual row in one piece: calls and attributes would be half of its cost (7 us for the whole row).
            sensor, place, metric, start, end, value, origin, quality, lower, upper, n = row
            series = ids.get((sensor, place, metric, origin))  # type: ignore[call-overload]  # equal to its Series
            if (
                series is not None
                and value is not None
                and lower is upper is n is None
                and 0 < end - start <= WIDEST
                and math.isfinite(value)
                and start >= (latest := ends.get(series, _UNKNOWN))
            ):
                number, bits = numbers.take(), int(quality)
                seal = seal_of_plain(number, series, start, end, value, bits)
                self._new.append((number, series, start, end, value, bits, None, None, None, seal))
                if end > latest:
                    ends[series] = end
                written.append(Numbered(number, row))
                continue
            written += self._append_any(connection, numbers, row, apart)
        self._flush(connection)
        return written

    def _append_any(
        self, connection: sqlite3.Connection, numbers: Numbers, row: Observation, apart: Apart
    ) -> list[Numbered]:
        series = self.ids.get((row.sensor, row.place, row.metric, row.origin))  # type: ignore[call-overload]  # as above
        if series is None or not _is_plausible(row):
            series = self._id(connection, checked(row).series)
        if row.start >= self._latest_end(connection, series, row.start):
            return [self._write(numbers, series, row)]  # after all that is there: nothing to compare with
        if self._is_apart(connection, apart, series, row):
            return [self._write(numbers, series, row)]
        return self._append_among(connection, numbers, series, row)

    def add(self, connection: sqlite3.Connection, numbers: Numbers, rows: Iterable[Observation]) -> list[Numbered]:
        """The rows, each added to what its key already has: single crossings into their minute."""
        written: list[Numbered] = []
        for row in rows:
            self._flush(connection)
            before = self._before(connection, self._id(connection, checked(row).series), row.start)
            if before and before.end == row.end and before.value is not None and row.value is not None:
                quality = row.quality | before.quality
                written += self.append(
                    connection, numbers, [row._replace(value=before.value + row.value, quality=quality)]
                )
            else:
                written += self.append(connection, numbers, [row])
        return written

    def _append_among(
        self, connection: sqlite3.Connection, numbers: Numbers, series: int, row: Observation
    ) -> list[Numbered]:
        self._flush(connection)
        before = self._before(connection, series, row.start)
        if before and _says_the_same(before, row):
            return []
        across = [] if before and before.end == row.end else _overlaps(connection, series, row)
        if across and Quality.CLOCK_CORRECTED & (row.quality | reduce(or_, (other[4] for other in across), 0)):
            placed = _among(row, across)
            if placed[3:5] != row[3:5]:
                placed = placed._replace(quality=row.quality | Quality.CLOCK_CORRECTED)
                return self._append_among(connection, numbers, series, placed) if placed.start < placed.end else []
        if _is_lower(row, before, [other[3] for other in across]):
            append_entry(connection, numbers, LedgerEntry(row.sensor, row.start, row.end, "disputed", DISPUTED))
            return []
        replaced = [other[2] for other in across] + ([before.number] if before else [])
        for number in replaced:
            connection.execute(DROP_OBSERVATION, (number,))
            numbers.give_up(number)
        withdrawn = [row._replace(start=start, end=end, value=None) for start, end, *_ in across]
        return [self._write(numbers, series, each) for each in (*withdrawn, row)]

    def _is_apart(self, connection: sqlite3.Connection, apart: Apart, series: int, row: Observation) -> bool:
        """Whether nothing of a series touches the row, found by one search for all rows of a commit that has many.

        A search looks through the keys of all series in 25 hours: 1.7 ms with 40,000 of them.
        """
        apart.asked += 1
        if apart.asked < SEARCHES:
            return False
        if apart.asked == SEARCHES:
            self._flush(connection)
            apart.look(connection, self.ids, self._ends)
        return apart.is_apart(series, row)

    def _before(self, connection: sqlite3.Connection, series: int, start: int) -> Version | None:
        """The row of a key; a damaged one is none: it is left where it is and the reading made again is news."""
        for row in connection.execute(FIND, (start, series)):
            if is_whole_row(row):
                return Version(row[3], row[0], row[4], Quality(row[5]), row[6:9])
        return None

    def _latest_end(self, connection: sqlite3.Connection, series: int, start: int) -> int:
        """Where a series' rows end, or a moment before `start` where none can reach it; one look serves all series."""
        end = self._ends.get(series)
        if end is None:
            since = start - WIDEST
            if self._looked_back_to is None or since < self._looked_back_to:
                self._flush(connection)
                for known, latest in connection.execute(LATEST_ENDS, (since,)):
                    self._ends.setdefault(known, latest)
                self._looked_back_to = since
            end = self._ends.setdefault(series, 0)
        return end

    def _write(self, numbers: Numbers, series: int, row: Observation) -> Numbered:
        number = numbers.take()
        told = (number, series, row.start, row.end, row.value, int(row.quality), row.lower, row.upper, row.n)
        self._new.append((*told, seal_of_row(*told)))
        if row.end > self._ends.get(series, 0):
            self._ends[series] = row.end
        return Numbered(number, row)

    def _flush(self, connection: sqlite3.Connection) -> None:
        if self._new:
            connection.executemany(ADD_OBSERVATION, self._new)
            self._new.clear()

    def _id(self, connection: sqlite3.Connection, series: Series) -> int:
        if series not in self.ids:
            made = max(self.series, default=0) + 1
            connection.execute(ADD_SERIES, (made, *series, seal_of(made, *series)))
            self.ids[series] = made
            self.series[made] = series
        return self.ids[series]


def _is_plausible(row: Observation) -> bool:
    """The part of `checked` that a series already known does not answer, for the usual row without bounds."""
    return (
        0 < row.end - row.start <= WIDEST
        and (row.value is None or math.isfinite(row.value))
        and row.lower is row.upper is row.n is None
    )


def _is_lower(row: Observation, before: Version | None, across: list[float]) -> bool:
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


def _among(row: Observation, across: list[Other]) -> Observation:
    """A row whose edges were worked out from a clock that is off, between those that are there.

    Where it is most of one of them and that one most of it, it tells of the same stretch and takes its edges; where
    they touch by the correction's error, that stretch is left to the other. Those mostly within it are replaced.
    """
    start, end = row.start, row.end
    for other_start, other_end, *_ in across:
        shared = min(row.end, other_end) - max(row.start, other_start)
        if 2 * shared > max(row.end - row.start, other_end - other_start):
            return row._replace(start=other_start, end=other_end)
        if 2 * shared > other_end - other_start:
            continue
        if other_start < row.start:
            start = max(start, other_end)
        else:
            end = min(end, other_start)
    return row._replace(start=start, end=end)


def _overlaps(connection: sqlite3.Connection, series: int, row: Observation) -> list[Other]:
    found = connection.execute(FIND_OVERLAPS, (row.start - WIDEST, row.end, series, row.start, row.start)).fetchall()
    return [(other[2], other[3], other[0], other[4], other[5]) for other in found if is_whole_row(other)]


def append_entry(connection: sqlite3.Connection, numbers: Numbers, entry: LedgerEntry) -> bool:
    """Write a ledger entry in place of an older one with its key; False where that already says the same."""
    if entry.state not in GAP_STATES:
        raise ValueError(f"{entry.state!r} is no state of a ledger entry")
    text = json.dumps(entry.numbers)
    before = connection.execute(FIND_ENTRY, (entry.start, entry.sensor, entry.reason)).fetchone()
    if before and tuple(before[1:]) == (entry.end, entry.state, text):
        return False
    if before:
        connection.execute(DROP_ENTRY, (before[0],))
        numbers.give_up(before[0])
    told = (numbers.take(), entry.sensor, entry.start, entry.end, entry.state, entry.reason, text)
    connection.execute(ADD_ENTRY, (*told, seal_of(*told)))
    return True


def joined(connection: sqlite3.Connection, entry: LedgerEntry) -> LedgerEntry:
    """The entry with what an older one of its key says of numbers and time, for it will stand in its place."""
    found = connection.execute(FIND_ENTRY, (entry.start, entry.sensor, entry.reason)).fetchone()
    if not found:
        return entry
    told = Ranges(json.loads(found[3]))
    told.update(entry.numbers)
    return entry._replace(end=max(found[1], entry.end), numbers=tuple(told))


def append_alerts(connection: sqlite3.Connection, numbers: Numbers, alerts: Sequence[Alert]) -> None:
    """Write alert transitions; ValueError where one breaks the contract."""
    AlertColumns.model_validate(alert_columns(alerts)[1])
    for alert in alerts:
        value = None if alert.value is None else float(alert.value) + 0.0  # as SQLite gives it back
        told = (numbers.take(), *alert._replace(value=value))
        connection.execute(ADD_ALERT, (*told, seal_of(*told)))


def append_manual(connection: sqlite3.Connection, numbers: Numbers, counts: Sequence[ManualCount]) -> None:
    """Write manual counts; ValueError where one breaks the contract."""
    ManualColumns.model_validate(manual_columns(counts)[1])
    for count in counts:
        told = (numbers.take(), *count)
        connection.execute(ADD_MANUAL, (*told, seal_of(*told)))
