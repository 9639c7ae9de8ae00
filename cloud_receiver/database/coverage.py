"""Which numbers HQ has: what a device may be asked to send again is taken out first, and put back if it will not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cloud_receiver.database.pool import Pool

FIND = """
SELECT stores.tenant, stores.store, devices.revoked IS NOT NULL AS revoked, coalesce(state.epoch, '') AS epoch,
       coalesce(upper(coverage.ranges) - 1, 0) AS highest
FROM devices JOIN stores ON stores.id = devices.store
LEFT JOIN device_state AS state ON state.device = devices.device
LEFT JOIN coverage ON coverage.device = devices.device AND coverage.epoch = state.epoch
WHERE devices.device = $1
"""
LOCK = """
SELECT (ranges * $3::text::int8multirange)::text AS ranges, (void * $3::text::int8multirange)::text AS void
FROM coverage WHERE device = $1 AND epoch = $2 FOR UPDATE
"""
FORGET = """
UPDATE coverage SET ranges = ranges - $3::text::int8multirange, void = void - $3::text::int8multirange
WHERE device = $1 AND epoch = $2
"""
PUT_BACK = """
UPDATE coverage SET ranges = ranges + $3::text::int8multirange,
                    void = void + ($4::text::int8multirange - (ranges - void)) WHERE device = $1 AND epoch = $2
"""


class Standing(NamedTuple):
    """Where a device belongs, the epoch it last named, and the highest number HQ has of that."""

    tenant: str
    store: str
    revoked: bool
    epoch: str
    highest: int


class Forgotten(NamedTuple):
    """What was taken out of a coverage, as PostgreSQL writes it."""

    device: str
    epoch: str
    ranges: str
    void: str


async def standing(pool: Pool, device: str) -> Standing | None:
    """None where the device is not registered."""
    row = await pool.fetchrow(FIND, device)
    return Standing(*row) if row else None


async def forget(pool: Pool, device: str, epoch: str, first: int, last: int) -> Forgotten:
    """Take numbers out of what HQ covers. Their rows stay: what comes again under the same version changes nothing."""
    asked = f"{{[{first},{last}]}}"
    async with pool.acquire() as connection, connection.transaction():
        held = await connection.fetchrow(LOCK, device, epoch, asked)
        await connection.execute(FORGET, device, epoch, asked)
    return Forgotten(device, epoch, *(held or ("{}", "{}")))


async def put_back(pool: Pool, taken: Forgotten) -> None:
    """The device said no: HQ covers what it covered. What came meanwhile as rows is not void."""
    await pool.execute(PUT_BACK, *taken)
