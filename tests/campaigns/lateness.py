"""How late numbers are at HQ, by PostgreSQL's own record of when each transaction was committed."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence

BACK_WITHIN = 60.0
GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


async def record_commits(url: str, postmaster: int) -> None:
    """Have PostgreSQL note the moment of each COMMIT: a setting that takes a restart, which its receiver sees to."""
    connection = await asyncpg.connect(url, timeout=10)
    await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    await connection.close()
    os.kill(postmaster, signal.SIGINT)
    async with asyncio.timeout(BACK_WITHIN):
        while not await _records(url):  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.05)


async def _records(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return bool(await connection.fetchval("SHOW track_commit_timestamp") == "on")
        finally:
            await connection.close()
    except GONE:
        return False


async def ask(url: str, question: str, *arguments: object) -> list[asyncpg.Record]:
    """One question over a connection of its own."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        return list(await connection.fetch(question, *arguments))
    finally:
        await connection.close()


def share(values: Sequence[float], percent: float) -> float | None:
    """The value that so many per cent are not above; None of nothing."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 3) if ordered else None
