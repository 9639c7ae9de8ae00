"""Messages in, decisions out: stored, then answered, then acknowledged, in that order.

What was not decided is not acknowledged, so the broker holds back once the window is full; what the process takes with
it when it dies, its device sends again, because no answer came.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from agent.contract import topics
from agent.contract.messages import Answer, Birth, Credit, Hello, read_message
from agent.contract.times import rfc3339
from agent.contract.wire import WireError, sha_of
from agent.foundation.mqtt import LinkDown, Message
from cloud_receiver.database import batches, quarantine, registry
from cloud_receiver.database.batches import Batch, Fate, Outcome
from cloud_receiver.database.pool import Refused, persistently
from cloud_receiver.database.quarantine import Unreadable
from cloud_receiver.ingest.reading import Told, read_batch, told

if TYPE_CHECKING:
    from agent.foundation.clock import Clock
    from agent.foundation.mqtt import Link, Received
    from cloud_receiver.database.pool import Pool

log = structlog.get_logger()

WORKERS = (
    4  # a lane: some read while others wait for PostgreSQL (measured: 2 give 66 k rows/s, 3 96 k, 4 106 k, raw 110 k)
)
ANSWERS = 100  # on their way at once; beyond that deciding waits
ANSWER_EXPIRES = 300  # s; a device that is away asks again anyway
LONGEST_REASON = 500  # characters
UNREGISTERED_PAUSE = 60.0  # s; somebody has to add it by hand


class Limits(NamedTuple):
    """How much waits undecided in a lane, and what a device may send."""

    undecided: int
    credit: Credit


class Intake:
    """One lane: takes messages of a link and decides each of them, some at a time."""

    def __init__(self, pool: Pool, clock: Clock, limits: Limits) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._waiting: asyncio.Queue[Received] = asyncio.Queue(limits.undecided)
        self._answering = asyncio.Semaphore(ANSWERS)

    def take(self, message: Received) -> None:
        """Accept a message for deciding; beyond the cap it is left to its sender, who sends it again."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("too_much_undecided", cap=self._limits.undecided, topic=message.topic)
            message.ack()

    async def run(self, link: Link) -> None:
        """Decide what comes, for ever; answers go out on the link it came by."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work(link, group))

    async def _work(self, link: Link, group: asyncio.TaskGroup) -> None:
        while True:
            message = await self._waiting.get()
            answer = await self._decide(message)
            await self._answering.acquire()
            group.create_task(self._reply(link, message, answer))

    async def _reply(self, link: Link, message: Received, answer: Answer | Hello | None) -> None:
        try:
            if answer:
                branch, _ = topics.parse(message.topic)
                await link.publish(
                    Message(
                        branch.topic("ack"),
                        answer.payload(),
                        expiry=ANSWER_EXPIRES,
                        content_type="application/json",
                    )
                )
            message.ack()
        except LinkDown:
            log.debug("answer_not_sent", topic=message.topic)  # it was stored: when it comes again, it is a duplicate
        finally:
            self._answering.release()

    # ---- deciding

    async def _decide(self, message: Received) -> Answer | Hello | None:
        leaf = message.topic.rpartition("/")[2]
        if leaf == "birth":
            return await self._greet(message)
        try:
            batch = read_batch(message.topic, message.payload, int(self._clock.now()))
        except WireError as problem:
            return await self._refuse(message, told(message.payload), str(problem))
        try:
            outcome = await persistently(lambda: batches.store(self._pool, batch), "batch")
        except Refused as problem:
            return await self._refuse(message, Told(batch.id, batch.epoch), str(problem))
        return await self._outcome(message, batch, outcome)

    async def _outcome(self, message: Received, batch: Batch, outcome: Outcome) -> Answer:
        if outcome.fate is Fate.FORK:
            why = f"fork: batch {batch.id} came before with other content"
            await self._set_aside(message, why)
            return self._answer(message, Told(batch.id, batch.epoch), st="fork", err=why)
        if outcome.fate is Fate.UNREGISTERED:
            log.warning("device_not_registered", device=batch.device, remedy="footfall-receiver device add")
            pause = self._limits.credit.model_copy(update={"pause_s": UNREGISTERED_PAUSE})
            answer = self._answer(message, Told(batch.id, batch.epoch), st="retry", err="not registered")
            return answer.model_copy(update={"credit": pause})
        answer = self._answer(message, Told(batch.id, batch.epoch), st=outcome.fate.value)
        return answer.model_copy(
            update={"seq": batch.seq, "void": batch.void, "new": outcome.new, "dup": outcome.duplicate}
        )

    async def _refuse(self, message: Received, what: Told, why: str) -> Answer:
        await self._set_aside(message, why)
        return self._answer(message, what, st="rejected", err=_sayable(why))

    async def _set_aside(self, message: Received, why: str) -> None:
        sha = sha_of(message.payload)
        log.warning("quarantined", topic=message.topic, sha=sha, why=why)
        device = message.topic.split("/")[-2]
        unreadable = Unreadable(message.topic, sha, device, _sayable(why), message.payload, int(self._clock.now()))
        await persistently(lambda: quarantine.set_aside(self._pool, unreadable), "quarantine")

    def _answer(self, message: Received, what: Told, *, st: str, err: str | None = None) -> Answer:
        return Answer.model_validate(
            {
                "id": what.id,
                "sha": sha_of(message.payload),
                "epoch": what.epoch,
                "st": st,
                "err": err,
                "at": rfc3339(self._clock.now()),
                "credit": self._limits.credit,
            }
        )

    async def _greet(self, message: Received) -> Hello | None:
        try:
            birth = read_message(Birth, message.payload)
            branch, _ = topics.parse(message.topic)
            if birth.device != branch.device:
                raise WireError(f"device: the birth says {birth.device}, the topic {branch.device}")
        except ValueError as problem:
            await self._set_aside(message, str(problem))
            return None
        now = int(self._clock.now())
        try:
            coverage = await persistently(
                lambda: registry.greet(self._pool, branch.tenant, birth.device, birth.epoch, birth.sensors, now),
                "hello",
            )
        except Refused as problem:
            await self._set_aside(message, str(problem))
            return None
        if coverage is None:
            log.warning("device_not_registered", device=birth.device, remedy="footfall-receiver device add")
            return None
        log.info("device_greeted", device=birth.device, epoch=birth.epoch, version=birth.version)
        return Hello(run=birth.run, epoch=birth.epoch, coverage=coverage, credit=self._limits.credit)


def _sayable(text: str) -> str:
    """A reason that JSON and PostgreSQL can carry, whatever a message had in it."""
    return text[:LONGEST_REASON].encode(errors="replace").decode().replace("\0", "")
