"""A program of this machine that is run for an alert: a sound, a light, a relay. Never through a shell."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from agent.runtime.actions import NotTaken

if TYPE_CHECKING:
    from agent.runtime.actions import CommandTable
    from agent.runtime.outgoing import Delivery

log = structlog.get_logger()

MOST_OUTPUT = 4096  # bytes of what it says that are kept; the rest is read and dropped
LAST_WORDS = 2.0  # seconds in which what a killed program had said is read and dropped
ENVIRONMENT = ("PATH", "LANG", "HOME", "XDG_RUNTIME_DIR")  # what a player of sounds needs; nothing of ours


class Program:
    """One `[[alerts.command]]`: gets the alert as JSON on its standard input and as FOOTFALL_… in its environment."""

    once = True

    def __init__(self, table: CommandTable) -> None:
        self.table = table

    async def tell(self, delivery: Delivery) -> None:
        """See Action."""
        told = {f"FOOTFALL_{key.upper()}": str(delivery.body[key]) for key in ("rule", "scope", "state", "severity")}
        passed = {key: os.environ[key] for key in ENVIRONMENT if key in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *self.table.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=passed | told,
                start_new_session=True,
            )
        except OSError as error:
            raise NotTaken(f"{self.table.argv[0]}: {error.strerror}") from None
        try:
            async with asyncio.timeout(self.table.timeout_s):
                said = await _converse(process, json.dumps(delivery.body).encode())
                status = await process.wait()
        except TimeoutError:
            raise NotTaken(f"{self.table.argv[0]} did not end within {self.table.timeout_s:g} s") from None
        finally:
            await _end(process)
        if status:
            raise NotTaken(f"{self.table.argv[0]} ended with status {status}: {said}")
        log.info("program_ran", action=self.table.name, said=said)


async def _converse(process: asyncio.subprocess.Process, told: bytes) -> str:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    assert process.stdout is not None  # noqa: S101 - as above
    with suppress(ConnectionError):  # it need not read it
        process.stdin.write(told)
        process.stdin.close()
    said = b""
    while part := await process.stdout.read(MOST_OUTPUT):
        said += part[: MOST_OUTPUT - len(said)]
    return said.decode("utf-8", errors="replace").strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Whatever it started ends with it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            while process.stdout and await process.stdout.read(MOST_OUTPUT):
                continue
            await process.wait()
