"""Real processes for the rig: started in groups of their own, waited for by file, killed by pid, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0  # seconds; a cold numba cache and initdb on a busy two-core machine take 10 to 20
STOP_WITHIN = 8.0  # seconds between SIGTERM and SIGKILL
LOOK_EVERY = 0.02
RESTART_AFTER = 0.5  # seconds; systemd's RestartSec
MAX_RESTARTS = 30  # a process that ends so often unasked is broken, and the waits of the rig say so
TAIL = 2000  # characters of a log that an error shows


class ProcessError(RuntimeError):
    """A process of the rig did not start, or ended when it should not; the text carries the end of its log."""


class Process:
    """One program, started again and again under the same name; its output is one log file."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.command = list(command)
        self.log = folder / f"{name}.log"
        self._environment = {**os.environ, **environment}
        self._running: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        running = self._running
        return running.pid if running is not None and running.returncode is None else None

    async def start(self) -> None:
        """Start it in a process group of its own, so that a Ctrl-C at the terminal reaches only the rig."""
        # Shielded: a Ctrl-C between fork and return would leave a child that nobody knows; `stop` waits for it.
        self._starting = asyncio.create_task(self._spawn())
        await asyncio.shield(self._starting)

    async def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
                env=self._environment,
                start_new_session=True,
            )

    async def ready(self, file: Path, within: float = READY_WITHIN) -> dict[str, Any]:
        """What the process writes into its ready-file once it is up.

        Raises:
            ProcessError: it ended, or the time is over.
        """
        async for _ in self._patiently(within):
            if (found := _json_of(file)) is not None:
                return found
        raise ProcessError(f"{self.name} was not ready within {within:g} s:\n{self.tail()}")

    async def listening(self, port: int, within: float = READY_WITHIN) -> None:
        """Wait until something answers on its loopback port.

        Raises:
            ProcessError: it ended, or the time is over.
        """
        async for _ in self._patiently(within):
            if await _answers(port):
                return
        raise ProcessError(f"{self.name} does not listen on port {port} after {within:g} s:\n{self.tail()}")

    async def _patiently(self, within: float) -> AsyncIterator[None]:
        """Time to look again, while it runs and the time is not over."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            yield
            if self.pid is None:
                raise ProcessError(f"{self.name} ended before it was ready:\n{self.tail()}")
            await asyncio.sleep(LOOK_EVERY)

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        return await self._running.wait() if self._running is not None else 0

    async def stop(self, within: float = STOP_WITHIN) -> None:
        """SIGTERM to the group; SIGKILL to what is still there after `within` seconds."""
        if self._starting is not None:
            await self._starting
        if (running := self._running) is None:
            return
        _signal_group(running.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(running.wait(), within)
        except TimeoutError:
            _signal_group(running.pid, signal.SIGKILL)
            await running.wait()
        _signal_group(running.pid, signal.SIGKILL)  # its own children, where it left any
        self._running = None

    async def kill(self) -> None:
        """SIGKILL to the group, as a power cut would."""
        if (running := self._running) is not None:
            _signal_group(running.pid, signal.SIGKILL)
            await running.wait()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-TAIL:] if self.log.exists() else ""


def python(*arguments: str) -> list[str]:
    """The command that runs a module of this checkout with this interpreter."""
    return [sys.executable, "-m", *arguments]


async def run_once(process: Process, within: float = READY_WITHIN) -> None:
    """Run a command to its end.

    Raises:
        ProcessError: it failed, or the time is over.
    """
    await process.start()
    try:
        status = await asyncio.wait_for(process.wait(), within)
    except TimeoutError:
        await process.stop()
        raise ProcessError(f"{process.name} was not done within {within:g} s:\n{process.tail()}") from None
    if status != 0:
        raise ProcessError(f"{process.name} ended with status {status}:\n{process.tail()}")


def _json_of(file: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):  # not there yet, or half written
        found = json.loads(file.read_text())
        return found if isinstance(found, dict) else None
    return None


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


class Unit:
    """What systemd does for a service: starts it again whenever it ends, until it is stopped.

    `ready` is the file it writes once it is up, or the loopback port it then listens on.
    """

    def __init__(self, process: Process, ready: Path | int) -> None:
        self.process = process
        self.restarts = 0
        self.kills = 0
        self._ready = ready
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        """Start it and wait until it is up; from then on it is kept running."""
        await self._begin()
        facts = await self._up()
        self._keeper = asyncio.create_task(self._keep())
        return facts

    async def kill(self) -> float:
        """SIGKILL; the seconds until it was up again."""
        began = time.monotonic()
        self.kills += 1
        restarts = self.restarts
        await self.process.kill()
        async with asyncio.timeout(READY_WITHIN):
            while self.restarts == restarts:  # noqa: ASYNC110 - the keeper may restart it more than once
                await asyncio.sleep(LOOK_EVERY)
        await self._up()
        return time.monotonic() - began

    async def abandon(self) -> None:
        """SIGKILL, and nobody starts it again; what it had started stays."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.process.kill()

    async def stop(self) -> None:
        """Stop it for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.process.stop()

    async def _begin(self) -> None:
        if isinstance(self._ready, Path):
            self._ready.unlink(missing_ok=True)
        await self.process.start()

    async def _up(self) -> dict[str, Any]:
        if isinstance(self._ready, Path):
            return await self.process.ready(self._ready)
        await self.process.listening(self._ready)
        return {}

    async def _keep(self) -> None:
        while self.restarts - self.kills < MAX_RESTARTS:
            await self.process.wait()
            await asyncio.sleep(RESTART_AFTER)
            await self._begin()
            self.restarts += 1


# ---- what detached itself from the rig, such as PostgreSQL: found by the folder it lives in


def living_in(folder: Path) -> Iterator[int]:
    """The pids of processes that run in `folder` or name it on their command line (Linux; elsewhere none)."""
    own = {os.getpid(), os.getppid()}
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) not in own and _belongs(entry, folder):
            yield int(entry.name)


def _belongs(entry: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        if entry.joinpath("cwd").readlink().is_relative_to(folder):
            return True
    with contextlib.suppress(OSError):
        return os.fsencode(folder) in entry.joinpath("cmdline").read_bytes()
    return False


async def sweep(folder: Path) -> None:
    """End everything that still lives in `folder`: politely, then not."""
    # SIGINT is PostgreSQL's fast shutdown, which removes its shared memory; SIGQUIT the immediate one.
    for number, patience in ((signal.SIGINT, 3.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0)):
        if not (left := list(living_in(folder))):
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while any(living_in(folder)):  # noqa: ASYNC110 - other people's processes set no event of ours
                    await asyncio.sleep(LOOK_EVERY)
