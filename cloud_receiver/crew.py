"""Several workers on one machine: started, watched, and started again; they go when this process goes.

Processes, not tasks: one process reads and packs rows on one core whatever its tasks do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import structlog

from agent.foundation.systemd import WATCHDOG, notify, watchdog_seconds

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

log = structlog.get_logger()

VARIABLE = "FOOTFALL_RECEIVER_PART"
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # s before a worker that ended is started again
STABLE_AFTER = 60.0
SILENT_AFTER = 60.0  # s without a sign of life, which comes every 15
STOP_WITHIN = 8.0  # s; the whole process has 10


class Part(NamedTuple):
    """What one worker is told besides the configuration: its name, where the database is, and its monitor's port."""

    worker: str
    url: str
    port: int
    ready: str

    @classmethod
    def given(cls) -> Part | None:
        """What this process was told; None where it is no part of a crew."""
        text = os.environ.get(VARIABLE)
        return cls(*json.loads(text)) if text else None


class Crew:
    """Keeps one process for each part."""

    def __init__(self, command: Sequence[str], parts: Sequence[Part], ready: Path | None) -> None:
        self._command, self._parts, self._ready = command, parts, ready

    @property
    def tasks(self) -> dict[str, Coroutine[object, object, None]]:
        kept = {part.worker: self._keep(part) for part in self._parts}
        return {**kept, "ready": self._say_ready()}

    async def _keep(self, part: Part) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            code = await self._live(part)
            if time.monotonic() - began > STABLE_AFTER:
                pause = FIRST_PAUSE
            log.warning("worker_ended", worker=part.worker, code=code, remedy=f"starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _live(self, part: Part) -> int:
        """One life of a worker. Its standard input ends when we do, and with it the worker."""
        name = f"footfall-{os.getpid()}-{part.worker}-{secrets.token_hex(4)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as signs:
            signs.bind(f"\0{name}")
            told = {
                VARIABLE: json.dumps(part),
                "NOTIFY_SOCKET": f"@{name}",
                "WATCHDOG_USEC": f"{min(SILENT_AFTER, watchdog_seconds() or SILENT_AFTER) * 1e6:.0f}",
            }
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                env={**{k: v for k, v in os.environ.items() if k != "WATCHDOG_PID"}, **told},
                start_new_session=True,  # a Ctrl-C at the terminal is for us, who then stop it
            )
            log.info("worker_started", worker=part.worker, pid=child.pid)
            watching = asyncio.create_task(_watch(child, signs))
            try:
                return await child.wait()
            finally:
                watching.cancel()
                await _stop(child)

    async def _say_ready(self) -> None:
        """Once every worker has said so."""
        waiting = [part.ready for part in self._parts if part.ready]
        while not all(os.path.exists(name) for name in waiting):  # noqa: ASYNC110, ASYNC240, PTH110 - files, now and then
            await asyncio.sleep(0.05)
        if self._ready:
            write_ready(self._ready, self._parts[0].url)
        await asyncio.Event().wait()


async def _watch(child: asyncio.subprocess.Process, signs: socket.socket) -> None:
    """Kill a worker that says nothing any more; it is started again. What feeds its watchdog feeds ours."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout(SILENT_AFTER):
                if WATCHDOG.encode() in await loop.sock_recv(signs, 4096):
                    notify(WATCHDOG)
        except TimeoutError:
            log.warning("worker_silent", pid=child.pid, remedy="killing it")
            child.kill()
            return


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_WITHIN):
            await child.wait()
            return
    child.kill()
    await child.wait()


async def until_alone(stop: asyncio.Event) -> None:
    """In a worker: stop when the process that started it is gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    stop.set()
    await asyncio.Event().wait()


def write_ready(file: Path, url: str) -> None:
    """Tell whoever waits for the file, which is whole or not there."""
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(json.dumps({"database_url": url, "pid": os.getpid()}))
    beside.replace(file)
