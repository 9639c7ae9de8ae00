"""Opening the buffer, whatever state its file is in: the agent never refuses to start because of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.buffer.append import Appender
from agent.buffer.numbers import Numbers
from agent.buffer.outbox import observation_of
from agent.contract.observation import Origin, Series
from agent.contract.ranges import Ranges
from agent.foundation.sqlite import Database, NewerSchemaError, is_sound, migrate, open_read_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.contract.observation import Observation

MIGRATIONS = Path(__file__).parent / "migrations"
_CHUNK = 500  # numbers read at once from a damaged file; a bad page costs the rest of its chunk at most


class Opened(NamedTuple):
    """The buffer's database and what had to be done to open it, in words (empty when nothing)."""

    database: Database
    report: str


async def open_database(path: Path) -> Opened:
    """Open the buffer's file; set it aside and start a new one, with what could be read, where it is damaged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return Opened(await _open_sound(path), "")
    except NewerSchemaError as error:
        aside = path.with_name(f"{path.stem}.older{path.suffix}")
        return Opened(await _open_sound(aside), f"{path.name} is left as it is ({error}); {aside.name} is used instead")
    except sqlite3.DatabaseError as error:
        set_aside = _set_aside(path)
        database = await _open_sound(path)
        saved = await database.write(lambda connection: salvage(set_aside, connection))
        report = f"the buffer was damaged ({error}): {set_aside.name} is kept, {saved} rows were saved"
        return Opened(database, report)


async def _open_sound(path: Path) -> Database:
    database = await Database.open(path)

    def prepare(connection: sqlite3.Connection) -> None:
        if not is_sound(connection):
            raise sqlite3.DatabaseError("quick check failed")
        migrate(connection, MIGRATIONS)

    try:
        await database.read(prepare)
    except BaseException:
        await database.close()
        raise
    return database


def _set_aside(path: Path) -> Path:
    count = len(list(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}")))
    aside = path.with_name(f"{path.stem}.damaged-{count + 1}{path.suffix}")
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        side = path.with_name(path.name + ending)
        if side.exists():
            side.rename(aside.with_name(aside.name + ending))
    return aside


def salvage(damaged: Path, connection: sqlite3.Connection) -> int:
    """Append every row that can be read from a damaged file and that HQ is not known to have; how many there were.

    Cursors and readings are left behind on purpose: they may be ahead of rows that did not survive, and what they
    skipped would be lost. The poller reads the cameras' memory again instead.
    """
    numbers, appender, saved = Numbers(connection), Appender(connection), 0
    with closing(open_read_only(damaged)) as source:
        for row in _readable(source):
            try:
                saved += len(appender.append(connection, numbers, [row]))
            except ValueError:
                continue  # a flipped bit made a row that breaks the contract
    numbers.save(connection)
    return saved


def _readable(source: sqlite3.Connection) -> Iterator[Observation]:
    try:
        series = {
            number: Series(sensor, place, metric, Origin(origin))
            for number, sensor, place, metric, origin in source.execute("SELECT * FROM series")
        }
        last = source.execute("SELECT max(number) FROM observation").fetchone()[0] or 0
    except (sqlite3.DatabaseError, ValueError):
        return
    answered = _answered(source)
    for first in range(1, last + 1, _CHUNK):
        cursor = source.execute(
            "SELECT * FROM observation WHERE number BETWEEN ? AND ?", (first, min(last, first + _CHUNK - 1))
        )
        while row := _next_row(cursor):
            if row[0] not in answered and row[1] in series:
                yield observation_of(row, series)


def _next_row(cursor: sqlite3.Cursor) -> tuple[Any, ...] | None:
    try:
        row: tuple[Any, ...] | None = cursor.fetchone()
    except sqlite3.DatabaseError:
        return None
    return row


def _answered(source: sqlite3.Connection) -> Ranges:
    try:
        spans = source.execute("SELECT spans FROM numbers WHERE name IN ('acked', 'past')").fetchall()
        return Ranges(span for (text,) in spans for span in json.loads(text))
    except (sqlite3.DatabaseError, ValueError):
        return Ranges()
