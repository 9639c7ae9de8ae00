"""What could not be read, kept with its bytes and the reason, so that nothing is dropped unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cloud_receiver.database.pool import Pool

SET_ASIDE = """
INSERT INTO quarantine AS held (topic, sha, device, reason, payload, received)
SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (SELECT 1 FROM devices WHERE devices.device = $3 AND devices.revoked IS NOT NULL)
ON CONFLICT (topic, sha) DO UPDATE SET times = held.times + 1
"""
LIST = """
SELECT id, topic, device, reason, length(payload) AS bytes, received, times FROM quarantine ORDER BY id DESC LIMIT $1
"""
FIND = """
SELECT id, topic, device, reason, length(payload) AS bytes, received, times, payload FROM quarantine WHERE id = $1
"""
DROP = "DELETE FROM quarantine WHERE id = $1"


class Unreadable(NamedTuple):
    """A message as it came, and why it was not taken."""

    topic: str
    sha: str
    device: str
    reason: str
    payload: bytes
    received: int


class Entry(NamedTuple):
    """One message set aside, as an operator sees it."""

    id: int
    topic: str
    device: str | None
    reason: str
    bytes: int
    received: int
    times: int


async def set_aside(pool: Pool, message: Unreadable) -> None:
    """Keep a message; one that comes again is counted, and of a revoked device nothing is written."""
    await pool.execute(SET_ASIDE, *message)


async def listed(pool: Pool, most: int) -> list[Entry]:
    """The messages set aside, the latest first."""
    return [Entry(*row) for row in await pool.fetch(LIST, most)]


async def find(pool: Pool, message: int) -> tuple[Entry, bytes] | None:
    """One of them, with its bytes."""
    row = await pool.fetchrow(FIND, message)
    return None if row is None else (Entry(*row[:-1]), row["payload"])


async def drop(pool: Pool, message: int) -> bool:
    """Forget one; False where there is none."""
    return str(await pool.execute(DROP, message)).endswith(" 1")
