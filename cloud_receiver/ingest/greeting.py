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
from cloud_receiver.database.registry import Born
from cloud_receiver.ingest.setting_aside import see_revoked, set_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.contract.messages import Credit
    from agent.foundation.clock import Clock
    from agent.foundation.mqtt import Link, Received
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.ingest.measures import Measures

log = structlog.get_logger()
W = TypeVar("W", bound=Words)

HELLO_EXPIRES = 300  # s; a device repeats its birth anyway
GREETERS = 2
GREETED = 100  # births a transaction; a store waits for its hello before it sends anything
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
            came = _all_of(self._births, await self._births.get(), GREETED)
            born = [(message, each) for message in came if (each := await self._born(message))]
            hellos = await self._greet(born)
            async with asyncio.TaskGroup() as telling:
                for message, hello in hellos:
                    telling.create_task(_tell(link, message, hello))
            answered = {id(message) for message, _ in hellos}
            for message in came:
                if id(message) not in answered:
                    message.ack()

    async def _born(self, message: Received) -> Born | None:
        birth = await self._read(Birth, message)
        if birth is None:
            return None
        branch, _ = topics.parse(message.topic)
        if birth.device != branch.device:
            why = f"device: the birth says {birth.device}, the topic {branch.device}"
            await set_aside(self._pool, message, why, int(self._clock.now()))
            return None
        return Born(branch.tenant, birth)

    async def _greet(self, born: Sequence[tuple[Received, Born]]) -> list[tuple[Received, Hello]]:
        """A hello for each that is registered; one that can never be stored does not take the others with it."""
        if not born:
            return []
        now = int(self._clock.now())
        try:
            held = await persistently(
                lambda: registry.greet(self._pool, [each for _, each in born], now), "hello", self._measures.moved
            )
            self._measures.moved()
        except Refused as problem:
            if len(born) == 1:
                await set_aside(self._pool, born[0][0], str(problem), now)
                return []
            half = len(born) // 2
            return [*await self._greet(born[:half]), *await self._greet(born[half:])]
        hellos = []
        for (message, (_, birth)), coverage in zip(born, held, strict=True):
            if coverage is None:
                await self._turn_away(birth.device, now)
                continue
            log.info("device_greeted", device=birth.device, epoch=birth.epoch, version=birth.version)
            nonce = birth.nonce or None
            hello = Hello(run=birth.run, epoch=birth.epoch, coverage=coverage, credit=self._credit, nonce=nonce)
            hellos.append((message, hello))
        return hellos

    async def _turn_away(self, device: str, now: int) -> None:
        if not await see_revoked(self._pool, device, now):
            log.warning("device_not_registered", device=device, remedy="footfall-receiver device add")

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
            first = await self._healths.get()
            await asyncio.sleep(GATHER_FOR)
            came = _all_of(self._healths, first, GATHERED)
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


def _all_of(queue: asyncio.Queue[Received], first: Received, most: int) -> list[Received]:
    """The first and what waits behind it."""
    came = [first]
    while len(came) < most and not queue.empty():
        came.append(queue.get_nowait())
    return came


async def _tell(link: Link, message: Received, hello: Hello) -> None:
    branch, _ = topics.parse(message.topic)
    try:
        await link.publish(
            Message(branch.topic("ack"), hello.payload(), expiry=HELLO_EXPIRES, content_type="application/json")
        )
        message.ack()
    except LinkDown:
        log.debug("hello_not_sent", topic=message.topic)
