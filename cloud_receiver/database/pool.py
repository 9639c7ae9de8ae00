"""Connections to PostgreSQL, and which of its errors pass by themselves."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
import structlog
from asyncpg.exceptions import (
    ClientConfigurationError,
    DataError,
    InsufficientPrivilegeError,
    IntegrityConstraintViolationError,
    InterfaceError,
    InternalClientError,
    InvalidAuthorizationSpecificationError,
    InvalidCatalogNameError,
    PostgresError,
    TooManyConnectionsError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

T = TypeVar("T")
log = structlog.get_logger()

STATEMENT_WITHIN = 25.0  # real seconds; a group takes 0.05, and systemd waits 60 for a sign of life
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

# Ingest asks for single keys only. A plan made while the tables were empty would read them whole when they are large.
BY_INDEX = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}

# What the server says, and what asyncpg's encoders raise before it is asked.
UNSTORABLE = (DataError, IntegrityConstraintViolationError, ValueError, OverflowError)

# What passes by itself: it is away, restarts, is full, found a deadlock, or does not answer.
AWAY = (PostgresError, InterfaceError, InternalClientError, OSError, TimeoutError)

# Rows of a batch on their way into their table. It is emptied by COMMIT and by ROLLBACK.
STAGED = """
CREATE TEMPORARY TABLE staged (
    store integer, sensor text COLLATE "C", place text COLLATE "C", metric text COLLATE "C", start bigint,
    origin smallint, stream integer, "end" bigint, value double precision, quality smallint,
    lower double precision, upper double precision, n double precision, device text, epoch bigint, number bigint
) ON COMMIT DELETE ROWS
"""


# What each wants of whoever looks after the database; the first that fits.
REMEDIES: tuple[tuple[type[BaseException], str], ...] = (
    (InvalidAuthorizationSpecificationError, "mend user or password of the URL"),  # a wrong password is one of these
    (InvalidCatalogNameError, "make this database (createdb), or mend the URL's last part"),
    (InsufficientPrivilegeError, "let this user own the database, since tables are made in it"),
    (TooManyConnectionsError, "raise max_connections: each worker takes ten"),
    (ClientConfigurationError, "mend the URL"),
    (socket.gaierror, "mend the URL's host, or the machine's name resolution"),
    (TimeoutError, "see whether a firewall swallows what is sent there"),
    (OSError, "start PostgreSQL there, or mend the URL's host and port"),
)


def remedy(problem: BaseException) -> str:
    """What to do about a database that cannot be used."""
    return next((text for kind, text in REMEDIES if isinstance(problem, kind)), "see PostgreSQL's own log")


class DatabaseAway(Exception):
    """A command needs the database and cannot have it; the text says why and what to do."""


class Refused(Exception):
    """The database says that a value can never be stored; trying again would not help."""


async def _prepare(connection: Any) -> None:  # noqa: ANN401 - asyncpg's own type for it differs between versions
    await connection.execute(STAGED)


async def _keep(_connection: Any) -> None:  # noqa: ANN401 - as above
    """Spare the RESET ALL at each release, a round trip for each batch: we set nothing."""


@asynccontextmanager
async def open_pool(url: str, size: int = 10, *, ingest: bool = False) -> AsyncIterator[Pool]:
    """Connections that are made when first needed, and made again after the database was away."""
    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        init=_prepare,
        reset=_keep,
        command_timeout=STATEMENT_WITHIN,
        timeout=10,
        server_settings=BY_INDEX if ingest else {},
    )
    try:
        yield await pool
    finally:
        pool.terminate()


async def persistently(work: Callable[[], Awaitable[T]], what: str, failed: Callable[[], object] = lambda: None) -> T:
    """The result of the work, tried for as long as the database is away, restarts, deadlocks or is full.

    `failed` is told of each attempt that was in vain.

    Raises:
        Refused: a value can never be stored.
    """
    pause, said = FIRST_PAUSE, False
    while True:
        try:
            done = await work()
        except UNSTORABLE as problem:
            raise Refused(str(problem)) from problem
        except AWAY as problem:
            if not said:
                why = f"{type(problem).__name__}: {problem}"
                log.warning("database_away", during=what, why=why, remedy=remedy(problem))
            said = True
            failed()
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads, hides nothing
            pause = min(LONGEST_PAUSE, pause * 2)
        else:
            if said:
                log.info("database_back", during=what)
            return done
