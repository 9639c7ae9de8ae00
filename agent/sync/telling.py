"""The messages a device sends: its batches, and what it tells of itself: birth, state, health, what is there now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.contract import happenings, wire
from agent.contract.messages import AlertStep, Birth, Live, State
from agent.contract.times import rfc3339
from agent.foundation.mqtt import LinkDown, Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent.buffer.buffer import Buffer
    from agent.buffer.outbox import Frozen
    from agent.contract.happenings import Alert
    from agent.contract.messages import Health
    from agent.contract.topics import Branch
    from agent.foundation.clock import Clock
    from agent.foundation.mqtt import Link

HEALTH_EVERY = 60.0  # seconds of the store's time
HEALTH_SOONEST = 5.0  # real seconds between two, however fast the store's clock is
HEALTH_EXPIRY = 300  # seconds
BATCH_EXPIRY = 300  # seconds in the broker's queue, which is never the store of record
ALERT_EXPIRY = 3600  # seconds: later it is no news, and the batch has told it
DENIED = 0x80  # PUBACK reasons from here on are refusals
NO_RIGHTS = "the broker: refused: it denies this device its topics; headquarters revoked it, or did not register it"
LIVE_EVERY = 10.0  # real seconds
LOOK_AGAIN = 0.5  # real seconds while there is no line
PLAIN = "application/json"


@dataclass(frozen=True)
class Sender:
    """What the device says of itself."""

    branch: Branch
    run: str
    version: str
    tz: str
    layout: str
    sensors: tuple[str, ...]


@dataclass(frozen=True)
class Sources:
    """Whom the teller asks: the health of everything, and what is there now by zone (`store` is the whole store)."""

    health: Callable[[], Awaitable[Health]]
    live: Callable[[], Mapping[str, Mapping[str, float]]] = dict


@dataclass
class Contact:
    """What the page shows of the line to HQ. Times are the store's, in UTC seconds."""

    broker: bool = False
    hq: bool = False
    last_answer: float | None = None
    problem: str = "not connected yet"
    forked: float | None = None  # when HQ said that somebody else uses our numbers
    bytes_sent: int = 0  # payloads handed over since the start, resends included


class Teller:
    """Words a device's small messages, and says the recurring ones while there is a line."""

    def __init__(
        self, sender: Sender, buffer: Buffer, clock: Clock, sources: Sources, contact: Contact, every: float
    ) -> None:
        self._sender, self._buffer, self._clock, self._sources = sender, buffer, clock, sources
        self._contact = contact
        self._live_every = max(LIVE_EVERY, every)

    def state(self, st: Literal["online", "offline"]) -> Message:
        """Whether the device is there; HQ ignores the will of an older boot."""
        state = State(st=st, boot=self._buffer.boot, ts=rfc3339(self._clock.now()), run=self._sender.run)
        return Message(self.topic("state"), state.payload(), retain=True, content_type=PLAIN)

    def birth(self, nonce: str) -> Message:
        """Who the device is and what it has; HQ answers with hello."""
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
            schemas=[wire.OBSERVATIONS, wire.LEDGER, happenings.ALERTS, happenings.MANUAL],
            ts=rfc3339(self._clock.now()),
            nonce=nonce,
        )
        return Message(self.topic("birth"), birth.payload(), retain=True, content_type=PLAIN)

    def batch(self, batch: Frozen) -> Message:
        """Rows, as they were frozen; beside them what a reader of cloud events asks of every message."""
        branch = self._sender.branch
        event = (
            ("specversion", "1.0"),
            ("id", batch.id),
            ("source", branch.topic("")[:-1]),
            ("type", "footfall.batch"),
            ("time", rfc3339(self._clock.now())),
            ("dataschema", f"urn:footfall:{wire.schema_of(batch.payload)}"),
        )
        topic = self.topic("batch" if batch.lane == "fresh" else "backlog")
        return Message(topic, batch.payload, expiry=BATCH_EXPIRY, content_type=wire.CONTENT_TYPE, properties=event)

    def alert(self, alert: Alert) -> Message:
        """A copy of a step of an alert."""
        step = AlertStep.model_validate(alert._asdict() | {"at": rfc3339(alert.at)})
        return Message(self.topic("alert"), step.payload(), expiry=ALERT_EXPIRY, content_type=PLAIN)

    def topic(self, leaf: str) -> str:
        """A leaf of this device's branch."""
        return self._sender.branch.topic(leaf)

    async def say(self, link: Link, message: Message) -> None:
        """Publish what is said again anyway: a broken line is no loss."""
        self._contact.bytes_sent += len(message.payload)
        try:
            reason = await link.publish(message)
        except LinkDown:
            return
        if reason >= DENIED:
            self._contact.problem = NO_RIGHTS

    async def report_health(self, link: Link) -> None:
        """Every minute, for ever; waits for the broker, so that a slow line never holds two."""
        while True:
            await asyncio.sleep(max(HEALTH_SOONEST, self._clock.real(HEALTH_EVERY)))
            if link.is_up:
                health = (await self._sources.health()).payload()
                await self.say(link, Message(self.topic("health"), health, expiry=HEALTH_EXPIRY, content_type=PLAIN))

    async def show_live(self, link: Link) -> None:
        """What is there now, for whoever listens. What a slow line has not taken yet is not piled up behind."""
        while True:
            if not link.is_up:
                await asyncio.sleep(LOOK_AGAIN)
                continue
            if not link.congested:
                for zone, values in self._sources.live().items():
                    live = Live.model_validate({"ts": rfc3339(self._clock.now()), **values})
                    message = Message(
                        *(self.topic(f"live/{zone}"), live.payload(), 0),
                        retain=True,
                        expiry=round(2 * self._live_every),
                        content_type=PLAIN,
                    )
                    await self.say(link, message)
            await asyncio.sleep(self._live_every)
