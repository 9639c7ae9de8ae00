"""A Mosquitto of our own on a port of the loopback, killed and started again at will."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 20000
max_queued_bytes 67108864
{more}
"""


def program() -> str:
    """Where Mosquitto is; without it the test is skipped, or fails where everything is required."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if found:
        return found
    if os.environ.get("FOOTFALL_REQUIRE_ALL"):
        pytest.fail("mosquitto is missing")
    pytest.skip("mosquitto is missing")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Mosquitto:
    def __init__(self, folder: Path, more: str = "") -> None:
        self._program = program()
        self.port = free_port()
        self._configuration = folder / f"mosquitto-{self.port}.conf"
        self._configuration.write_text(CONFIGURATION.format(port=self.port, more=more))
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            assert self._process.poll() is None, "mosquitto did not start"
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
