"""Whether the broker takes us with these settings: asked before anything that works is given up."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.foundation.mqtt import Link, LinkDown, Message

if TYPE_CHECKING:
    from agent.contract.topics import Branch
    from agent.foundation.mqtt import LinkSettings

SECONDS = 20.0
DENIED = 0x80  # PUBACK reasons from here on are refusals

NO_RIGHTS = (
    'refused: the broker knows our certificate and denies us all topics: headquarters must run "footfall-receiver'
    ' broker-config" and reload the broker'
)


async def try_broker(settings: LinkSettings, branch: Branch) -> str:
    """Why not; empty where it accepts certificate and topic. MQTT 3.1.1 cannot say that a topic is denied."""
    tried: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def told(why: str = "") -> None:
        if not tried.done():
            tried.set_result(why)

    link = Link(settings, on_up=told, on_down=told)
    running = asyncio.create_task(link.run(), name="trial")
    try:
        async with asyncio.timeout(SECONDS):
            if why := await tried:
                return why
            # `live` is the one leaf that may be lost; an empty one says nothing.
            reason = await link.publish(Message(branch.topic("live/enrolment"), b""))
            return NO_RIGHTS if reason >= DENIED else ""
    except (TimeoutError, LinkDown) as problem:
        return str(problem) or "the broker does not answer"
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
