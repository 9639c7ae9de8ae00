"""Batches in, decisions out: stored, then answered, then acknowledged, in that order.

What was not decided is not acknowledged, so the broker holds back once the window is full; what the process takes with
it when it dies, its device sends again, because no answer came.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import structlog

from agent.contract import topics
from agent.contract.caps import WireError
from agent.contract.messages import Answer
from agent.contract.times import rfc3339
from agent.contract.wire import sha_of
from agent.foundation.mqtt import LinkDown, Message
from cloud_receiver.database import batches, writers
from cloud_receiver.database.batches import Batch, Fate, Outcome
from cloud_receiver.database.pool import Refused, persistently
from cloud_receiver.database.writers import Writer
from cloud_receiver.ingest.inbox import Inbox, Verdict
from cloud_receiver.ingest.reading import Told, named, read_batch, told
from cloud_receiver.ingest.setting_aside import sayable, see_revoked, set_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.foundation.clock import Clock
    from agent.foundation.mqtt import Link, Received
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.ingest.inbox import Limits
    from cloud_receiver.ingest.measures import Measures

log = structlog.get_logger()

GROUPS = 4  # a lane: some are read while others wait for PostgreSQL
ANSWERS = 200  # on their way at once; beyond that deciding waits
ANSWER_EXPIRES = 300  # s; a device that is away asks again anyway
UNREGISTERED_PAUSE = 60.0  # s; somebody has to add it by hand
REVOKED_PAUSE = 3600.0  # s, the longest there is: nothing of it will ever be taken
MOST_WRITERS = 50_000  # remembered, so that each is noted once a minute


def _done() -> None:
    """A second acknowledgement would widen the broker's window."""


def _is_revoked(outcome: Outcome | str) -> bool:
    return isinstance(outcome, Outcome) and outcome.fate is Fate.REVOKED


class Read(NamedTuple):
    """A message and the batch it carries."""

    message: Received
    batch: Batch


class Intake:
    """One lane: takes messages of a link and decides them in groups, some groups at a time."""

    def __init__(self, pool: Pool, clock: Clock, limits: Limits, measures: Measures, lane: str) -> None:
        self._pool, self._clock, self._limits = pool, clock, limits
        self._credit = limits.credit
        self._measures, self._lane = measures, lane
        self._undecided, self._shed = measures.undecided.labels(lane), measures.batches.labels(lane, "shed")
        self.inbox = Inbox(limits, time.monotonic)
        self._answering = asyncio.Semaphore(ANSWERS)
        self._replies: asyncio.Queue[tuple[Received, Answer]] = asyncio.Queue(limits.undecided)
        self._noted: dict[Writer, float] = {}

    def take(self, message: Received) -> None:
        """Accept a message for deciding; who is over its credit is told at once, and never held."""
        verdict, pause = self.inbox.put(message)
        if verdict is Verdict.TAKEN:
            self._undecided.inc()
            return
        message.ack()
        if verdict is Verdict.SHED:  # a thousand a second: no more than this is done for each
            self._shed.inc()
            return
        if verdict is Verdict.FULL:  # left to its sender, who sends it again
            log.warning("too_much_undecided", cap=self.inbox.limits.undecided, topic=message.topic)
        elif not self._replies.full():
            answer = self._answer(message, named(message.payload), st="retry", err="over its credit")
            credit = self._credit.model_copy(update={"pause_s": round(pause, 1)})
            self._replies.put_nowait((message, answer.model_copy(update={"credit": credit})))
        self._measures.batches.labels(self._lane, "retry").inc()

    async def run(self, link: Link) -> None:
        """Decide what comes, for ever; answers go out on the link it came by."""
        async with asyncio.TaskGroup() as group:
            for _ in range(GROUPS):
                group.create_task(self._work(link, group))
            group.create_task(self._turn_away(link, group))

    async def _work(self, link: Link, group: asyncio.TaskGroup) -> None:
        while True:
            messages = await self.inbox.group()
            self._measures.busy += 1
            try:
                for message, answer in await self._decide(messages):
                    await self._answering.acquire()
                    group.create_task(self._settle(link, message, answer))
            finally:
                self._measures.busy -= 1
                self.inbox.decided(messages)
                self._undecided.dec(len(messages))

    async def _settle(self, link: Link, message: Received, answer: Answer) -> None:
        try:
            await self._reply(link, message, answer)
        finally:
            self.inbox.answered(message)

    async def _turn_away(self, link: Link, group: asyncio.TaskGroup) -> None:
        while True:
            message, answer = await self._replies.get()
            await self._answering.acquire()
            group.create_task(self._reply(link, replace(message, ack=_done), answer))

    async def _reply(self, link: Link, message: Received, answer: Answer) -> None:
        try:
            branch, _ = topics.parse(message.topic)
            await link.publish(
                Message(branch.topic("ack"), answer.payload(), expiry=ANSWER_EXPIRES, content_type="application/json")
            )
            message.ack()
        except LinkDown:
            log.debug("answer_not_sent", topic=message.topic)  # it was stored: when it comes again, it is a duplicate
        finally:
            self._answering.release()

    # ---- deciding

    async def _decide(self, messages: Sequence[Received]) -> list[tuple[Received, Answer]]:
        answers: list[tuple[Received, Answer]] = []
        read: list[Read] = []
        now = int(self._clock.now())
        for message in messages:
            try:
                batch = read_batch(message.topic, message.payload, now)
            except WireError as problem:
                answers.append((message, await self._refuse(message, told(message.payload), str(problem))))
            else:
                self.inbox.spend(message.topic, batch.n)
                read.append(Read(message, batch))
            await asyncio.sleep(0)  # 100 batches of 1,000 rows take 0.1 s to read; the link must be heard meanwhile
        began = time.monotonic()
        outcomes = await self._store(read)
        self._measures.moved()
        self._measures.commit.labels(self._lane).observe(time.monotonic() - began)
        self._measures.group.labels(self._lane).observe(len(messages))
        await self._note_writers(zip(read, outcomes, strict=True), now)
        for device in {r.batch.device for r, o in zip(read, outcomes, strict=True) if _is_revoked(o)}:
            await see_revoked(self._pool, device, now)
        for (message, batch), outcome in zip(read, outcomes, strict=True):
            if isinstance(outcome, str):
                answers.append((message, await self._refuse(message, Told(batch.id, batch.epoch), outcome)))
            else:
                answers.append((message, self._outcome(message, batch, outcome)))
        return answers

    async def _store(self, read: Sequence[Read]) -> list[Outcome | str]:
        """What became of each; a text where the database can never take it, found by halving the group."""
        if not read:
            return []
        group = [batch for _, batch in read]
        remembered = int(self._clock.now()) - self._limits.remembered_s
        try:
            return list(
                await persistently(
                    lambda: batches.store(self._pool, group, remembered=remembered), "batch", self._in_vain
                )
            )
        except Refused as problem:
            if len(read) == 1:
                return [str(problem)]
        half = len(read) // 2
        return [*await self._store(read[:half]), *await self._store(read[half:])]

    def _in_vain(self) -> None:
        self._measures.away.inc()
        self._measures.moved()

    def _outcome(self, message: Received, batch: Batch, outcome: Outcome) -> Answer:
        self._measures.bytes.labels(self._lane).inc(len(batch.payload))
        self._measures.batches.labels(self._lane, outcome.fate.value).inc()
        what = Told(batch.id, batch.epoch)
        if outcome.fate is Fate.FORK:
            self._measures.forks.inc()
            log.warning("fork", device=batch.device, batch=batch.id, why=outcome.why, remedy="footfall-receiver forks")
            return self._answer(message, what, st="fork", err=outcome.why)
        if outcome.fate in (Fate.UNREGISTERED, Fate.REVOKED):
            return self._unknown(message, batch, what, revoked=outcome.fate is Fate.REVOKED)
        self._measures.rows.labels(self._lane).inc(outcome.new)
        answer = self._answer(message, what, st=outcome.fate.value)
        return answer.model_copy(
            update={"seq": batch.seq, "void": batch.void, "new": outcome.new, "dup": outcome.duplicate}
        )

    def _unknown(self, message: Received, batch: Batch, what: Told, *, revoked: bool) -> Answer:
        if not revoked:
            log.warning("device_not_registered", device=batch.device, remedy="footfall-receiver device add")
        pause = self._credit.model_copy(update={"pause_s": REVOKED_PAUSE if revoked else UNREGISTERED_PAUSE})
        why = "revoked: nothing of this device is taken any more" if revoked else "not registered"
        return self._answer(message, what, st="retry", err=why).model_copy(update={"credit": pause})

    async def _refuse(self, message: Received, what: Told, why: str) -> Answer:
        await set_aside(self._pool, message, why, int(self._clock.now()))
        self._measures.quarantined.inc()
        self._measures.batches.labels(self._lane, "rejected").inc()
        return self._answer(message, what, st="rejected", err=sayable(why))

    def _answer(self, message: Received, what: Told, *, st: str, err: str | None = None) -> Answer:
        return Answer.model_validate(
            {
                "id": what.id,
                "sha": sha_of(message.payload),
                "epoch": what.epoch,
                "st": st,
                "err": err,
                "at": rfc3339(self._clock.now()),
                "credit": self._credit,
            }
        )

    async def _note_writers(self, decided: Iterable[tuple[Read, Outcome | str]], now: int) -> None:
        """Note who writes which sensor, each at most once a minute."""
        since = time.monotonic() - writers.EVERY
        seen = {
            Writer(outcome.store, sensor, outcome.epoch)
            for read, outcome in decided
            if isinstance(outcome, Outcome) and outcome.store
            for sensor in read.batch.sensors
        }
        news = {writer for writer in seen if self._noted.get(writer, -writers.EVERY) < since}
        if not news:
            return
        await persistently(lambda: writers.see(self._pool, news, now), "writers", self._in_vain)
        if len(self._noted) > MOST_WRITERS:
            self._noted.clear()
        self._noted.update(dict.fromkeys(news, time.monotonic()))
