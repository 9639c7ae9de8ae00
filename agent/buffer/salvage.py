"""Salvage: every row that can still be read of a file set aside, and that HQ is not known to have, comes along."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from agent.buffer import kept
from agent.buffer.append import Appender, append_alerts, append_entry, append_manual
from agent.buffer.kinds import ALERT, KINDS, LEDGER, MANUAL, OBSERVATION, entry_of, observation_of
from agent.buffer.numbers import Numbers
from agent.buffer.seals import is_whole, teach
from agent.contract.happenings import Alert, ManualCount
from agent.contract.observation import Origin, Series
from agent.contract.ranges import Ranges
from agent.foundation.sqlite import migrate, open_read_only

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agent.buffer.kinds import Kind

UNREADABLE = (sqlite3.DatabaseError, UnicodeError)
_CHUNK = 100  # numbers read at once from a damaged file; a bad page costs the rest of its chunk at most


def salvage(aside: Path, connection: sqlite3.Connection, fallback_boot: int) -> int:
    """Append what can be read of a file set aside; how many rows there were.

    Cursors and readings are left behind on purpose: they may be ahead of rows that did not survive, and what they
    skipped would be lost. The poller reads the cameras' memory again instead.
    """
    numbers, appender, saved = Numbers(connection), Appender(connection), 0
    with closing(open_read_only(aside)) as source:
        series, answered = _series(source), _answered(source)
        for kind in KINDS:
            for row in _readable(source, kind, answered):
                saved += _take_in(connection, numbers, appender, kind, row, series)
        numbers.identity.boot = max(numbers.identity.boot, _boot(source, fallback_boot))
    numbers.save(connection)
    return saved


def _take_in(
    connection: sqlite3.Connection,
    numbers: Numbers,
    appender: Appender,
    kind: Kind,
    row: tuple[Any, ...],
    series: Mapping[int, Series],
) -> int:
    try:
        if kind is OBSERVATION:
            return len(appender.append(connection, numbers, [observation_of(row, series)]))
        if kind is LEDGER:
            return int(append_entry(connection, numbers, entry_of(row)))
        if kind is ALERT:
            append_alerts(connection, numbers, [Alert(*row[1:-1])])
        elif kind is MANUAL:
            append_manual(connection, numbers, [ManualCount(*row[1:-1])])
    except (ValueError, KeyError):
        return 0  # its series is gone, or it breaks the contract
    return 1


def _readable(source: sqlite3.Connection, kind: Kind, answered: Ranges) -> Iterator[tuple[Any, ...]]:
    try:
        last = source.execute(f"SELECT max(number) FROM {kind.table}").fetchone()[0] or 0  # noqa: S608 - our own names
    except UNREADABLE:
        return
    unsealed = _unsealed(source)
    for first in range(1, last + 1, _CHUNK):
        try:
            cursor = source.execute(
                f"SELECT * FROM {kind.table} WHERE number BETWEEN ? AND ?",  # noqa: S608 - our own names
                (first, min(last, first + _CHUNK - 1)),
            )
        except UNREADABLE:
            continue
        while row := _next_row(cursor):
            sealed = (*row, None) if unsealed else row
            if row[0] not in answered and (unsealed or kind.is_whole(row)):
                yield sealed


def _next_row(cursor: sqlite3.Cursor) -> tuple[Any, ...] | None:
    try:
        row: tuple[Any, ...] | None = cursor.fetchone()
    except UNREADABLE:
        return None
    return row


def _series(source: sqlite3.Connection) -> dict[int, Series]:
    """The series that can be read; rows of one that cannot are lost with its name."""
    found: dict[int, Series] = {}
    try:
        cursor = source.execute("SELECT * FROM series")
    except UNREADABLE:
        return found
    while row := _next_row(cursor):
        if is_whole(row) or _unsealed(source):
            found[row[0]] = Series(row[1], row[2], row[3], Origin(row[4]))
    return found


def _unsealed(source: sqlite3.Connection) -> bool:
    """Whether the file is of the first schema, which had no seals."""
    try:
        return bool(source.execute("PRAGMA user_version").fetchone()[0] == 1)
    except UNREADABLE:
        return False


def _answered(source: sqlite3.Connection) -> Ranges:
    """What HQ is known to have; not knowing costs sending again what HQ then finds it has."""
    done = Ranges()
    if _unsealed(source):
        return done
    for name in ("numbers:acked", "numbers:past"):
        try:
            done.update(kept.get(source, name) or ())
        except (sqlite3.DatabaseError, ValueError):
            continue
    return done


def _boot(source: sqlite3.Connection, fallback: int) -> int:
    """The boot counter must not go back: HQ ignores the word of an older boot."""
    try:
        identity = kept.get(source, "identity")
    except (sqlite3.DatabaseError, ValueError):
        return fallback
    return int(identity["boot"]) if identity else fallback


def merge(side: Path, connection: sqlite3.Connection, migrations: Path) -> int:
    """Take over what a side file gathered while an older version ran; how many rows there were.

    Its books and cursors are newer than ours and every row they stand for comes along, so they are taken too.
    """
    with closing(sqlite3.connect(side, isolation_level=None)) as source:
        teach(source)
        migrate(source, migrations)
        states = source.execute("SELECT name, value FROM kept WHERE name <> 'identity' AND name NOT LIKE 'numbers:%'")
        books = {name: json.loads(value) for name, value in states if not name.startswith("cursor:")}
    saved = salvage(side, connection, 0)
    for name, value in books.items():
        kept.put(connection, name, value)
    return saved
