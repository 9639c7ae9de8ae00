"""Cameras that send over a connection of ours: it is kept open, and each message goes to the inbox."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from agent.drivers.base import Garbled, Refused, SensorError
from agent.runtime.inbox import NotStored
from agent.runtime.patience import BACK_OFF_CAP, BACK_OFF_FIRST

if TYPE_CHECKING:
    from agent.drivers.base import Streaming
    from agent.runtime.inbox import Inbox
    from agent.runtime.poller import Poller

log = structlog.get_logger()


async def follow(poller: Poller, driver: Streaming, inbox: Inbox) -> None:
    """Read a device's stream for ever; what it says while the connection is down is its memory's to tell."""
    sensor, pause = poller.sensor, BACK_OFF_FIRST
    while True:
        await asyncio.sleep(poller.patience.refused_for)
        why = "it ended"
        try:
            async for message in driver.messages():
                pause = BACK_OFF_FIRST
                with suppress(Garbled, NotStored):  # the inbox has said so, and nothing can be sent back
                    await inbox.put(sensor, message, "application/xml", {})
        except Refused as error:
            why = str(error)
            poller.patience.after([error])
        except SensorError as error:
            why = str(error)
        log.info("stream_ended", sensor=sensor, why=why)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads, hides nothing
        pause = min(BACK_OFF_CAP, pause * 2)
