"""Who is known to HQ: stores and their devices, epochs and sensors as first seen, and HQ's own workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloud_receiver.database.batches import SEE_EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_receiver.database.pool import Pool

ADD_STORE = "INSERT INTO stores (tenant, store) VALUES ($1, $2) ON CONFLICT (tenant, store) DO NOTHING"

# A device that is known moves to the store named now.
ADD_DEVICE = """
INSERT INTO devices (device, store, added)
SELECT $1, id, $4 FROM stores WHERE tenant = $2 AND store = $3
ON CONFLICT (device) DO UPDATE SET store = excluded.store
"""

LIST_DEVICES = """
SELECT devices.device, stores.tenant, stores.store, devices.added,
       (SELECT max(received) FROM batches WHERE batches.device = devices.device) AS last
FROM devices JOIN stores ON stores.id = devices.store
ORDER BY stores.tenant, stores.store, devices.device
"""

FIND_DEVICE = """
SELECT devices.store FROM devices JOIN stores ON stores.id = devices.store
WHERE devices.device = $1 AND stores.tenant = $2
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

NEXT_BOOT = """
INSERT INTO workers AS held (worker, boot) VALUES ($1, 1)
ON CONFLICT (worker) DO UPDATE SET boot = held.boot + 1 RETURNING boot
"""


class Device(NamedTuple):
    """One entry of the registry; `last` is when its last batch came."""

    device: str
    tenant: str
    store: str
    added: int
    last: int | None


async def add_device(pool: Pool, device: str, tenant: str, store: str, now: int) -> None:
    """Make a device and, where it is the first of its store, the store known; a known device moves."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ADD_STORE, tenant, store)
        await connection.execute(ADD_DEVICE, device, tenant, store, now)


async def devices(pool: Pool) -> list[Device]:
    """The whole registry."""
    return [Device(*row) for row in await pool.fetch(LIST_DEVICES)]


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


async def next_boot(pool: Pool, worker: str) -> int:
    """How often this worker was started, this time included."""
    return int(await pool.fetchval(NEXT_BOOT, worker))
