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

STATEMENT_WITHIN = 60.0  # real seconds; a batch takes 0.01
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

# What the server says, and what asyncpg's encoders raise before it is asked.
UNSTORABLE = (DataError, IntegrityConstraintViolationError, ValueError, OverflowError)

# Rows of a batch on their way into their table. It is emptied by COMMIT and by ROLLBACK.
STAGED = """
CREATE TEMPORARY TABLE staged (
    sensor text, place text, metric text, start bigint, origin smallint, "end" bigint,
    value double precision, quality smallint, lower double precision, upper double precision, n double precision,
    number bigint
) ON COMMIT DELETE ROWS
"""


class Refused(Exception):
    """The database says that a value can never be stored; trying again would not help."""


async def _prepare(connection: Any) -> None:  # noqa: ANN401 - asyncpg's own type for it differs between versions
    await connection.execute(STAGED)


async def _keep(_connection: Any) -> None:  # noqa: ANN401 - as above
    """Spare the RESET ALL at each release, a round trip for each batch: we set nothing."""


@asynccontextmanager
async def open_pool(url: str, size: int = 10) -> AsyncIterator[Pool]:
    """Connections that are made when first needed, and made again after the database was away."""
    pool = asyncpg.create_pool(
        url, min_size=0, max_size=size, init=_prepare, reset=_keep, command_timeout=STATEMENT_WITHIN, timeout=10
    )
    try:
        yield await pool
    finally:
        pool.terminate()


async def persistently(work: Callable[[], Awaitable[T]], what: str) -> T:
    """The result of the work, tried for as long as the database is away, restarts, deadlocks or is full.

    Raises:
        Refused: a value can never be stored.
    """
    pause, said = FIRST_PAUSE, False
    while True:
        try:
            done = await work()
        except UNSTORABLE as problem:
            raise Refused(str(problem)) from problem
        except (PostgresError, InterfaceError, InternalClientError, OSError, TimeoutError) as problem:
            if not said:
                log.warning("database_away", during=what, why=f"{type(problem).__name__}: {problem}")
            said = True
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads, hides nothing
            pause = min(LONGEST_PAUSE, pause * 2)
        else:
            if said:
                log.info("database_back", during=what)
            return done
