"""What is not taken: the unreadable is kept with its bytes and the reason, the revoked is noted, and said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent.contract.wire import sha_of
from cloud_receiver.database import quarantine, registry
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


async def see_revoked(pool: Pool, device: str, now: int) -> bool:
    """Whether a device was shut out; that it still tries is noted and said, its messages are dropped."""
    revoked = await persistently(lambda: registry.see_revoked(pool, device, now), "revoked")
    if revoked:
        log.warning("device_revoked", device=device, remedy="footfall-receiver status shows who still tries")
    return revoked


def sayable(text: str) -> str:
    """A reason that JSON and PostgreSQL can carry, whatever a message had in it."""
    return text[:LONGEST_REASON].encode(errors="replace").decode().replace("\0", "")
