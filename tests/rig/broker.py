"""The broker of the rig: Mosquitto where it is installed, else the embedded amqtt, each as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from typing import TYPE_CHECKING

from tests.rig.processes import LOOK_EVERY, Process, ProcessError, python

if TYPE_CHECKING:
    from pathlib import Path

LISTENS_WITHIN = 15.0  # seconds
TRIES = 5  # another program may take the port between our choosing it and the broker's binding it

MOSQUITTO = """\
# The demo's broker: loopback only, nothing kept, nothing asked. Never like this in production.
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 1000
"""


def mosquitto_path() -> str | None:
    """Where Mosquitto is; Debian keeps it outside an ordinary user's PATH."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A broker on one loopback port, which it keeps when it is killed and started again."""

    def __init__(self, folder: Path, environment: dict[str, str], *, mosquitto: bool) -> None:
        self._folder = folder
        self._environment = environment
        self._mosquitto = mosquitto_path() if mosquitto else None
        self.port = 0
        self._process: Process | None = None

    @property
    def name(self) -> str:
        """Which broker this is."""
        return "mosquitto" if self._mosquitto else "amqtt"

    @property
    def version(self) -> str:
        """The MQTT version that agent and receiver are told to speak: amqtt knows 3.1.1 only."""
        return "5" if self._mosquitto else "3.1.1"

    @property
    def process(self) -> Process:
        """The running broker."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return self._process

    async def start(self) -> None:
        """Start it on a free port.

        Raises:
            ProcessError: no port would do.
        """
        for attempt in range(1, TRIES + 1):
            self.port = free_port()
            self._process = Process(self.name, self._command(), self._folder, self._environment)
            try:
                await self.restart()
            except ProcessError:
                await self._process.stop()
                if attempt == TRIES:
                    raise
            else:
                return

    async def restart(self) -> None:
        """Start it once more on its port."""
        await self.process.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTENS_WITHIN):
                while self.process.pid is not None:
                    if await _answers(self.port):
                        return
                    await asyncio.sleep(LOOK_EVERY)
        raise ProcessError(f"{self.name} does not listen on port {self.port}:\n{self.process.tail()}")

    async def stop(self) -> None:
        """Stop it if it was ever started."""
        if self._process is not None:
            await self._process.stop()

    def _command(self) -> list[str]:
        if self._mosquitto is None:
            return python("tests.rig.embedded_broker", str(self.port))
        settings = self._folder / "mosquitto.conf"
        settings.write_text(MOSQUITTO.format(port=self.port))
        return [self._mosquitto, "-c", str(settings)]


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
