"""What could not be read, kept with its bytes and the reason, so that nothing is dropped unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cloud_receiver.database.pool import Pool

SET_ASIDE = """
INSERT INTO quarantine AS held (topic, sha, device, reason, payload, received) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (topic, sha) DO UPDATE SET times = held.times + 1
"""


class Unreadable(NamedTuple):
    """A message as it came, and why it was not taken."""

    topic: str
    sha: str
    device: str
    reason: str
    payload: bytes
    received: int


async def set_aside(pool: Pool, message: Unreadable) -> None:
    """Keep a message; one that comes again is counted."""
    await pool.execute(SET_ASIDE, *message)
