"""The two connections of a worker: fresh rows and births on one, backlog on the other, so that none waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agent.contract.topics import ROOT
from agent.foundation.mqtt import MQTT5, Link, LinkDown
from cloud_receiver.ingest.greeting import Greeting
from cloud_receiver.ingest.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from agent.foundation.clock import Clock
    from agent.foundation.mqtt import LinkSettings, Received
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.ingest.inbox import Limits
    from cloud_receiver.ingest.measures import Measures
    from cloud_receiver.ingest.presence import Presence

log = structlog.get_logger()

# Messages without our acknowledgement that a broker of MQTT 5 may have on the way to us (Receive Maximum). What is
# beyond them waits in the broker, and of the backlog in the stores. A hundred devices that send each second fill 50
# once a commit takes half a second, and from then on everybody waits for a place.
FRESH_WINDOW = 200
BACKLOG_WINDOW = 8


class Lanes:
    """Both lanes of a worker; `subscribed` is set once each has been up."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        broker: LinkSettings,
        presence: Presence,
        limits: Limits,
        measures: Measures,
    ) -> None:
        self.subscribed = asyncio.Event()
        self._measures = measures
        self._presence = presence
        self._announce = asyncio.Event()
        self._away: set[str] = set()
        self._greeting = Greeting(pool, clock, limits.credit, measures)
        self._fresh_intake = Intake(pool, clock, limits, measures, "fresh")
        self._backlog_intake = Intake(pool, clock, limits, measures, "backlog")
        # Random: two workers of one name do not throw each other off the broker.
        own = f"hq-{presence.tenant}-{presence.worker}-{secrets.token_hex(4)}"
        self._fresh = Link(
            replace(broker, client_id=f"{own}-fresh", receive_maximum=FRESH_WINDOW),
            will=presence.says("offline"),
            # Not delayed: for as long as a will waits, Mosquitto 2.0.11 keeps the dead session in the shared
            # subscription, acknowledges every batch whose turn it is, and gives it to nobody.
            will_delay=0,
            subscriptions=[
                *_subscriptions(broker.version, presence, ("batch", "birth", "health")),
                # Not shared: what is retained is sent to no shared subscription, and HQ may have been away.
                (f"{ROOT}/{presence.tenant}/+/+/state", 1),
            ],
            on_message=self._take_fresh,
            on_up=lambda: self._up("fresh"),
            on_down=lambda why: self._down("fresh", why),
            manual_ack=True,
            farewell=lambda: presence.says("offline"),
        )
        self._backlog = Link(
            replace(broker, client_id=f"{own}-backlog", receive_maximum=BACKLOG_WINDOW),
            subscriptions=_subscriptions(broker.version, presence, ("backlog",)),
            on_message=self._backlog_intake.take,
            on_up=lambda: self._up("backlog"),
            on_down=lambda why: self._down("backlog", why),
            manual_ack=True,
        )

    @property
    def tasks(self) -> dict[str, Coroutine[object, object, None]]:
        """What has to run, by name."""
        return {
            "fresh": self._fresh.run(),
            "backlog": self._backlog.run(),
            "fresh intake": self._fresh_intake.run(self._fresh),
            "backlog intake": self._backlog_intake.run(self._backlog),
            "greeting": self._greeting.run(self._fresh),
            "presence": self._say_online(),
        }

    @property
    def is_up(self) -> bool:
        return self._fresh.is_up and self._backlog.is_up

    def _take_fresh(self, message: Received) -> None:
        (self._fresh_intake if message.topic.endswith("/batch") else self._greeting).take(message)

    def _up(self, lane: str) -> None:
        log.info("lane_up", lane=lane)
        self._away.discard(lane)
        self._measures.link.labels(lane).set(1)
        self._announce.set()

    def _down(self, lane: str, why: str) -> None:
        """Said once when it goes; each further attempt that fails is no news."""
        (log.debug if lane in self._away else log.warning)("lane_down", lane=lane, why=why)
        self._away.add(lane)
        self._measures.link.labels(lane).set(0)

    async def _say_online(self) -> None:
        """Say that HQ is there at each connection, once both lanes are: who hears it sends on both."""
        while True:
            await self._announce.wait()
            self._announce.clear()
            if self.is_up:
                with contextlib.suppress(LinkDown):  # then it comes up again, and says so
                    await self._fresh.publish(self._presence.says("online"))
                    self.subscribed.set()


def _subscriptions(version: int, presence: Presence, leaves: Sequence[str]) -> list[tuple[str, int]]:
    """The leaves of every device of a tenant; shared among its workers where the protocol can."""
    shared = f"$share/{presence.group}/" if version == MQTT5 else ""
    return [(f"{shared}{ROOT}/{presence.tenant}/+/+/{leaf}", 1) for leaf in leaves]
