"""The uplink: birth, hello, batches, answers. Rows leave the buffer by HQ's answer alone, never by PUBACK."""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent.buffer.greeting import AGAIN
from agent.contract import caps
from agent.contract.caps import WireError, parse_json
from agent.contract.messages import Answer, Credit, Hello, State, read_message
from agent.contract.topics import hq_state
from agent.foundation.machine import clock_sync
from agent.foundation.mqtt import NO_SUBSCRIBERS, Link, LinkDown, LinkSettings, Received
from agent.sync.flights import RESEND_CAP, RESEND_FIRST, Flights
from agent.sync.pace import Bucket, Gate, Throughput
from agent.sync.telling import Contact, Sender, Sources, Teller

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agent.buffer.buffer import Buffer
    from agent.buffer.outbox import Frozen
    from agent.contract.happenings import Alert
    from agent.contract.ranges import Ranges
    from agent.foundation.clock import Clock
    from agent.sync.desk import Desk

log = structlog.get_logger()

INBOX = 200  # messages waiting to be taken; HQ never has more than the outbox's four to answer, hello and commands
MOST_COPIES = 20  # alert steps copied at a time; the batch tells all of them
DISK_AGAIN = 5.0  # real seconds after the disk did not let us freeze a batch
MOST_WORKERS = 100  # receivers known at a time

__all__ = ["Contact", "Sender", "Sources", "Timing", "Uplink"]


@dataclass(frozen=True)
class Timing:
    """When things are said again, in real seconds."""

    every: float = 1.0  # between fresh batches
    resend_jitter: float = 30.0  # of backlog after a reconnect: stores do not all send at once
    birth_every: float = 30.0  # until HQ says hello
    resend_first: float = RESEND_FIRST
    resend_cap: float = RESEND_CAP
    nobody: float = 300.0  # without backlog after the broker said that nobody ingests, unless a receiver appears


class Uplink:
    """One device's line to HQ. `run` lives until cancelled; everything else is called by it or by the link."""

    def __init__(
        self,
        buffer: Buffer,
        sender: Sender,
        settings: LinkSettings,
        clock: Clock,
        sources: Sources,
        contact: Contact,
        timing: Timing = Timing(),
        desk: Desk | None = None,
    ) -> None:
        self.contact = contact
        self.teller = Teller(sender, buffer, clock, sources, contact, timing.every)
        self._buffer, self._sender, self._clock, self._timing, self._desk = buffer, sender, clock, timing, desk
        self._flights = Flights(timing.resend_first, timing.resend_cap)
        self._line, self._bucket = Throughput(), Bucket(Credit(), 0.0)
        self._gates = {"fresh": Gate(), "backlog": Gate()}
        self._greeted = False  # HQ said hello to this epoch on this connection
        self._nonce = self._mark = ""
        self._acked_at_birth: Ranges | None = None
        self._wake = asyncio.Event()
        self._inbox: asyncio.Queue[Received] = asyncio.Queue(INBOX)
        self._receivers: dict[str, tuple[int, bool]] = {}
        self._next_birth = self._disk_again = 0.0
        self._reload = True
        if desk:
            desk.greet_again = self.greet_again
        branch = sender.branch
        leaves = ["ack", *(desk.leaves if desk else ())]
        self._link = Link(
            settings,
            will=self.teller.state("offline"),
            subscriptions=[*((branch.topic(leaf), 1) for leaf in leaves), (hq_state(branch.tenant, "+"), 1)],
            on_message=self._received,
            on_up=self._up,
            on_down=self._down,
            farewell=lambda: self.teller.state("offline"),
        )

    async def run(self) -> None:
        """Stay connected and keep the buffer's rows moving, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(), name="link")
            tasks.create_task(self._relay_appends(), name="appends")
            tasks.create_task(self._take_messages(), name="answers")
            tasks.create_task(self.teller.report_health(self._link), name="health")
            tasks.create_task(self.teller.show_live(self._link), name="live")
            await self._send(tasks)

    async def raised(self, alerts: Sequence[Alert]) -> None:
        """Alert transitions were appended: cut the next fresh batch now, whatever `every` says, and publish copies."""
        self._gates["fresh"].next_cut = 0.0
        self._wake.set()
        if not self._link.congested:
            for alert in alerts[:MOST_COPIES]:
                await self.teller.say(self._link, self.teller.alert(alert))

    def greet_again(self) -> None:
        """Say birth again; nothing new is sent until HQ has said hello to it."""
        self._greeted, self._reload, self._next_birth, self._acked_at_birth = False, True, 0.0, None
        self._wake.set()

    # ---- the link calls these

    def _up(self) -> None:
        log.info("uplink_up")
        self.contact.broker, self.contact.problem = True, "HQ has not said hello yet"
        self._line = Throughput()
        self._flights.cut_off()
        for gate in self._gates.values():
            gate.open_again()
        self.greet_again()

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
                self._next_birth = now + self._timing.birth_every
                await self._announce()
            if self._greeted and now >= self._disk_again:
                for batch in await self._due_if_disk_lets(now):
                    tasks.create_task(self._publish(batch), name=f"batch {batch.id}")
            try:
                async with asyncio.timeout(self._patience(loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _announce(self) -> None:
        """Birth. What is acknowledged now is what the hello to it can be asked for: later answers may overtake it."""
        if self._acked_at_birth is None:
            self._acked_at_birth = self._buffer.acked
        self._nonce = secrets.token_hex(4)
        await self.teller.say(self._link, self.teller.state("online"))
        await self.teller.say(self._link, self.teller.birth(self._nonce))
        if self._desk:
            for message in self._desk.standing():
                await self.teller.say(self._link, message)

    async def _due_if_disk_lets(self, now: float) -> list[Frozen]:
        try:
            return await self._due(now)
        except sqlite3.OperationalError as error:
            # Nothing can be frozen on a disk that takes nothing. The page says so; the line is kept for when it does.
            log.warning("disk_holds_up_sending", why=str(error))
            self._disk_again = now + DISK_AGAIN
            return []

    async def _due(self, now: float) -> list[Frozen]:
        """What is to be sent now: what was unanswered, then what can be cut, fresh before backlog."""
        if self._reload:
            self._flights.load(await self._buffer.unanswered(), now, self._timing.resend_jitter)
            again = await self._buffer.state(AGAIN)
            self._mark = f".{again}" if again else ""  # HQ knows the ids of the batches that were answered
            self._reload = False
        fresh, backlog = self._gates["fresh"], self._gates["backlog"]
        if now >= max(fresh.next_cut, fresh.paused_until):
            while batch := await self._buffer.cut("fresh", self._head(), self._line.rows):
                self._flights.add(batch, now)
                fresh.next_cut = now + self._timing.every
        backlog.next_cut = self._bucket.ready_at(now)
        may = now >= max(backlog.next_cut, backlog.paused_until)
        if may and (batch := await self._buffer.cut("backlog", self._head(), self._line.rows)):
            self._flights.add(batch, now)
        lanes = [*(["fresh"] if now >= fresh.paused_until else []), *(["backlog"] if may else [])]
        return self._flights.take_due(now, lanes)

    def _patience(self, now: float) -> float:
        """How long nothing needs to be done unless something happens."""
        times = [now + self._timing.birth_every]
        if self.contact.broker and not self._greeted:
            times.append(self._next_birth)
        if self._greeted and now < self._disk_again:
            times.append(self._disk_again)
        elif self._greeted:
            for lane, gate in self._gates.items():
                opens = max(gate.paused_until, gate.next_cut if lane == "backlog" else 0.0)
                due = self._flights.next_due(lane)
                times += [max(due, opens)] if due is not None else []
                times += [time for time in (max(opens, gate.next_cut),) if time > now]
        return max(0.01, min(times) - now)

    async def _publish(self, batch: Frozen) -> None:
        loop = asyncio.get_running_loop()
        began, ahead = loop.time(), self._line.sent(batch)
        line = self._line
        if batch.lane == "backlog":
            self._bucket.spend(batch, began)
        self.contact.bytes_sent += len(batch.payload)
        try:
            reason = await self._link.publish(self.teller.batch(batch))
        except LinkDown:
            line.lost(batch)
            return  # it stays in the outbox and goes again after the reconnect
        line.acknowledged(batch, ahead, loop.time() - began)
        self._flights.taken(batch)
        await self._broker_took(batch, reason)
        self._wake.set()

    async def _broker_took(self, batch: Frozen, reason: int) -> None:
        """PUBACK: proof of nothing, but 0x10 says that no receiver is there."""
        gate = self._gates[batch.lane]
        if reason != NO_SUBSCRIBERS or gate.nobody:
            return
        gate.nobody = True
        if batch.lane == "backlog":
            wait = self._timing.nobody * random.uniform(0.8, 1.2)  # noqa: S311 - spreads stores, hides nothing
            gate.pause(asyncio.get_running_loop().time() + wait)
            log.info("nobody_ingests", pause_s=round(wait))

    # ---- what HQ says

    async def _take_messages(self) -> None:
        while True:
            message = await self._inbox.get()
            try:
                await self._take(message)
            except WireError as error:
                log.warning("answer_garbled", topic=message.topic, why=str(error))
            except sqlite3.OperationalError as error:
                log.warning("answer_not_stored", topic=message.topic, why=str(error))  # it comes again
            self._wake.set()

    async def _take(self, message: Received) -> None:
        branch = self._sender.branch.topic("")
        if not message.topic.startswith(branch):
            self._receiver_said(message.topic, read_message(State, message.payload))
        elif (leaf := message.topic.removeprefix(branch)) != "ack":
            if self._desk and (said := await self._desk.take(leaf, message.payload)):
                await self.teller.say(self._link, said)
        elif parse_json(message.payload[: caps.MAX_BYTES]).get("st") == "hello":
            await self._take_hello(read_message(Hello, message.payload))
        else:
            await self._take_answer(read_message(Answer, message.payload))

    def _receiver_said(self, topic: str, state: State) -> None:
        worker, online = topic.rsplit("/", 1)[-1], state.st == "online"
        known = self._receivers.get(worker, (0, False))
        if state.boot < known[0] or (worker not in self._receivers and len(self._receivers) >= MOST_WORKERS):
            return  # the will of an older life
        self._receivers[worker] = (state.boot, online)
        self.contact.hq = any(there for _, there in self._receivers.values())
        if not online:
            return
        nobody = any(gate.nobody for gate in self._gates.values())
        for gate in self._gates.values():
            if gate.nobody:
                gate.open_again()
        if (state.boot, True) != known:
            # A new receiver may sit on a restored database: greet it, and send again what is unanswered.
            self.greet_again()
        elif nobody:
            self._reload = True  # what nobody took is sent again

    async def _take_hello(self, hello: Hello) -> None:
        ours = (hello.run, hello.epoch) == (self._sender.run, self._buffer.epoch)
        if not ours or hello.nonce not in (None, self._nonce):
            return  # to a clone's birth, or to an older one
        self._grant(hello.credit, "backlog")
        if self._greeted or self._acked_at_birth is None:
            return
        found = await self._buffer.compare(hello.coverage, self._acked_at_birth)
        if found != "agreed":
            log.warning("hello_differs", found=found, epoch=self._buffer.epoch)
        if found == "restored buffer":
            self.greet_again()
            return
        self._greeted, self._reload, self._acked_at_birth = True, True, None
        self.contact.hq, self.contact.problem = True, ""
        if self._desk and (said := self._desk.heard()):
            await self.teller.say(self._link, said)

    async def _take_answer(self, answer: Answer) -> None:
        self.contact.last_answer = self._clock.now()
        lane = self._flights.lane_of(answer.id)
        if answer.credit and lane:
            self._grant(answer.credit, lane)
        if answer.st == "retry":
            pause = max(1.0, answer.credit.pause_s if answer.credit else 1.0)
            until = asyncio.get_running_loop().time() + pause
            self._flights.hold(answer.id, until)
            if lane:
                self._gates[lane].pause(until)
            self.contact.problem = f"HQ asks to wait: {answer.err}" if answer.err else ""
        elif answer.st == "fork":
            await self._take_fork(answer)
        elif await self._buffer.settle(answer):
            self._flights.landed(answer.id)
            self.contact.problem = ""
            if answer.st == "rejected":
                log.error("batch_rejected", batch=answer.id, why=answer.err)

    def _grant(self, credit: Credit, lane: str) -> None:
        now = asyncio.get_running_loop().time()
        self._bucket.grant(credit, now)
        if credit.pause_s:
            self._gates[lane].pause(now + credit.pause_s)

    async def _take_fork(self, answer: Answer) -> None:
        if (answer.id, answer.sha) not in [(batch.id, batch.sha) for batch in await self._buffer.unanswered()]:
            return
        await self._buffer.begin_epoch()
        self.contact.forked = self._clock.now()
        log.error("forked", batch=answer.id, new_epoch=self._buffer.epoch)
        self.greet_again()

    async def _relay_appends(self) -> None:
        while True:
            await self._buffer.appended.wait()
            self._wake.set()

    def _head(self) -> dict[str, Any]:
        sender = self._sender
        return {
            "device": sender.branch.device,
            "run": sender.run,
            "clock": {"sync": clock_sync()},
            "layout": sender.layout,
            "tz": sender.tz,
            "mark": self._mark,
        }
