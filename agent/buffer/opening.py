"""Opening the buffer, whatever state its file is in: the agent never refuses to start because of it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.buffer import kept
from agent.buffer.lending import first_page
from agent.buffer.numbers import Numbers
from agent.buffer.outbox import unanswered
from agent.buffer.salvage import merge, salvage
from agent.buffer.seals import is_whole, teach
from agent.foundation.files import sync_folder
from agent.foundation.sqlite import Database, NewerSchemaError, is_damage, is_sound, migrate

if TYPE_CHECKING:
    from collections.abc import Callable

MIGRATIONS = Path(__file__).parent / "migrations"
DAMAGE = (sqlite3.DatabaseError, UnicodeError, json.JSONDecodeError)


class Opened(NamedTuple):
    """The buffer's database and what had to be done to open it, in words (empty when nothing)."""

    database: Database
    report: str


async def open_database(path: Path, now: float, migrations: Path = MIGRATIONS) -> Opened:
    """Open the buffer's file; set it aside and start a new one, with what could be read, where it is damaged.

    Raises:
        sqlite3.OperationalError: the disk gives or takes nothing at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    side = side_of(path)
    _finish(path)
    try:
        if suspect(path).exists():
            raise sqlite3.DatabaseError(suspect(path).read_text(encoding="utf-8", errors="replace")[:200])
        database = await _open_sound(path, migrations)
    except NewerSchemaError as error:
        told = f"{path.name} is left as it is ({error}); {side.name} is used instead"
        return Opened((await open_database(side, now, migrations)).database, told)
    except DAMAGE as error:
        if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
            raise
        return await _begin_anew(path, now, migrations, str(error))
    return Opened(database, await _take_over(side, database, migrations, now) if side.exists() else "")


async def open_in_memory(migrations: Path = MIGRATIONS) -> Database:
    """A database that no disk is needed for."""
    return await _open_sound(None, migrations)


def side_of(path: Path) -> Path:
    """The file in which rows wait that could not be put into the buffer's own; the next opening takes them over."""
    return path.with_name(f"{path.stem}.older{path.suffix}")


def suspect(path: Path) -> Path:
    """The mark that the file was found damaged while it was in use: the next opening sets it aside."""
    return path.with_name(path.name + ".suspect")


async def _begin_anew(path: Path, now: float, migrations: Path, why: str) -> Opened:
    """Salvage into a fresh file first and only then change places, so that a kill in between costs no row."""
    fresh = _fresh(path)
    _files(fresh, Path.unlink)
    database = await _open_sound(fresh, migrations)
    try:
        page = first_page(migrations)
        saved = await database.write(lambda connection: salvage(path, connection, int(now) // 60, now, page))
    finally:
        await database.close()
    aside = _set_aside(path)
    suspect(path).unlink(missing_ok=True)
    _finish(path)
    told = f"the buffer was damaged ({why}): {aside.name} is kept, {saved.rows} rows were saved"
    if saved.lost:
        told += f", {saved.lost} could not be read and are told to headquarters as lost"
    return Opened(await _open_sound(path, migrations), told)


def _finish(path: Path) -> None:
    """Put the fresh file in its place, where the damaged one has left it."""
    if _fresh(path).exists() and not path.exists():
        _files(path, Path.unlink)  # a WAL left behind would be played into the fresh file
        _fresh(path).rename(path)
        sync_folder(path.parent)


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.stem}.fresh{path.suffix}")


async def _take_over(side: Path, database: Database, migrations: Path, now: float) -> str:
    try:
        saved = await database.write(lambda connection: merge(side, connection, migrations, now))
    except DAMAGE as error:
        if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
            raise
        _set_aside(side)
        return f"{side.name} could not be read ({error}) and is kept aside"
    # A kill before this line merges once more, and rows that are there already are no news.
    _files(side, Path.unlink)
    return f"{saved} rows of {side.name}, written beside the buffer meanwhile, were taken over"


async def _open_sound(path: Path | None, migrations: Path) -> Database:
    database = await (Database.open(path) if path else Database.in_memory())

    def prepare(connection: sqlite3.Connection) -> None:
        if not is_sound(connection):
            raise sqlite3.DatabaseError("quick check failed")
        teach(connection)
        migrate(connection, migrations)
        _check_head(connection)

    try:
        await database.read(prepare)
    except BaseException:
        await database.close()
        raise
    return database


def _check_head(connection: sqlite3.Connection) -> None:
    """Everything small that decides what the rows mean and which were sent; the rows are checked when they are read."""
    if not kept.all_whole(connection):
        raise sqlite3.DatabaseError("what the stages keep is damaged")
    if not all(is_whole(row) for row in connection.execute("SELECT * FROM series")):
        raise sqlite3.DatabaseError("the names of series are damaged")
    unanswered(connection)
    held = connection.execute("SELECT max(number) FROM observation").fetchone()[0] or 0
    if held > Numbers(connection).highest:
        raise sqlite3.DatabaseError("a row has a number that was never given")


def _set_aside(path: Path) -> Path:
    count = len(list(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}")))
    aside = path.with_name(f"{path.stem}.damaged-{count + 1}{path.suffix}")
    path.rename(aside)  # the file before its WAL: without it a WAL is nothing, while it needs its WAL
    _files(path, lambda file: file.rename(aside.with_name(aside.name + file.name.removeprefix(path.name))))
    sync_folder(path.parent)
    return aside


def _files(path: Path, each: Callable[[Path], object]) -> None:
    """Do something to a database file, its WAL and its shared memory, as far as they are there."""
    for ending in ("-shm", "-wal", ""):
        file = path.with_name(path.name + ending)
        if file.exists():
            each(file)
