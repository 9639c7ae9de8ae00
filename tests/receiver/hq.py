"""A real receiver in a process of its own, and a device that talks to it over a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from agent.contract import wire
from agent.contract.observation import Observation, Origin, Quality
from agent.contract.topics import Branch
from agent.foundation.mqtt import Link, LinkSettings, Message, Received

TENANT = "acme"
CHECKOUT = Path(__file__).resolve().parents[2]
START = 1_774_000_020
_ids = count(1)


class Headquarters:
    """`footfall-receiver run` with its own PostgreSQL below `folder`."""

    def __init__(self, folder: Path, port: int, version: int = 5, more: str = "") -> None:
        self.folder = folder
        self.configuration = folder / "receiver.toml"
        self.configuration.write_text(
            f'[receiver]\ntenant = "{TENANT}"\n[database]\ndata_dir = "hq"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nversion = {version}\n{more}'
        )
        self.port, self.version = port, version
        self.url = ""
        self.options: tuple[str, ...] = ()  # of `run`
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        with (self.folder / "receiver.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "cloud_receiver.cli", "run"),
                    *("--config", str(self.configuration), "--ready-file", str(ready), *self.options),
                ],
                cwd=CHECKOUT,
                stdout=log,
                stderr=log,
            )
        while not ready.exists():
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        found = json.loads(ready.read_text())
        assert found["pid"] == self.process.pid
        self.url = found["database_url"]

    @property
    def log(self) -> str:
        return (self.folder / "receiver.log").read_text()

    @property
    def postmaster(self) -> int:
        return int((self.folder / "hq/data/postmaster.pid").read_text().split("\n", 1)[0])

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "cloud_receiver.cli", *arguments, "--config", str(self.configuration)],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        )

    async def ask(self, question: str, *arguments: Any) -> list[tuple]:
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(question, *arguments)]
        finally:
            await connection.close()

    async def register(self, device: str, store: str = "s1", tenant: str = TENANT) -> None:
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            await connection.execute(
                "INSERT INTO stores (tenant, store) VALUES ($1, $2) ON CONFLICT DO NOTHING", tenant, store
            )
            await connection.execute(
                "INSERT INTO devices (device, store, added)"
                " SELECT $1, id, 0 FROM stores WHERE tenant = $2 AND store = $3",
                *(device, tenant, store),
            )
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def device(self, *, known: bool = True):
        """A device that no other test uses, with a store of its own."""
        name = f"dev{next(_ids)}"
        device = Device(self, Branch(TENANT, f"store-{name}", name))
        if known:
            await self.register(name, device.branch.store)
        async with device:
            yield device


class Device:
    """The device's side of the wire, by hand."""

    def __init__(self, hq: Headquarters, branch: Branch) -> None:
        self.hq, self.branch = hq, branch
        self.epoch = "e1"
        self._answers: asyncio.Queue[dict] = asyncio.Queue()
        self.states: asyncio.Queue[dict] = asyncio.Queue()
        self._commands: asyncio.Queue[tuple[str, dict]] = asyncio.Queue()
        self._up = asyncio.Event()
        self._link = Link(
            LinkSettings(
                *("127.0.0.1", hq.port, f"{branch.device}-{os.getpid()}"),
                version=hq.version,
                reconnect_first=0.05,
                reconnect_cap=0.2,
            ),
            subscriptions=[
                (branch.topic("ack"), 1),
                (branch.topic("cmd/+"), 1),
                (f"footfall/v1/{TENANT}/_hq/state/+", 1),
            ],
            on_message=self._take,
            on_up=self._up.set,
            on_down=lambda _: self._up.clear(),
        )

    def _take(self, message: Received) -> None:
        if message.topic.startswith(self.branch.topic("cmd/")):
            self._commands.put_nowait((message.topic.rpartition("/")[2], json.loads(message.payload)))
            return
        (self._answers if message.topic.endswith("/ack") else self.states).put_nowait(json.loads(message.payload))

    async def __aenter__(self):
        self._task = asyncio.create_task(self._link.run())
        await self._up.wait()
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def publish(self, leaf: str, payload: bytes) -> int:
        await self._up.wait()
        return await self._link.publish(Message(self.branch.topic(leaf), payload))

    async def answer(self) -> dict:
        return await self._answers.get()

    @contextlib.asynccontextmanager
    async def obeying(self, decide):
        """Reply to commands as `decide` says of each: a state and why."""

        async def obey() -> None:
            while True:
                verb, command = await self._commands.get()
                st, why = decide(command)
                reply = {"id": command["id"], "verb": verb, "st": st, "why": why, "at": "2026-11-20T07:15:02Z"}
                await self.publish("reply", json.dumps(reply).encode())

        obeying = asyncio.create_task(obey())
        yield
        obeying.cancel()
        await asyncio.gather(obeying, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many answers came that were not taken."""
        return self._answers.qsize()

    async def send(self, payload: bytes, leaf: str = "batch") -> dict:
        """Publish and wait for the answer that names this content."""
        await self.publish(leaf, payload)
        while True:
            answer = await self.answer()
            if answer.get("sha") == wire.sha_of(payload):
                return answer

    async def online(self, boot: int = 0) -> dict:
        """The next word of a receiver with a boot above this one that it is there."""
        while True:
            state = await self.states.get()
            if state["st"] == "online" and state["boot"] > boot:
                return state

    def batch(self, numbers, rows, *, void=(), **head) -> bytes:
        words, columns = wire.observation_columns(rows)
        return wire.encode(self.head(numbers, len(rows), void=void, **head), words, columns)

    def head(self, numbers, n, *, void=(), **head) -> dict:
        return {
            "v": 1,
            "id": wire.batch_id(self.branch.device, self.epoch, numbers or [(1, 1)]),
            "device": self.branch.device,
            "epoch": self.epoch,
            "seq": numbers,
            "void": void,
            "lane": "fresh",
            "boot": 1,
            "run": "r",
            "sent": "2026-11-20T07:15:02Z",
            "schema": wire.OBSERVATIONS,
            "n": n,
        } | head

    async def rows(self) -> list[tuple]:
        """This store's rows at HQ: sensor, place, metric, start, value, quality, epoch, number."""
        return await self.hq.ask(
            "SELECT sensor, place, metric, start, value, quality, epochs.epoch, number FROM observations"
            " JOIN stores ON stores.id = observations.store JOIN epochs ON epochs.ordinal = observations.epoch"
            " WHERE stores.store = $1 AND stream = 0 ORDER BY sensor, place, metric, start",
            self.branch.store,
        )

    async def coverage(self, epoch: str = "e1") -> list[tuple[int, int]]:
        return await self.hq.ask(
            "SELECT lower(r), upper(r) - 1 FROM coverage, unnest(ranges) AS r WHERE device = $1 AND epoch = $2",
            *(self.branch.device, epoch),
        )


def row(value: float | None = 3.0, *, start=START, metric="in", place="line:1", quality=Quality.MEASURED, **more):
    """One observation of a minute."""
    return Observation("door-1", place, metric, start, start + 60, value, more.get("origin", Origin.LIVE), quality)


def rows(n: int, start: int = START) -> list[Observation]:
    """Observations of so many minutes."""
    return [row(float(k), start=start + 60 * k) for k in range(n)]
