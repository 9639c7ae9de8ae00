"""Real processes for the rig: started in groups of their own, waited for by file, killed by pid, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0  # seconds; a cold numba cache and initdb on a busy two-core machine take 10 to 20
STOP_WITHIN = 8.0  # seconds between SIGTERM and SIGKILL
LOOK_EVERY = 0.02
TAIL = 2000  # characters of a log that an error shows


class ProcessError(RuntimeError):
    """A process of the rig did not start, or ended when it should not; the text carries the end of its log."""


class Process:
    """One program, started again and again under the same name; its output is one log file."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.command = list(command)
        self.log = folder / f"{name}.log"
        self.starts = 0
        self._environment = {**os.environ, **environment}
        self._running: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        running = self._running
        return running.pid if running is not None and running.returncode is None else None

    async def start(self) -> None:
        """Start it in a process group of its own, so that a Ctrl-C at the terminal reaches only the rig."""
        with self.log.open("ab") as log:
            # Shielded: a Ctrl-C between fork and return would leave a child that nobody knows.
            self._running = await asyncio.shield(self._spawn(log.fileno()))
        self.starts += 1

    async def _spawn(self, log: int) -> asyncio.subprocess.Process:
        running = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            env=self._environment,
            start_new_session=True,
        )
        self._running = running
        return running

    async def ready(self, file: Path, within: float = READY_WITHIN) -> dict[str, Any]:
        """What the process writes into its ready-file once it is up.

        Raises:
            ProcessError: it ended, or the time is over.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    if (found := _json_of(file)) is not None:
                        return found
                    if self.pid is None:
                        raise ProcessError(f"{self.name} ended before it was ready:\n{self.tail()}")
                    await asyncio.sleep(LOOK_EVERY)
        raise ProcessError(f"{self.name} was not ready within {within:g} s:\n{self.tail()}")

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        return await self._running.wait() if self._running is not None else 0

    async def stop(self, within: float = STOP_WITHIN) -> None:
        """SIGTERM to the group; SIGKILL to what is still there after `within` seconds."""
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


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


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
