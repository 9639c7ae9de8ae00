"""Room: the byte cap, what goes first when it is reached, and how long there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.buffer.append import append_entry, joined
from agent.buffer.seals import is_whole_row
from agent.contract.observation import LedgerEntry
from agent.contract.ranges import Ranges

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from agent.buffer.numbers import Numbers
    from agent.contract.observation import Series

SLICE = 2000  # rows dropped in one commit: about 0.3 MB, small enough never to hold up a tick
KEEP_FOR = 30 * 86400  # seconds that acknowledged rows stay where there is room
FULL = "the buffer is full"

OLDEST = "SELECT * FROM observation WHERE number BETWEEN ? AND ? ORDER BY number LIMIT ?"
DROP = "DELETE FROM observation WHERE number = ?"
SMALL = {  # whatever else HQ has; an open gap stays until it is answered
    table: f'SELECT number FROM {table} WHERE number BETWEEN ? AND ? AND "end" < ?{more} LIMIT ?'  # noqa: S608 - our own names
    for table, more in (("ledger", " AND state <> 'pending'"), ("alert", ""), ("manual", ""))
}


def drop_acknowledged(connection: sqlite3.Connection, numbers: Numbers, below: int, ended_before: float) -> int:
    """Drop a slice of the oldest rows that HQ has; only numbers below every stage's cursor. How many went."""
    done = numbers.acked.copy()
    done.update(numbers.past)
    done = done.between(1, below - 1)
    gone = [row[0] for row in _oldest(connection, done) if row[3] < ended_before]
    connection.executemany(DROP, [(number,) for number in gone])
    return len(gone) + _drop_small(connection, done, ended_before)


def _drop_small(connection: sqlite3.Connection, done: Ranges, ended_before: float) -> int:
    dropped = 0
    for table, question in SMALL.items():
        for first, last in done:
            gone = connection.execute(question, (first, last, ended_before, SLICE)).fetchall()
            connection.executemany(f"DELETE FROM {table} WHERE number = ?", gone)  # noqa: S608 - our own names
            dropped += len(gone)
    return dropped


def drop_unacknowledged(
    connection: sqlite3.Connection, numbers: Numbers, series: Mapping[int, Series], below: int
) -> int:
    """Give up a slice of the oldest rows that HQ does not have, never one in the outbox; each stretch is told."""
    rows = _oldest(connection, numbers.unsent().between(1, below - 1))
    connection.executemany(DROP, [(row[0],) for row in rows])
    numbers.identity.dropped_rows += len(rows)
    numbers.void.update((row[0], row[0]) for row in rows)
    for sensor in {series[row[1]].sensor for row in rows}:
        own = [row for row in rows if series[row[1]].sensor == sensor]
        given_up = tuple(Ranges.of_numbers(row[0] for row in own))
        start, end = min(row[2] for row in own), max(row[3] for row in own)
        entry = LedgerEntry(sensor, start, end, "lost", FULL, given_up)
        append_entry(connection, numbers, joined(connection, entry))
    return len(rows)


def _oldest(connection: sqlite3.Connection, within: Ranges) -> list[tuple[Any, ...]]:
    """The oldest rows of these numbers. A damaged one stays: its entry in the index cannot be told any more."""
    rows: list[tuple[Any, ...]] = []
    for first, last in within:
        found = connection.execute(OLDEST, (first, last, SLICE - len(rows)))
        rows += [row for row in found if is_whole_row(row)]
        if len(rows) >= SLICE:
            break
    return rows
