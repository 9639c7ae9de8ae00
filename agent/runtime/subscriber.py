"""Cameras that publish their counts: subscribes to their broker, which keeps each message until it is committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent.drivers.base import Garbled
from agent.foundation.mqtt import Link, LinkSettings, Received
from agent.runtime.inbox import NotStored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.runtime.inbox import Inbox

log = structlog.get_logger()

KEPT_FOR = 2 * 86400  # seconds the broker keeps messages while the agent is away: as long as fingerprints are known
AGAIN_AFTER = 2.0  # real seconds until a buffer that took nothing is tried again
MOST_WAITING = 20  # messages on their way to a commit; the broker holds the others back


class Subscriber:
    """Hands the messages of each topic to its sensor. `topics` are subscriptions by sensor."""

    def __init__(self, settings: LinkSettings, topics: Mapping[str, str], inbox: Inbox) -> None:
        self._topics, self._inbox = topics, inbox
        self._taking: set[asyncio.Task[None]] = set()
        self._link = Link(
            settings,
            subscriptions=[(topic, 1) for topic in sorted(set(topics.values()))],
            on_message=self._came,
            on_up=lambda: log.info("cameras_broker_reached", topics=sorted(set(topics.values()))),
            on_down=self._went,
            manual_ack=True,
        )

    async def run(self) -> None:
        """Stay subscribed for ever."""
        try:
            await self._link.run()
        finally:
            for task in self._taking:
                task.cancel()
            await asyncio.gather(*self._taking, return_exceptions=True)

    def _came(self, message: Received) -> None:
        task = asyncio.create_task(self._take(message))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take(self, message: Received) -> None:
        """One message, acknowledged when all whose it is have it: the broker sends again what is not."""
        for sensor, subscription in self._topics.items():
            if matches(subscription, message.topic):
                await self._put(sensor, message)
        message.ack()

    async def _put(self, sensor: str, message: Received) -> None:
        while True:
            try:
                await self._inbox.put(sensor, message.payload, message.content_type, {"topic": message.topic})
            except NotStored:
                await asyncio.sleep(AGAIN_AFTER)
            except Garbled:
                return  # the inbox has said so, and it would come for ever
            else:
                return

    def _went(self, why: str) -> None:
        log.info("cameras_broker_lost", why=why)
        self._inbox.unreachable(list(self._topics), f"the cameras' broker is not reached: {why}")


def matches(subscription: str, topic: str) -> bool:
    """Whether a topic is one of those subscribed to."""
    wanted, parts = subscription.split("/"), topic.split("/")
    for index, part in enumerate(wanted):
        if part == "#":
            return True
        if index >= len(parts) or part not in ("+", parts[index]):
            return False
    return len(wanted) == len(parts)
