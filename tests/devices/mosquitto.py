"""A Mosquitto with the configuration that we generate, and its own clients, which know nothing of ours."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from cloud_receiver.devices import broker
from cloud_receiver.devices.authority import Authority, key_pem, new_key, requested_by
from cloud_receiver.devices.registry import Device

if TYPE_CHECKING:
    from pathlib import Path


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if found is None:
        (pytest.fail if os.environ.get("FOOTFALL_REQUIRE_ALL") else pytest.skip)(f"{name} is missing")
    return str(found)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def known(name: str, store: str = "s1", *, revoked: int | None = None, password: str | None = None) -> Device:
    return Device(name, "acme", store, 0, revoked, password, None, None)


class Broker:
    """The generated folder, and the broker that runs from it alone."""

    def __init__(self, folder: Path, devices: list[Device], **ports: int) -> None:
        self.folder = folder / "broker"
        self.authority = Authority(folder / "authority", time.time())
        self.listeners = broker.Listeners(("127.0.0.1", "localhost"), free_port(), **ports)
        self.port = self.listeners.certificates
        broker.write_everything(self.folder, self.listeners, self.authority, devices, time.time())
        self.log = self.folder / "log"
        # Started by root Mosquitto becomes a user of its own, who may not read what is root's here.
        more = (
            f"user {getpass.getuser()}\npersistence_location {self.folder}/\nlog_dest file {self.log}\n"
            "connection_messages true\n"
        )
        (self.folder / "main.conf").write_text((self.folder / broker.CONF).read_text() + more)
        self._process: subprocess.Popen | None = None

    def __enter__(self):
        self._process = subprocess.Popen([program("mosquitto"), "-c", str(self.folder / "main.conf")])
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return self
            assert self._process.poll() is None, self.log.read_text() if self.log.exists() else "no log"
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def certify(self, name: str) -> None:
        """NAME.crt and NAME.key beside the broker's."""
        key = new_key()
        (self.folder / f"{name}.key").write_text(key_pem(key))
        signed = self.authority.sign_device(name, requested_by(key), time.time())
        (self.folder / f"{name}.crt").write_text(signed.pem)

    def options(self, name: str) -> list[str]:
        mine = [f"{self.folder}/{name}.{kind}" for kind in ("crt", "key")]
        return [
            *("-h", "127.0.0.1", "-p", str(self.port), "-V", "mqttv5", "-q", "1"),
            *("--cafile", f"{self.folder}/ca.crt", "--cert", mine[0], "--key", mine[1]),
        ]

    def publish(self, name: str, topic: str, text: str) -> str:
        """What mosquitto_pub says of it."""
        ended = subprocess.run(
            [program("mosquitto_pub"), *self.options(name), "-i", f"pub-{name}", "-t", topic, "-m", text],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return ended.stdout + ended.stderr


class Watcher:
    """A mosquitto_sub that stays; `heard` is what it was given."""

    def __init__(self, broker: Broker, name: str, *topics: str) -> None:
        self.name = name
        self._file = broker.folder / f"watch-{name}.txt"
        self._out = self._file.open("w")
        wanted = [part for topic in topics for part in ("-t", topic)]
        self._process = subprocess.Popen(
            [program("mosquitto_sub"), *broker.options(name), "-i", f"watch-{name}", "-v", *wanted],
            stdout=self._out,
            stderr=self._out,
        )

    def wait_for(self, text: str) -> None:
        while text not in self._file.read_text():
            assert self._process.poll() is None, self._file.read_text()
            time.sleep(0.02)

    @property
    def heard(self) -> set[tuple[str, str]]:
        return {tuple(line.split(" ", 1)) for line in self._file.read_text().splitlines()}

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
