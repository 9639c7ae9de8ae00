"""systemd's side of the notify socket, as it is for a unit with a watchdog."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.receiver.hq import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path


class Systemd:
    """Starts a receiver and listens to what it says; `within` is its WatchdogSec."""

    def __init__(self, folder: Path, within: float = 1.0) -> None:
        self.folder, self.within = folder, within
        self.said: list[str] = []

    def __enter__(self):
        path = self.folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": f"{self.within * 1e6:.0f}",
        }
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._socket.close()
        (self.folder / "notify").unlink()

    def start(self, configuration: Path, *options: str) -> None:
        with (self.folder / "receiver.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloud_receiver.cli", "run", "--config", str(configuration), *options],
                cwd=CHECKOUT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def hears(self, line: str) -> str:
        """The next datagram with this in it; what came before stays in `said`."""
        while True:
            self._socket.settimeout(60)
            self.said.append(self._socket.recv(4096).decode())
            if line in self.said[-1]:
                return self.said[-1]

    def loses_patience(self) -> None:
        """Return once the watchdog was not fed within its time, when the real one would kill. Never, if it is fed."""
        while True:
            self._socket.settimeout(self.within)
            try:
                while "WATCHDOG=1" not in self._socket.recv(4096).decode():
                    pass
            except TimeoutError:
                return
