"""Named tasks that live and die together: one that ends before it was told to stops the process."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

GRACE = 10.0  # real seconds; systemd's own patience (TimeoutStopSec) must be longer


class TaskEnded(Exception):
    """A task that should run for ever returned."""


async def run_until_stopped(
    tasks: Mapping[str, Coroutine[Any, Any, object]], stop: asyncio.Event, grace: float = GRACE
) -> None:
    """Run the tasks until `stop` is set, then cancel them and wait at most `grace` seconds for their last writes.

    The first task that ends or dies before that sets `stop`, and its error is raised with the task's name as a note.

    Raises:
        TaskEnded: a task returned although nobody asked it to stop.
        TimeoutError: a task did not end within `grace`; its name is in the text.
    """
    running = [asyncio.create_task(body, name=name) for name, body in tasks.items()]
    stopper = asyncio.create_task(stop.wait(), name="stop")
    early: list[asyncio.Task[object]] = []
    try:
        await asyncio.wait([*running, stopper], return_when=asyncio.FIRST_COMPLETED)
        early = [] if stop.is_set() else [task for task in running if task.done()]
    finally:
        stop.set()
        stuck = await _cancelled([*running, stopper], grace)
    _raise_first(early or running, ended_early=bool(early))
    if stuck:
        raise TimeoutError(f"did not stop within {grace:g} s: {', '.join(sorted(stuck))}")


async def _cancelled(tasks: Iterable[asyncio.Task[Any]], grace: float) -> list[str]:
    """Cancel what still runs; the names of those that did not end in time."""
    alive = [task for task in tasks if not task.done()]
    for task in alive:
        task.cancel()
    if not alive:
        return []
    _, pending = await asyncio.wait(alive, timeout=grace)
    return [task.get_name() for task in pending]


def _raise_first(tasks: Iterable[asyncio.Task[object]], *, ended_early: bool) -> None:
    errors = [
        (task.get_name(), error)
        for task in tasks
        if task.done() and not task.cancelled() and (error := task.exception()) is not None
    ]
    if errors:
        name, first = errors[0]
        first.add_note(f"in the task {name!r}")
        for other, error in errors[1:]:
            first.add_note(f"at the same time in the task {other!r}: {error!r}")
        raise first
    if ended_early:
        raise TaskEnded(f"the task {', '.join(task.get_name() for task in tasks)} ended; it should run until stopped")


def install_stop_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and SIGINT set `stop`; a second SIGINT then interrupts at once, as people expect of Ctrl-C."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
