"""What HQ saw: epochs and sensors of its devices, and its own workers. Who may send is said by `devices`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from cloud_receiver.database.batches import SEE_EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_receiver.database.pool import Pool

FIND_DEVICE = """
SELECT devices.store FROM devices JOIN stores ON stores.id = devices.store
WHERE devices.device = $1 AND devices.revoked IS NULL AND stores.tenant = $2
"""

# At most once a minute: who was shut out must not make HQ write.
SEE_REVOKED = """
WITH knocking AS (UPDATE devices SET tried = $2 WHERE device = $1 AND revoked IS NOT NULL
                  AND coalesce(tried, 0) <= $2 - 60)
SELECT true FROM devices WHERE device = $1 AND revoked IS NOT NULL
"""

SEE_SENSORS = """
INSERT INTO sensors (store, sensor, first_seen) SELECT $1, unnest($2::text[]), $3
ON CONFLICT (store, sensor) DO NOTHING
"""

# The upper bound of a range of whole numbers is open.
COVERED = """
SELECT lower(held) AS first, upper(held) - 1 AS last
FROM coverage, unnest(ranges) AS held WHERE device = $1 AND epoch = $2 ORDER BY 1
"""

SHARE_GROUP = """
INSERT INTO share AS held (one, name) VALUES (true, $1)
ON CONFLICT (one) DO UPDATE SET name = held.name RETURNING name
"""

# Never below the time: a database restored from a dump must not say a boot that devices have heard before.
NEXT_BOOT = """
INSERT INTO workers AS held (worker, boot) VALUES ($1, extract(epoch FROM now())::bigint)
ON CONFLICT (worker) DO UPDATE SET boot = greatest(held.boot + 1, excluded.boot) RETURNING boot
"""


async def greet(
    pool: Pool, tenant: str, device: str, epoch: str, sensors: Sequence[str], now: int
) -> list[tuple[int, int]] | None:
    """Note a device's epoch and sensors; which of the epoch's numbers HQ has. None: the device is not registered."""
    async with pool.acquire() as connection, connection.transaction():
        store = await connection.fetchval(FIND_DEVICE, device, tenant)
        if store is None:
            return None
        await connection.execute(SEE_EPOCH, device, epoch, now)
        await connection.execute(SEE_SENSORS, store, sorted(set(sensors)), now)
        return [(row["first"], row["last"]) for row in await connection.fetch(COVERED, device, epoch)]


async def see_revoked(pool: Pool, device: str, now: int) -> bool:
    """Whether a device was shut out; if so, note that it still tries."""
    return bool(await pool.fetchval(SEE_REVOKED, device, now))


async def share_group(pool: Pool) -> str:
    """The name under which all workers share their subscriptions; made once, and told to nobody."""
    return str(await pool.fetchval(SHARE_GROUP, f"ingest-{secrets.token_hex(16)}"))


async def next_boot(pool: Pool, worker: str) -> int:
    """How often this worker was started, this time included."""
    return int(await pool.fetchval(NEXT_BOOT, worker))
