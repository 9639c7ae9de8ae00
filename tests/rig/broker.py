"""The broker of the rig: Mosquitto where it is installed, else the embedded amqtt, each as a process of its own."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

from tests.rig.processes import Process, ProcessError, Unit, python

if TYPE_CHECKING:
    from pathlib import Path

TRIES = 5  # another program may take the port between our choosing it and the broker's binding it

MOSQUITTO = """\
# The demo's broker: loopback only, nothing kept, nothing asked. Never like this in production.
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 20000
max_queued_bytes 67108864
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
        self.unit: Unit | None = None

    @property
    def name(self) -> str:
        """Which broker this is."""
        return "mosquitto" if self._mosquitto else "amqtt"

    @property
    def version(self) -> str:
        """The MQTT version that agent and receiver are told to speak: amqtt knows 3.1.1 only."""
        return "5" if self._mosquitto else "3.1.1"

    async def start(self) -> None:
        """Start it on a free port.

        Raises:
            ProcessError: no port would do.
        """
        for attempt in range(1, TRIES + 1):
            self.port = free_port()
            self.unit = Unit(Process(self.name, self._command(), self._folder, self._environment), self.port)
            try:
                await self.unit.start()
            except ProcessError:
                await self.unit.stop()
                if attempt == TRIES:
                    raise
            else:
                return

    async def kill(self) -> float:
        """SIGKILL; the seconds until it listened again."""
        return await self.unit.kill() if self.unit else 0.0

    async def stop(self) -> None:
        """Stop it if it was ever started."""
        if self.unit is not None:
            await self.unit.stop()

    def _command(self) -> list[str]:
        if self._mosquitto is None:
            return python("tests.rig.embedded_broker", str(self.port))
        settings = self._folder / "mosquitto.conf"
        settings.write_text(MOSQUITTO.format(port=self.port))
        return [self._mosquitto, "-c", str(settings)]
