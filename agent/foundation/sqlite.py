"""One SQLite file, one connection that writes: SQLite before 3.51.3 can corrupt a WAL that two checkpoint."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import aiosqlite

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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


TWIN = 0x4646_0000  # "FF": the second number is this more, so that no one flipped bit makes it 0


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
        return await cls._made(path, path)

    @classmethod
    async def in_memory(cls) -> Self:
        """A database that lives as long as its connection. Its path names nothing, and nothing can be beside it."""
        return await cls._made(":memory:", Path("/dev/null/memory.db"))

    @classmethod
    async def _made(cls, address: Path | str, path: Path) -> Self:
        connection = await aiosqlite.connect(address, isolation_level=None, cached_statements=256)
        connection.text_factory = _tolerant
        try:
            await connection.executescript(_PRAGMAS)
        except BaseException:  # of a schema that is no text, sqlite3 cannot say what is wrong: UnicodeDecodeError
            await connection.close()  # its thread would keep the process from ending
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
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.text_factory = _tolerant
    return connection


def _tolerant(text: bytes) -> str:
    """A text that is no UTF-8 any more can still be read, so that whoever reads it can see that it was altered."""
    return text.decode("utf-8", "replace")


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether SQLite's quick check finds nothing wrong."""
    try:
        return [row[0] for row in connection.execute("PRAGMA quick_check(1)")] == ["ok"]
    except sqlite3.DatabaseError:
        return False


# SQLITE_ERROR is damage too: a flipped bit in the schema makes tables and columns unknown.
_DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_TRUNCATED = 522  # SQLITE_IOERR_SHORT_READ


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is damaged, and not that the disk is full, locked, read-only or failing."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # ours carry no code: they are about content
    return isinstance(code, int) and (code & 0xFF in _DAMAGE or code == _TRUNCATED)


def is_full(error: sqlite3.Error) -> bool:
    """Whether an error says that the disk is full."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


def give_back_wal(connection: sqlite3.Connection) -> None:
    """Bring the whole WAL into the file and leave its room to the disk."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def used_bytes(connection: sqlite3.Connection, path: Path) -> int:
    """Bytes of the file's pages in use, and of its WAL."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    wal = path.with_name(path.name + "-wal")
    return int((pages - free) * size) + (wal.stat().st_size if wal.exists() else 0)


def migrate(connection: sqlite3.Connection, migrations: Path) -> None:
    """Bring the schema to the newest numbered .sql file of a folder, each file one transaction with its number.

    The number stands in the file's head twice, as one flipped bit there would make the file another version's.

    Raises:
        NewerSchemaError: the file is already beyond the newest.
        sqlite3.DatabaseError: the two numbers differ.
    """
    files = sorted(migrations.glob("[0-9]*.sql"))
    at = connection.execute("PRAGMA user_version").fetchone()[0]
    twin = connection.execute("PRAGMA application_id").fetchone()[0]
    if twin not in (TWIN + at, 0):  # 0: of a file that has not been opened since there are two
        raise sqlite3.DatabaseError(f"its head names the schema {at} and {twin - TWIN}")
    if at > len(files):
        raise NewerSchemaError(f"schema {at} is newer than this version's {len(files)}")
    for number, file in enumerate(files[at:], start=at + 1):
        script = file.read_text(encoding="utf-8")

        def step(connection: sqlite3.Connection, script: str = script, number: int = number) -> None:
            for statement in _statements(script):
                connection.execute(statement)
            _say_version(connection, number)

        in_transaction(connection, step)
    if twin == 0 and at == len(files):
        in_transaction(connection, lambda connection: _say_version(connection, at))


def _say_version(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(f"PRAGMA user_version = {number}")
    connection.execute(f"PRAGMA application_id = {TWIN + number}")


def _statements(script: str) -> list[str]:
    found, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found
