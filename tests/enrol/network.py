"""Headquarters with everything on: receiver, PostgreSQL, HTTPS for enrolment, Mosquitto as configured by us."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.devices.mosquitto import free_port, program
from tests.receiver.hq import Headquarters

CHECKOUT = Path(__file__).parents[2]
CONFIG = CHECKOUT / "config"

MORE = """
ca_file = "broker/ca.crt"
cert_file = "broker/receiver.crt"
key_file = "broker/receiver.key"
[enrolment]
url = "https://127.0.0.1:{https}"
host = "127.0.0.1"
port = {https}
authority_dir = "authority"
[broker]
names = ["127.0.0.1"]
port = {mqtt}
password_port = {passwords}
folder = "broker"
pid = "{folder}/broker/pid"
"""


class Network:
    """All of headquarters below one folder; everything is done by its commands, as people do it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mqtt, self.https, self.passwords = free_port(), free_port(), free_port()
        ports = {"mqtt": self.mqtt, "https": self.https, "passwords": self.passwords}
        self.hq = Headquarters(folder, self.mqtt, more=MORE.format(folder=folder, **ports))
        self.url = f"https://127.0.0.1:{self.https}"
        self.broker: subprocess.Popen | None = None

    def start(self) -> None:
        made = self.hq.command("broker-config", "--out", str(self.folder / "broker"))
        assert made.returncode == 0, made.stderr
        self.start_broker()
        self.hq.start()

    def start_broker(self) -> None:
        folder = self.folder / "broker"
        text = (folder / "footfall.conf").read_text()
        (folder / "main.conf").write_text(
            f"{text}\nuser {getpass.getuser()}\npersistence_location {folder}/\n"
            f"pid_file {folder}/pid\nlog_dest file {folder}/log\n"
        )
        self.broker = subprocess.Popen([program("mosquitto"), "-c", str(folder / "main.conf")])
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.mqtt), 0.2):
                return
            assert self.broker.poll() is None
            time.sleep(0.02)

    def stop_broker(self) -> None:
        if self.broker:
            self.broker.kill()
            self.broker.wait()

    def stop(self) -> None:
        self.stop_broker()
        assert self.hq.stop() == 0, self.hq.log

    def code(self, device: str, store: str = "s1") -> str:
        """What `device add` prints for the installer."""
        said = self.hq.command("device", "add", device, "--store", store)
        assert said.returncode == 0, said.stderr
        found = re.search(r"footfall-agent enrol (\S+) --code (\S+)", said.stdout)
        assert found, said.stdout
        assert found[1] == self.url
        return found[2]

    def store(self, device: str, store: str = "s1", **mqtt: str | int) -> Store:
        return Store(self, device, store, **mqtt)


class Store:
    """An agent's configuration, and its commands."""

    def __init__(self, network: Network, device: str, store: str, **mqtt: str | int) -> None:
        self.folder = network.folder / f"agent-{device}"
        self.folder.mkdir(exist_ok=True)
        self.identity = self.folder / "buffer.identity"
        self.file = self.folder / "agent.toml"
        options = {"host": "127.0.0.1", "port": network.mqtt} | mqtt
        lines = [
            f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in options.items()
        ]
        self.file.write_text(
            f'[store]\ntenant = "acme"\nid = "{store}"\n[device]\nid = "{device}"\n[buffer]\npath = "buffer.db"\n'
            "[mqtt]\n" + "\n".join(lines) + "\n[page]\nport = 0\n[cameras]\nloopback = true\n"
            '[[sensor]]\nid = "door-1"\ndriver = "milesight"\naddress = "127.0.0.1:9"\n'
        )
        (self.folder / "layout.toml").write_text(
            'version = "1"\neffective_from = 2026-01-01\ntime_zone = "Europe/Lisbon"\n'
            '[[sensor]]\nid = "door-1"\n[[sensor.line]]\nnumber = 1\nrole = "entrance"\n'
        )

    def enrol(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*before, sys.executable, "-m", "agent", "enrol", *arguments, "--config", str(self.file)],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "NO_FAKE_STAT": "1"},
        )
