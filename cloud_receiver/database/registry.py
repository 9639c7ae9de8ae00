"""What HQ saw: epochs and sensors of its devices, and its own workers. Who may send is said by `devices`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from cloud_receiver.database.batches import SEE_EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.contract.messages import Birth
    from agent.contract.wire import Span
    from cloud_receiver.database.pool import Pool

FIND_STORES = """
SELECT asked.device, asked.tenant, devices.store FROM unnest($1::text[], $2::text[]) AS asked (device, tenant)
JOIN devices ON devices.device = asked.device AND devices.revoked IS NULL
JOIN stores ON stores.id = devices.store AND stores.tenant = asked.tenant
"""

# At most once a minute: who was shut out must not make HQ write.
SEE_REVOKED = """
WITH knocking AS (UPDATE devices SET tried = $2 WHERE device = $1 AND revoked IS NOT NULL
                  AND coalesce(tried, 0) <= $2 - 60)
SELECT true FROM devices WHERE device = $1 AND revoked IS NOT NULL
"""

SEE_SENSORS = """
INSERT INTO sensors (store, sensor, first_seen)
SELECT DISTINCT store, sensor, $3::bigint FROM unnest($1::int[], $2::text[]) AS said (store, sensor) ORDER BY 1, 2
ON CONFLICT (store, sensor) DO NOTHING
"""

# The upper bound of a range of whole numbers is open.
COVERED = """
SELECT device, epoch, lower(held) AS first, upper(held) - 1 AS last
FROM unnest($1::text[], $2::text[]) AS asked (device, epoch) JOIN coverage USING (device, epoch), unnest(ranges) AS held
ORDER BY 3
"""

# What an older boot says is not news.
SEE_BIRTH = """
INSERT INTO device_state AS held (device, boot, st, since, run, epoch, version, tz, schemas, born)
VALUES ($1, $2, 'online', $3, $4, $5, $6, $7, $8, $3)
ON CONFLICT (device) DO UPDATE SET
    boot = excluded.boot, st = 'online', run = excluded.run, epoch = excluded.epoch, version = excluded.version,
    tz = excluded.tz, schemas = excluded.schemas, born = excluded.born,
    since = CASE WHEN held.st = 'online' AND held.boot = excluded.boot THEN held.since ELSE excluded.since END
WHERE excluded.boot >= held.boot
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


class Born(NamedTuple):
    """A birth as it came."""

    tenant: str
    birth: Birth


async def greet(pool: Pool, born: Sequence[Born], now: int) -> list[list[Span] | None]:
    """Note epochs, sensors, boots and versions; which numbers of its epoch HQ has of each. None: not registered."""
    names = sorted({(birth.device, tenant) for tenant, birth in born})
    async with pool.acquire() as connection, connection.transaction():
        found = await connection.fetch(FIND_STORES, *map(list, zip(*names, strict=True)))
        stores = {(row["tenant"], row["device"]): row["store"] for row in found}
        known = sorted(
            ((stores[tenant, birth.device], birth) for tenant, birth in born if (tenant, birth.device) in stores),
            key=lambda each: (each[1].device, each[1].boot),
        )
        if not known:
            return [None] * len(born)
        epochs = sorted({(birth.device, birth.epoch) for _, birth in known})
        said = [(store, sensor) for store, birth in known for sensor in birth.sensors]
        await connection.executemany(SEE_EPOCH, [(*epoch, now) for epoch in epochs])
        await connection.execute(SEE_SENSORS, [store for store, _ in said], [sensor for _, sensor in said], now)
        await connection.executemany(
            SEE_BIRTH, [(b.device, b.boot, now, b.run, b.epoch, b.version, b.tz, b.schemas) for _, b in known]
        )
        held: dict[tuple[str, str], list[Span]] = {epoch: [] for epoch in epochs}
        for row in await connection.fetch(COVERED, *map(list, zip(*epochs, strict=True))):
            held[row["device"], row["epoch"]].append((row["first"], row["last"]))
    return [held[birth.device, birth.epoch] if (tenant, birth.device) in stores else None for tenant, birth in born]


async def see_revoked(pool: Pool, device: str, now: int) -> bool:
    """Whether a device was shut out; if so, note that it still tries."""
    return bool(await pool.fetchval(SEE_REVOKED, device, now))


async def share_group(pool: Pool) -> str:
    """The name under which all workers share their subscriptions; made once, and told to nobody."""
    return str(await pool.fetchval(SHARE_GROUP, f"ingest-{secrets.token_hex(16)}"))


async def next_boot(pool: Pool, worker: str) -> int:
    """How often this worker was started, this time included."""
    return int(await pool.fetchval(NEXT_BOOT, worker))
