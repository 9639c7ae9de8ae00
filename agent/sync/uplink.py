"""The uplink: birth, hello, batches, answers. Rows leave the buffer by HQ's answer alone, never by PUBACK."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent.contract import wire
from agent.contract.messages import Answer, Birth, Credit, Health, Hello, State, read_message
from agent.contract.times import rfc3339
from agent.contract.topics import Branch, hq_state
from agent.contract.wire import WireError, parse_json
from agent.foundation.mqtt import NO_SUBSCRIBERS, Link, LinkDown, LinkSettings, Message, Received
from agent.sync.flights import Flights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from agent.buffer.buffer import Buffer
    from agent.buffer.outbox import Frozen
    from agent.foundation.clock import Clock

log = structlog.get_logger()

BIRTH_EVERY = 30.0  # real seconds until HQ says hello
NOBODY_PAUSE = 30.0  # real seconds without backlog after the broker said that nobody ingests
BATCH_EXPIRY = 300  # seconds in the broker's queue, which is never the store of record
HEALTH_EVERY = 60.0  # seconds of the store's time
INBOX = 200  # answers waiting to be taken; HQ never has more than the outbox's four to answer, and hello


@dataclass(frozen=True)
class Sender:
    """What the device says of itself."""

    branch: Branch
    run: str
    version: str
    tz: str
    layout: str
    sensors: tuple[str, ...]
    clock_sync: str = "unknown"


@dataclass
class Contact:
    """What the page shows of the line to HQ. Times are the store's, in UTC seconds."""

    broker: bool = False
    hq: bool = False
    last_answer: float | None = None
    problem: str = "not connected yet"


class Uplink:
    """One device's line to HQ. `run` lives until cancelled; everything else is called by it or by the link."""

    def __init__(
        self,
        buffer: Buffer,
        sender: Sender,
        settings: LinkSettings,
        clock: Clock,
        health: Callable[[], Awaitable[Health]],
        contact: Contact,
        *,
        every: float = 1.0,
        resend_jitter: float = 30.0,
    ) -> None:
        self.contact = contact
        self._buffer, self._sender, self._clock, self._health = buffer, sender, clock, health
        self._every, self._jitter = every, resend_jitter
        self._flights = Flights()
        self._credit = Credit()
        self._greeted = False  # HQ said hello to this epoch on this connection
        self._wake = asyncio.Event()
        self._inbox: asyncio.Queue[Received] = asyncio.Queue(INBOX)
        self._receivers: dict[str, tuple[int, bool]] = {}
        self._next_fresh = self._next_backlog = self._next_birth = 0.0
        self._reload = True
        branch = sender.branch
        self._link = Link(
            settings,
            will=self._state("offline"),
            subscriptions=[(branch.topic("ack"), 1), (hq_state(branch.tenant, "+"), 1)],
            on_message=self._received,
            on_up=self._up,
            on_down=self._down,
            farewell=lambda: self._state("offline"),
        )

    async def run(self) -> None:
        """Stay connected and keep the buffer's rows moving, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(), name="link")
            tasks.create_task(self._relay_appends(), name="appends")
            tasks.create_task(self._take_answers(), name="answers")
            tasks.create_task(self._report_health(), name="health")
            await self._send(tasks)

    # ---- the link calls these

    def _up(self) -> None:
        log.info("uplink_up")
        self.contact.broker, self.contact.problem = True, "HQ has not said hello yet"
        self._greeted, self._reload, self._next_birth = False, True, 0.0
        self._wake.set()

    def _down(self, reason: str) -> None:
        if self.contact.broker or self.contact.problem == Contact.problem:
            log.warning("uplink_down", why=reason)
        self.contact.broker = self.contact.hq = self._greeted = False
        self.contact.problem = f"no connection to the broker: {reason}"

    def _received(self, message: Received) -> None:
        try:
            self._inbox.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("answer_dropped", topic=message.topic)  # it comes again: the batch is resent

    # ---- sending

    async def _send(self, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = loop.time()
            if self.contact.broker and not self._greeted and now >= self._next_birth:
                self._next_birth = now + BIRTH_EVERY
                await self._announce()
            if self._greeted:
                for batch in await self._due(now):
                    tasks.create_task(self._publish(batch), name=f"batch {batch.id}")
            try:
                async with asyncio.timeout(self._patience(loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _due(self, now: float) -> list[Frozen]:
        """What is to be sent now: what was unanswered, then what can be cut, fresh before backlog."""
        if self._reload:
            self._flights.load(await self._buffer.unanswered(), now, self._jitter)
            self._reload = False
        if now >= self._next_fresh:
            while batch := await self._buffer.cut("fresh", self._head()):
                self._flights.add(batch, now)
                self._next_fresh = now + self._every
        if now >= self._next_backlog and (batch := await self._buffer.cut("backlog", self._head())):
            self._flights.add(batch, now)
            self._next_backlog = now + batch.rows / self._credit.rows_s
        return self._flights.take_due(now)

    def _patience(self, now: float) -> float:
        """How long nothing needs to be done unless something happens."""
        times = [now + BIRTH_EVERY]
        if self.contact.broker and not self._greeted:
            times.append(self._next_birth)
        if self._greeted:
            times += [due for due in (self._flights.next_due(),) if due is not None]
            times += [time for time in (self._next_fresh, self._next_backlog) if time > now]
        return max(0.01, min(times) - now)

    async def _publish(self, batch: Frozen) -> None:
        lane = "batch" if batch.lane == "fresh" else "backlog"
        message = Message(
            self._sender.branch.topic(lane),
            batch.payload,
            expiry=BATCH_EXPIRY,
            content_type=wire.CONTENT_TYPE,
            properties=self._cloud_event(batch),
        )
        try:
            reason = await self._link.publish(message)
        except LinkDown:
            return  # it stays in the outbox and goes again after the reconnect
        await self._broker_took(batch, reason)

    async def _broker_took(self, batch: Frozen, reason: int) -> None:
        """PUBACK: proof of nothing, but 0x10 says that no receiver is there."""
        if reason == NO_SUBSCRIBERS and batch.lane == "backlog":
            self._next_backlog = asyncio.get_running_loop().time() + NOBODY_PAUSE

    def _cloud_event(self, batch: Frozen) -> tuple[tuple[str, str], ...]:
        branch = self._sender.branch
        return (
            ("specversion", "1.0"),
            ("id", batch.id),
            ("source", branch.topic("")[:-1]),
            ("type", "footfall.batch"),
            ("time", rfc3339(self._clock.now())),
        )

    # ---- what HQ says

    async def _take_answers(self) -> None:
        while True:
            message = await self._inbox.get()
            try:
                await self._take(message)
            except WireError as error:
                log.warning("answer_garbled", topic=message.topic, why=str(error))
            self._wake.set()

    async def _take(self, message: Received) -> None:
        if not message.topic.endswith("/ack"):
            self._receiver_said(message.topic, read_message(State, message.payload))
        elif parse_json(message.payload).get("st") == "hello":
            await self._take_hello(read_message(Hello, message.payload))
        else:
            await self._take_answer(read_message(Answer, message.payload))

    def _receiver_said(self, topic: str, state: State) -> None:
        worker, online = topic.rsplit("/", 1)[-1], state.st == "online"
        known = self._receivers.get(worker, (0, False))
        if state.boot < known[0]:
            return  # the will of an older life
        self._receivers[worker] = (state.boot, online)
        self.contact.hq = any(there for _, there in self._receivers.values())
        if online and (state.boot, True) != known:
            # A new receiver may sit on a restored database: greet it, and send again what is unanswered.
            self._greeted, self._reload, self._next_birth = False, True, 0.0

    async def _take_hello(self, hello: Hello) -> None:
        if hello.epoch != self._buffer.epoch:
            return
        self._credit = hello.credit
        found = await self._buffer.compare(hello.coverage)
        if found != "agreed":
            log.warning("hello_differs", found=found, epoch=self._buffer.epoch)
            self._reload = True
        self._greeted = found != "restored buffer"
        self._next_birth = 0.0 if not self._greeted else self._next_birth
        self.contact.hq, self.contact.problem = True, ""

    async def _take_answer(self, answer: Answer) -> None:
        self.contact.last_answer = self._clock.now()
        self._credit = answer.credit or self._credit
        if answer.st == "retry":
            pause = max(1.0, self._credit.pause_s)
            self._flights.hold(answer.id, asyncio.get_running_loop().time() + pause)
            self.contact.problem = f"HQ asks to wait: {answer.err}" if answer.err else ""
        elif answer.st == "fork":
            await self._take_fork(answer)
        elif await self._buffer.settle(answer):
            self._flights.landed(answer.id)
            self.contact.problem = ""
            if answer.st == "rejected":
                log.error("batch_rejected", batch=answer.id, why=answer.err)

    async def _take_fork(self, answer: Answer) -> None:
        if (answer.id, answer.sha) not in [(batch.id, batch.sha) for batch in await self._buffer.unanswered()]:
            return
        await self._buffer.begin_epoch()
        log.error("forked", batch=answer.id, new_epoch=self._buffer.epoch)
        self._greeted, self._reload, self._next_birth = False, True, 0.0

    # ---- the small messages

    async def _announce(self) -> None:
        sender = self._sender
        birth = Birth(
            device=sender.branch.device,
            epoch=self._buffer.epoch,
            boot=self._buffer.boot,
            run=sender.run,
            highest=self._buffer.highest,
            version=sender.version,
            tz=sender.tz,
            sensors=list(sender.sensors),
            schemas=[wire.OBSERVATIONS, wire.LEDGER],
            ts=rfc3339(self._clock.now()),
        )
        await self._say(self._state("online"))
        await self._say(Message(sender.branch.topic("birth"), birth.payload(), retain=True))

    async def _report_health(self) -> None:
        while True:
            await asyncio.sleep(max(5.0, self._clock.real(HEALTH_EVERY)))
            if self._greeted:
                await self._say(Message(self._sender.branch.topic("health"), (await self._health()).payload()))

    async def _say(self, message: Message) -> None:
        try:
            await self._link.publish(message)
        except LinkDown:
            return  # said again at the next connection

    async def _relay_appends(self) -> None:
        while True:
            await self._buffer.appended.wait()
            self._wake.set()

    def _state(self, st: Any) -> Message:  # noqa: ANN401 - one of the model's two words
        state = State(st=st, boot=self._buffer.boot, ts=rfc3339(self._clock.now()), run=self._sender.run)
        return Message(self._sender.branch.topic("state"), state.payload(), retain=True)

    def _head(self) -> dict[str, Any]:
        sender = self._sender
        return {
            "device": sender.branch.device,
            "run": sender.run,
            "clock": {"sync": sender.clock_sync},
            "layout": sender.layout,
            "tz": sender.tz,
        }
