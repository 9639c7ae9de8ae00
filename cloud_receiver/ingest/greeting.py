"""Births, states and health: who is there, since which boot, and how it does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import structlog

from agent.contract import topics
from agent.contract.messages import Birth, Health, Hello, State, read_message
from agent.contract.messages import Message as Words
from agent.foundation.mqtt import LinkDown, Message
from cloud_receiver.database import health, registry
from cloud_receiver.database.health import Said
from cloud_receiver.database.pool import Refused, persistently
from cloud_receiver.ingest.setting_aside import see_revoked, set_aside

if TYPE_CHECKING:
    from agent.contract.messages import Credit
    from agent.foundation.clock import Clock
    from agent.foundation.mqtt import Link, Received
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.ingest.measures import Measures

log = structlog.get_logger()
W = TypeVar("W", bound=Words)

HELLO_EXPIRES = 300  # s; a device repeats its birth anyway
GREETERS = 2
WAITING = 2000  # messages; births and states come at once from a fleet that lost its broker
GATHERED = 500  # health messages a transaction
GATHER_FOR = 1.0  # s; nobody waits for them


class Greeting:
    """What a worker's fresh link carries besides batches."""

    def __init__(self, pool: Pool, clock: Clock, credit: Credit, measures: Measures) -> None:
        self._pool, self._clock, self._credit, self._measures = pool, clock, credit, measures
        self._births: asyncio.Queue[Received] = asyncio.Queue(WAITING)
        self._states: asyncio.Queue[Received] = asyncio.Queue(WAITING)
        self._healths: asyncio.Queue[Received] = asyncio.Queue(WAITING)

    def take(self, message: Received) -> None:
        """Accept a message; what is too much is dropped, since each of these is said again."""
        leaf = message.topic.rpartition("/")[2]
        queue = {"birth": self._births, "state": self._states}.get(leaf, self._healths)
        try:
            queue.put_nowait(message)
        except asyncio.QueueFull:
            message.ack()

    async def run(self, link: Link) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(GREETERS):
                group.create_task(self._greet_all(link))
            group.create_task(self._see_states())
            group.create_task(self._see_healths())

    # ---- births

    async def _greet_all(self, link: Link) -> None:
        while True:
            message = await self._births.get()
            hello = await self._greet(message)
            try:
                if hello:
                    branch, _ = topics.parse(message.topic)
                    await link.publish(
                        Message(
                            branch.topic("ack"), hello.payload(), expiry=HELLO_EXPIRES, content_type="application/json"
                        )
                    )
                message.ack()
            except LinkDown:
                log.debug("hello_not_sent", topic=message.topic)

    async def _greet(self, message: Received) -> Hello | None:
        birth = await self._read(Birth, message)
        if birth is None:
            return None
        branch, _ = topics.parse(message.topic)
        now = int(self._clock.now())
        if birth.device != branch.device:
            why = f"device: the birth says {birth.device}, the topic {branch.device}"
            await set_aside(self._pool, message, why, now)
            return None
        try:
            coverage = await persistently(
                lambda: registry.greet(self._pool, branch.tenant, birth.device, birth.epoch, birth.sensors, now),
                "hello",
                self._measures.moved,
            )
            if coverage is not None:
                await persistently(lambda: health.see_birth(self._pool, birth, now), "birth", self._measures.moved)
        except Refused as problem:
            await set_aside(self._pool, message, str(problem), now)
            return None
        if coverage is None:
            if not await see_revoked(self._pool, birth.device, now):
                log.warning("device_not_registered", device=birth.device, remedy="footfall-receiver device add")
            return None
        log.info("device_greeted", device=birth.device, epoch=birth.epoch, version=birth.version)
        return Hello(
            run=birth.run, epoch=birth.epoch, coverage=coverage, credit=self._credit, nonce=birth.nonce or None
        )

    # ---- states and health

    async def _see_states(self) -> None:
        while True:
            message = await self._states.get()
            state = await self._read(State, message)
            if state:
                await self._see_state(message, state)
            message.ack()

    async def _see_state(self, message: Received, state: State) -> None:
        branch, _ = topics.parse(message.topic)
        now = int(self._clock.now())
        try:
            seen = await persistently(
                lambda: health.see_state(self._pool, branch.tenant, branch.device, state, now),
                "state",
                self._measures.moved,
            )
        except Refused as problem:
            await set_aside(self._pool, message, str(problem), now)
            return
        if seen:
            log.info("device_state", device=branch.device, st=state.st, boot=state.boot)

    async def _see_healths(self) -> None:
        while True:
            came = [await self._healths.get()]
            await asyncio.sleep(GATHER_FOR)
            while len(came) < GATHERED and not self._healths.empty():
                came.append(self._healths.get_nowait())
            said = [each for message in came if (each := await self._said(message))]
            await self._keep(said)
            for message in came:
                message.ack()

    async def _said(self, message: Received) -> Said | None:
        told = await self._read(Health, message)
        branch, _ = topics.parse(message.topic)
        return Said(branch.tenant, branch.device, int(self._clock.now()), told) if told else None

    async def _keep(self, said: list[Said]) -> None:
        """Keep what was said; one that can never be stored does not take the others with it."""
        if not said:
            return
        try:
            await persistently(lambda: health.see_health(self._pool, said), "health", self._measures.moved)
            self._measures.moved()
        except Refused as problem:
            if len(said) == 1:
                log.warning("health_not_stored", device=said[0].device, why=str(problem))
                return
            await self._keep(said[: len(said) // 2])
            await self._keep(said[len(said) // 2 :])

    async def _read(self, model: type[W], message: Received) -> W | None:
        try:
            return read_message(model, message.payload)
        except ValueError as problem:
            await set_aside(self._pool, message, str(problem), int(self._clock.now()))
            return None
