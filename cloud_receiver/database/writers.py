"""Who writes which sensor: two at the same time are two devices, or two copies of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloud_receiver.database.pool import Pool

SEE_WRITERS = """
INSERT INTO sensor_writers AS held (store, sensor, epoch, first_seen, last_seen)
SELECT s, n, e, $4, $4 FROM unnest($1::int[], $2::text[], $3::bigint[]) AS seen (s, n, e) ORDER BY 1, 2, 3
ON CONFLICT (store, sensor, epoch) DO UPDATE SET last_seen = excluded.last_seen
WHERE excluded.last_seen > held.last_seen
"""

# Both wrote within the last quarter of an hour, and the older went on a minute after the younger had begun: a device
# that changed its epoch stops writing under the one before.
AT_ONCE = """
SELECT stores.tenant, stores.store, a.sensor, ea.device AS one, eb.device AS other
FROM sensor_writers AS a
JOIN sensor_writers AS b ON b.store = a.store AND b.sensor = a.sensor AND b.epoch > a.epoch
JOIN epochs AS ea ON ea.ordinal = a.epoch
JOIN epochs AS eb ON eb.ordinal = b.epoch
JOIN stores ON stores.id = a.store
WHERE a.last_seen > $1 AND b.last_seen > $1 AND a.last_seen > greatest(a.first_seen, b.first_seen) + 60
ORDER BY 1, 2, 3
"""

RECENT = 900  # s
EVERY = 60  # s between two notes on the same writer


class Writer(NamedTuple):
    """A sensor of a store, and the ordinal of the epoch that writes it."""

    store: int
    sensor: str
    epoch: int


class Pair(NamedTuple):
    """Two devices (or the same name twice: two copies of it) that write one sensor at the same time."""

    tenant: str
    store: str
    sensor: str
    one: str
    other: str


async def see(pool: Pool, seen: Iterable[Writer], now: int) -> None:
    """Note who writes."""
    stores, sensors, epochs = zip(*seen, strict=True)
    await pool.execute(SEE_WRITERS, list(stores), list(sensors), list(epochs), now)


async def at_once(pool: Pool, now: int) -> list[Pair]:
    """The sensors that two write."""
    return [Pair(*row) for row in await pool.fetch(AT_ONCE, now - RECENT)]
