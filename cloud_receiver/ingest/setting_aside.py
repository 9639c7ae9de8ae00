"""What cannot be read is kept with its bytes and the reason, and said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent.contract.wire import sha_of
from cloud_receiver.database import quarantine
from cloud_receiver.database.pool import persistently
from cloud_receiver.database.quarantine import Unreadable

if TYPE_CHECKING:
    from agent.foundation.mqtt import Received
    from cloud_receiver.database.pool import Pool

log = structlog.get_logger()

LONGEST_REASON = 500  # characters


async def set_aside(pool: Pool, message: Received, why: str, now: int) -> None:
    """Put a message into quarantine, however long the database is away."""
    sha = sha_of(message.payload)
    log.warning("quarantined", topic=message.topic, sha=sha, why=why)
    device = message.topic.split("/")[-2]
    unreadable = Unreadable(message.topic, sha, device, sayable(why), message.payload, now)
    await persistently(lambda: quarantine.set_aside(pool, unreadable), "quarantine")


def sayable(text: str) -> str:
    """A reason that JSON and PostgreSQL can carry, whatever a message had in it."""
    return text[:LONGEST_REASON].encode(errors="replace").decode().replace("\0", "")
