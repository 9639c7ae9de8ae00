"""SIGKILL before each write, sync and send of the real agent and of the real receiver, in a whole store.

One life goes from the start through two polls to HQ's answers. It is killed at one call, started again and left to
settle; then what the cameras served is compared with what HQ holds. Then the next life is killed one call later.
"""

from __future__ import annotations

import asyncio
import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import asyncpg

from tests.campaigns.powercut.killer import KILLED
from tests.campaigns.verdict import say
from tests.rig.broker import free_port
from tests.rig.oracle import reconcile
from tests.rig.processes import Process, ProcessError, python
from tests.rig.script import FREEZE_BETWEEN
from tests.rig.stage import DEVICE, STORE, TENANT, Plan, Stage
from tests.rig.store import AGENT, RECEIVER, Store

if TYPE_CHECKING:
    from tests.rig.oracle import Reconciliation

KILLER = "tests.campaigns.powercut.killer"
CAMERAS = 1
DAYS = 1  # of the camera's memory: rows of the backlog lane
CLOSING = 20  # o'clock, an hour before the doors are shut
ANSWERS = 3  # batches that a receiver answers in a life
TWO_POLLS = 150.0  # seconds of the store's time
LIVED_WITHIN, SETTLED_WITHIN, STILL_FOR = 60.0, 90.0, 6.0
LOOK = 0.05
STORE_OF_LIFE = "INSERT INTO stores (tenant, store) VALUES ($1, $2)"
DEVICE_OF_LIFE = "INSERT INTO devices (device, store, added) SELECT $1, id, 0 FROM stores WHERE store = $2"


class Life(ABC):
    """A store around the process that is killed."""

    def __init__(self, stage: Stage, store: Store) -> None:
        self.stage, self.store = stage, store
        self.device = DEVICE
        self.told = stage.path("calls.txt")

    async def start(self) -> None:
        """Everything that is there while lives come and go."""
        await self.store.start_cameras()
        await self.store.start_broker()
        await self.store.start_receiver()

    async def is_open(self) -> bool:
        """Wait for a moment at which no hour is about to end; whether the shop is open still."""
        while not self._calm_hour():  # noqa: ASYNC110 - the store's clock sets no event
            await asyncio.sleep(LOOK)
        return self._local().hour < CLOSING

    @abstractmethod
    async def prepare(self, number: int) -> list[str]:
        """Everything but the process itself; its command."""

    @abstractmethod
    async def lived(self) -> bool:
        """Whether it went through its whole cycle."""

    async def killed_at(self, number: int) -> tuple[str, Reconciliation] | None:
        """Which call was not made and what became of the numbers; nothing where there is no such call any more."""
        command = await self.prepare(number)
        call = await self._killed(number, command)
        if call is None:
            return None
        process = self._process(command)
        await process.start()
        try:
            return call, await self._settled()
        finally:
            await process.stop()

    async def _killed(self, number: int, command: list[str]) -> str | None:
        with suppress(FileNotFoundError):
            self.told.unlink()
        doomed = self._process(python(KILLER, str(number), str(self.told), *command))
        await doomed.start()
        ending = asyncio.create_task(doomed.wait())
        try:
            async with asyncio.timeout(LIVED_WITHIN):
                while not ending.done() and not await self._lived():
                    await asyncio.wait({ending}, timeout=LOOK)
            if not ending.done():
                return None
            if (status := await ending) != KILLED:
                raise ProcessError(f"it ended by itself with status {status}:\n{doomed.tail()}")
        except TimeoutError:
            raise ProcessError(f"no whole cycle within {LIVED_WITHIN:g} s:\n{doomed.tail()}") from None
        finally:
            ending.cancel()
            await doomed.stop()
        return self.told.read_text().splitlines()[-1].partition(" ")[2]

    async def _lived(self) -> bool:
        with suppress(OSError, ValueError, TimeoutError):  # it may just have been killed
            return await self.lived()
        return False

    async def _settled(self) -> Reconciliation:
        """Poll on, pull the plug at a moment at which no hour is about to end, let it drain, compare."""
        store = self.store
        polled = store.clock.now() + TWO_POLLS

        async def recovered() -> bool:
            told = await store.health()
            up = all(sensor["up"] for sensor in told["sensors"])
            return up and not told["history"]["running"] and store.clock.now() > polled and self._calm_hour()

        await store.until(recovered, SETTLED_WITHIN, "it has recovered", every=LOOK)
        await store.unplug_cameras()
        try:
            return await self._compared()
        finally:
            await store.plug_cameras()

    async def _compared(self) -> Reconciliation:
        found: list[Reconciliation] = []
        still = time.monotonic() + STILL_FOR

        async def equal() -> bool:
            nonlocal still
            told = await self.store.health()
            if told["fresh"]["rows"] + told["backlog"]["rows"]:
                still = time.monotonic() + STILL_FOR
                return False
            found[:] = [await self._compare()]
            return found[0].ok or time.monotonic() > still

        await self.store.until(equal, SETTLED_WITHIN, "everything is sent", every=LOOK)
        return found[0]

    async def _compare(self) -> Reconciliation:
        first = self.store.first_poll
        served = [row for row in await self.store.served() if row.served_at >= first]
        kept = [row for row in await self.store.hq.rows() if row.device == self.device]
        return reconcile(served, kept, first)

    def _calm_hour(self) -> bool:
        first, last = FREEZE_BETWEEN
        return first <= self._local().minute < last

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self.store.clock.now(), ZoneInfo(self.stage.zone))

    def _process(self, command: list[str]) -> Process:
        environment = {**self.stage.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        return Process("life", command, self.stage.folder, environment)


class AgentLife(Life):
    """Each life is a new device of a new store, with a buffer of its own: poll, commit, publish, answer."""

    async def prepare(self, number: int) -> list[str]:
        name = f"{STORE}-{number}"
        self.device = DEVICE.replace(STORE, name)
        connection = await asyncpg.connect(self.store.hq.url, timeout=10)
        await connection.execute(STORE_OF_LIFE, TENANT, name)
        await connection.execute(DEVICE_OF_LIFE, self.device, name)
        await connection.close()
        port = free_port()
        config = self.store.write_agent(port)
        folder = self.stage.path(f"life-{number}")
        folder.mkdir()
        for file in (config, self.stage.path("layout.toml"), *self.stage.folder.glob("*.password")):
            text = file.read_text().replace(f'"{STORE}', f'"{name}')
            (folder / file.name).write_text(text)
            (folder / file.name).chmod(0o600)
        self.store.page, self.store.first_poll = f"http://127.0.0.1:{port}", self.store.clock.now()
        return python(AGENT, "run", "--config", str(folder / config.name), "--clock", self.store.clock.text)

    async def lived(self) -> bool:
        if self.store.clock.now() < self.store.first_poll + TWO_POLLS:
            return False  # not asked before: its answer would be one of the sends that are counted
        told = await self.store.health()
        rows = told["fresh"]["rows"] + told["backlog"]["rows"]
        return bool(told["acked"] and not rows and not told["history"]["running"])


class ReceiverLife(Life):
    """One agent goes on all the while; receivers come and go on a database that stays: message, COMMIT, answer."""

    def __init__(self, stage: Stage, store: Store) -> None:
        super().__init__(stage, store)
        self._acked: list[int] = []

    async def start(self) -> None:
        await super().start()
        await self.store.start_agent()
        await self.store.receiver.abandon()  # it made the database, which stays

    async def prepare(self, number: int) -> list[str]:
        del number
        store = self.store
        config = self.stage.write_receiver(store.hq_port, store.broker.version, "life", store.hq.url)
        self._acked = [(await store.health())["acked"]]
        return python(RECEIVER, "run", "--config", str(config), "--clock", store.clock.text)

    async def lived(self) -> bool:
        acked = (await self.store.health())["acked"]
        if acked != self._acked[-1]:
            self._acked.append(acked)
        return len(self._acked) > ANSWERS


KINDS = {"agent": AgentLife, "receiver": ReceiverLife}


class Sweep:
    """Lives killed at every so-manieth call; what became of them."""

    def __init__(self, kind: str, every: int, first: int, most: int) -> None:
        self._kind, self._every, self._most = kind, every, most
        self._next, self._over = first, False
        self._figures, self._calls = Counter[str](), Counter[str]()
        self._problems: list[str] = []

    async def run(self) -> dict[str, Any]:
        """Until a life comes to its end or there were as many as were asked for; the figures."""
        running = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)  # and leave no process behind
        while not self._done:
            with Stage(Plan(days=DAYS, kernels="python")) as stage:
                stage.cameras = stage.cameras[:CAMERAS]
                async with Store(stage) as store:
                    life = KINDS[self._kind](stage, store)
                    await life.start()
                    await self._while_open(life)
        zero = dict.fromkeys(("kills", "rows", "lost", "duplicated", "invented", "wrong"), 0)
        return {
            **zero,
            **self._figures,
            "calls": dict(self._calls.most_common()),
            "next": None if self._over else self._next,
            "problems": self._problems[:10],
        }

    @property
    def _done(self) -> bool:
        return self._over or self._figures["kills"] >= self._most

    async def _while_open(self, life: Life) -> None:
        """Nobody walks through a closed shop's door, so nothing could be lost there."""
        while not self._done and await life.is_open():
            number, self._next = self._next, self._next + self._every
            try:
                found = await life.killed_at(number)
            except ProcessError as error:
                self._problems.append(f"call {number}: {error}")
                return  # on a new stage
            if found is None:
                self._over = True
            else:
                self._note(number, *found)

    def _note(self, number: int, call: str, found: Reconciliation) -> None:
        self._calls[call] += 1
        self._figures += Counter(
            kills=1,
            rows=found.served,
            lost=found.lost,
            duplicated=found.duplicated,
            invented=found.invented,
            wrong=found.wrong,
        )
        say(f"{self._kind} killed at {number}, {call}: {found.figures}")
        if not found.ok:
            self._problems.append(f"call {number}, {call}: {found.figures} {found.findings[:3]}")


def agent(every: int = 1, first: int = 1, most: int = 10**6) -> dict[str, Any]:
    """Lives of the agent, from an empty buffer on."""
    return asyncio.run(Sweep("agent", every, first, most).run())


def receiver(every: int = 1, first: int = 1, most: int = 10**6) -> dict[str, Any]:
    """Lives of the receiver."""
    return asyncio.run(Sweep("receiver", every, first, most).run())
