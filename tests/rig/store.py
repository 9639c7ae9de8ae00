"""A whole store and its HQ as real processes on loopback: cameras, broker, cable, receiver, agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg

from tests.rig.broker import Broker, free_port
from tests.rig.hq import Headquarters
from tests.rig.oracle import Served, served_of
from tests.rig.processes import LOOK_EVERY, Process, ProcessError, Unit, python, run_once, sweep
from tests.rig.proxy import Proxy
from tests.rig.stage import DEVICE, STORE, TENANT, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from agent.foundation.clock import Clock
    from tests.rig.weather import Weather

ASKED_WITHIN = aiohttp.ClientTimeout(total=10)
AGENT, RECEIVER = "agent", "cloud_receiver.cli"
FROZEN = 0.5  # seconds a receiver stands still before it is killed
# What a question to a process that is being killed may end with.
GONE = (aiohttp.ClientError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError)


class Store:
    """One store, end to end. Each part is started by its own method, so that a demo can tell how long each took.

    With `weather`, one of the store's line and one of HQ's, there is a second cable, between broker and receivers.
    """

    def __init__(self, stage: Stage, *, agent: str = AGENT, weather: tuple[Weather, Weather] | None = None) -> None:
        self.stage = stage
        self._weather = weather
        self.clock: Clock = stage.clock(time.time())
        self.broker = Broker(stage.folder, stage.environment, mosquitto=stage.plan.mosquitto)
        self.cable = Proxy(0)
        self.hq_cable: Proxy | None = None
        self.receiver = self._unit("receiver", RECEIVER, "run", "--config", stage.path("receiver.toml"))
        self.agent = self._unit("agent", agent, "run", "--config", stage.path("agent.toml"))
        self.cameras = self._unit("cameras", AGENT, "simulate", stage.path("scenario.toml"))
        self.workers: list[Unit] = []  # receivers beside the first, on its database
        self.hq = Headquarters("")
        self.page = self.control = ""
        self.first_poll = 0.0
        self.ready_s = 0.0
        self._addresses: dict[str, str] = {}
        self._session = aiohttp.ClientSession(timeout=ASKED_WITHIN)

    def _unit(self, name: str, *arguments: object) -> Unit:
        ready = self.stage.path(f"{name}.ready.json")
        options = ("--clock", self.clock.text, "--ready-file", str(ready))
        command = python(*map(str, arguments), *options)
        return Unit(Process(name, command, self.stage.folder, self.stage.environment), ready)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await asyncio.gather(self.agent.stop(), self.cameras.stop())
        cables = [cable.__aexit__() for cable in (self.cable, self.hq_cable) if cable]
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        await asyncio.gather(self.receiver.stop(), self.broker.stop(), *cables)
        # PostgreSQL has a session of its own, and stays when its receiver was killed.
        await sweep(self.stage.folder)

    # ---- the parts, in the order in which they are started

    async def start_cameras(self) -> None:
        """The simulated cameras with their past."""
        facts = await self.cameras.start()
        self.control, self._addresses = facts["control"], facts["cameras"]

    async def start_broker(self) -> None:
        """The broker, and the cables that lead to it."""
        await self.broker.start()
        self.cable = Proxy(self.broker.port, weather=self._weather[0] if self._weather else None)
        await self.cable.__aenter__()
        if self._weather:
            self.hq_cable = Proxy(self.broker.port, weather=self._weather[1])
            await self.hq_cable.__aenter__()

    @property
    def hq_port(self) -> int:
        """Where the receivers reach the broker."""
        return self.hq_cable.port if self.hq_cable else self.broker.port

    async def start_receiver(self) -> None:
        """The receiver with its own PostgreSQL, and the device made known to it."""
        config = self.stage.write_receiver(self.hq_port, self.broker.version)
        facts = await self.receiver.start()
        self.hq = Headquarters(facts["database_url"])
        registration = ("device", "add", DEVICE, "--store", STORE, "--tenant", TENANT, "--config", str(config))
        command = python(RECEIVER, *registration)
        await run_once(Process("device-add", command, self.stage.folder, self.stage.environment))

    async def start_worker(self, name: str) -> None:
        """One more receiver, which shares the first one's work and database."""
        config = self.stage.write_receiver(self.hq_port, self.broker.version, name, self.hq.url)
        self.workers.append(self._unit(f"receiver-{name}", RECEIVER, "run", "--config", config))
        await self.workers[-1].start()

    async def start_agent(self) -> None:
        """The agent, whose page keeps its port when it is killed."""
        self.write_agent(free_port())
        self.first_poll = self.clock.now()
        facts = await self.agent.start()
        self.page, self.ready_s = facts["page"], facts["ready_s"]

    def write_agent(self, page: int) -> Path:
        """The agent's configuration, with its page on this port."""
        return self.stage.write_agent(self._addresses, self.cable.port, self.broker.version, page)

    # ---- questions

    async def health(self) -> dict[str, Any]:
        """What the agent says of itself."""
        async with self._session.get(f"{self.page}/api/health") as answer:
            return dict(await answer.json())

    async def served(self) -> list[Served]:
        """Every interval as a camera last answered for it."""
        async with self._session.get(f"{self.control}/truth") as answer:
            return served_of(await answer.json())

    async def unplug_cameras(self) -> None:
        """No camera answers any more: what was served is settled."""
        await self._tell_cameras("unplug")

    async def plug_cameras(self) -> None:
        """They answer again."""
        await self._tell_cameras("plug")

    async def _tell_cameras(self, what: str) -> None:
        async with self._session.post(f"{self.control}/{what}", json={"camera": "*"}) as answer:
            answer.raise_for_status()

    async def until(
        self, holds: Callable[[], Awaitable[bool]], within: float, what: str, *, every: float = LOOK_EVERY
    ) -> None:
        """Wait until something holds; a process that is away for the moment only means not yet.

        Raises:
            ProcessError: the time is over; the text has the end of the logs.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    with contextlib.suppress(*GONE):
                        if await holds():
                            return
                    await asyncio.sleep(every)
        logs = "\n".join(f"--- {unit.process.name}\n{unit.process.tail()}" for unit in (self.agent, self.receiver))
        raise ProcessError(f"{what}: not within {within:g} s\n{logs}")

    # ---- violence

    async def kill(self, part: str) -> float:
        """SIGKILL one part; the seconds until it was there again."""
        if part == "agent":
            return await self.agent.kill()
        if part == "broker":
            return await self.broker.kill()
        if part == "receiver":
            return await self._kill_receiver()
        return await self._kill_database()

    async def _kill_receiver(self) -> float:
        """Frozen first, so that the broker has acknowledged batches which it never commits: the worst moment."""
        if pid := self.receiver.process.pid:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(FROZEN)
        return await self.receiver.kill()

    async def _kill_database(self) -> float:
        """The postmaster; its children follow it, and its receiver starts it again."""
        began = time.monotonic()
        if pid := self.postmaster:
            os.kill(pid, signal.SIGKILL)
        await self.until(self._answers, 60, "PostgreSQL is back", every=0.1)
        return time.monotonic() - began

    @property
    def postmaster(self) -> int | None:
        """The pid of PostgreSQL's first process, while it runs."""
        try:
            lock = next(self.stage.path("hq").rglob("postmaster.pid"))
            pid = int(lock.read_text().split("\n", 1)[0])
            named = Path(f"/proc/{pid}/comm").read_text()
        except (OSError, ValueError, StopIteration):
            return None
        return pid if named.startswith("postgres") else None

    async def _answers(self) -> bool:
        return await self.hq.count() >= 0
