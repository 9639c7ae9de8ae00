"""Connections to PostgreSQL, and which of its errors pass by themselves."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
import structlog
from asyncpg.exceptions import (
    DataError,
    IntegrityConstraintViolationError,
    InterfaceError,
    InternalClientError,
    PostgresError,
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
                log.warning("database_away", during=what, why=f"{type(problem).__name__}: {problem}")
            said = True
            failed()
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads, hides nothing
            pause = min(LONGEST_PAUSE, pause * 2)
        else:
            if said:
                log.info("database_back", during=what)
            return done
