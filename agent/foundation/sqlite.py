"""One SQLite file, one connection that writes: SQLite before 3.51.3 can corrupt a WAL that two checkpoint."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Self, TypeVar

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")

# wal_autocheckpoint 50 pages and the journal limit keep the WAL near 200 kB, so that delete-oldest still works on a
# nearly full card; FULL because NORMAL lost acknowledged rows in 14 of 40 simulated power cuts. No mmap: an I/O error
# would be a SIGBUS instead of an exception.
_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 50;
PRAGMA journal_size_limit = 262144;
PRAGMA mmap_size = 0;
PRAGMA cache_size = -2000;
PRAGMA temp_store = MEMORY;
PRAGMA busy_timeout = 5000;
PRAGMA foreign_keys = ON;
"""


class NewerSchemaError(Exception):
    """The file was written by a newer version; it is left as it is."""


class Database:
    """The connection that writes. Every transaction is one function, run whole on the connection's own thread."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.path = path

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the file with its pragmas; sqlite3.DatabaseError where it is damaged beyond that."""
        connection = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
        try:
            await connection.executescript(_PRAGMAS)
        except sqlite3.Error:
            await connection.close()
            raise
        return cls(connection, path)

    async def close(self) -> None:
        """Wait for what is being written, then close."""
        async with self._turn:
            await self._connection.close()

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """What a function answers that only reads, between two transactions."""
        async with self._turn:
            return await self._on_thread(question)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function as one transaction: all of it is on disk when this returns, or none of it and it raises.

        A cancelled caller does not tear the transaction: it is finished first.
        """
        return await asyncio.shield(self._whole(change))

    async def _whole(self, change: Callable[[sqlite3.Connection], T]) -> T:
        async with self._turn:
            return await self._on_thread(lambda connection: in_transaction(connection, change))

    async def _on_thread(self, function: Callable[[sqlite3.Connection], T]) -> T:
        # aiosqlite offers one hop to its thread a statement (about 60 us each); a tick has hundreds of statements.
        run: Callable[[Callable[[], T]], Awaitable[T]] = self._connection._execute  # noqa: SLF001 - see above
        return await run(lambda: function(self._connection._conn))  # noqa: SLF001 - as above


def in_transaction(connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], T]) -> T:
    """Run a function between BEGIN and COMMIT; whatever it raises rolls back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = change(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def open_read_only(path: Path) -> sqlite3.Connection:
    """A reader that can change nothing, not even by accident."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether SQLite's quick check finds nothing wrong."""
    try:
        return [row[0] for row in connection.execute("PRAGMA quick_check(1)")] == ["ok"]
    except sqlite3.DatabaseError:
        return False


def used_bytes(connection: sqlite3.Connection, path: Path) -> int:
    """Bytes of the file's pages in use, and of its WAL."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    wal = path.with_name(path.name + "-wal")
    return int((pages - free) * size) + (wal.stat().st_size if wal.exists() else 0)


def migrate(connection: sqlite3.Connection, migrations: Path) -> None:
    """Bring the schema to the newest numbered .sql file of a folder, each file one transaction with its number.

    Raises:
        NewerSchemaError: the file is already beyond the newest.
    """
    files = sorted(migrations.glob("[0-9]*.sql"))
    at = connection.execute("PRAGMA user_version").fetchone()[0]
    if at > len(files):
        raise NewerSchemaError(f"schema {at} is newer than this version's {len(files)}")
    for number, file in enumerate(files[at:], start=at + 1):
        script = file.read_text(encoding="utf-8")

        def step(connection: sqlite3.Connection, script: str = script, number: int = number) -> None:
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")

        in_transaction(connection, step)


def _statements(script: str) -> list[str]:
    found, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found
