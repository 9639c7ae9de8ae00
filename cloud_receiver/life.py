"""How a receiver starts and stops, and what it tells systemd meanwhile: a start that waits is no start that hangs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from agent.foundation.systemd import READY, WATCHDOG, notify, status, watchdog_seconds
from cloud_receiver.database.migrate import migrate, reach
from cloud_receiver.database.pool import AWAY, persistently

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AsyncExitStack

    from cloud_receiver.database.pool import Pool
    from cloud_receiver.ingest.measures import Measures

T = TypeVar("T")

PATIENCE = 60.0  # s without progress, where systemd did not say


async def unless_stopped(stop: asyncio.Event, work: Coroutine[object, object, T]) -> T | None:
    """The result of the work; None where the stop came first, and then the work is cancelled."""
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() and not stop.is_set() else None
    finally:
        stopping.cancel()
        task.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


def begin(parts: AsyncExitStack, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Start a task that has to run while others are still being made; `parts` ends it."""
    task = asyncio.create_task(work, name=name)
    parts.push_async_callback(_end, task)
    return task


async def follow(task: asyncio.Task[None]) -> None:
    """Share a task's fate."""
    await task


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def say_waiting() -> None:
    """Tell systemd, at each attempt in vain, that the database is waited for: neither a late start nor a hang."""
    notify(READY, WATCHDOG, status("waiting for the database"))


async def prepare(url: str, moved: Callable[[], object]) -> None:
    """Have the database answer and its tables as this version knows them, however long it is away."""

    def failed() -> None:
        moved()
        say_waiting()

    await persistently(lambda: reach(url), "start", failed)
    notify(status("bringing the tables up to date"))
    migrating = asyncio.create_task(persistently(lambda: migrate(url), "migration", failed))
    try:
        # One step may rewrite a table for minutes. While the database answers others, it is at work.
        while not (await asyncio.wait([migrating], timeout=_within() / 4))[0]:
            with contextlib.suppress(*AWAY):
                await reach(url)
                moved()
                notify(WATCHDOG)
        migrating.result()
    finally:
        await _end(migrating)


async def watchdog(pool: Pool, measures: Measures, says: Callable[[], str]) -> None:
    """Feed systemd's watchdog while something moves: a commit, an idle database's answer, an attempt that failed.

    A database that is away is waited for, not restarted for; what hangs without an end is.
    """
    within = _within()
    while True:
        if not measures.busy:
            with contextlib.suppress(*AWAY):
                await pool.fetchval("SELECT 1")
            measures.moved()
        if measures.still < within:
            notify(WATCHDOG, status(says()))
        await asyncio.sleep(within / 4)


def _within() -> float:
    return watchdog_seconds() or PATIENCE
