"""What devices say of themselves: presence by boot, health, and their own counters beside HQ's coverage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.contract.messages import Health, State
    from cloud_receiver.database.pool import Pool

DAY = 86_400
HOUR = 3_600
SETTLED = 900  # s in which what a device counts as sent is expected here

# A device of another tenant, unknown or revoked, has no row; what an older boot says is not news.
SEE_STATE = """
INSERT INTO device_state AS held (device, boot, st, since, run)
SELECT devices.device, $3, $4, $5, $6 FROM devices JOIN stores ON stores.id = devices.store
WHERE devices.device = $1 AND stores.tenant = $2 AND devices.revoked IS NULL
ON CONFLICT (device) DO UPDATE SET boot = excluded.boot, st = excluded.st, since = excluded.since, run = excluded.run
WHERE excluded.boot >= held.boot AND (excluded.boot, excluded.st, excluded.run) <> (held.boot, held.st, held.run)
RETURNING true
"""

# One statement for all that came together; the device that said two has the later one kept.
SEE_HEALTH = """
INSERT INTO device_health AS held (device, received, boot, epoch, health)
SELECT devices.device, said.received, said.boot, said.epoch, said.health::jsonb
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])
     AS said (device, tenant, received, boot, epoch, health)
JOIN devices ON devices.device = said.device AND devices.revoked IS NULL
JOIN stores ON stores.id = devices.store AND stores.tenant = said.tenant
ORDER BY 1
ON CONFLICT (device) DO UPDATE SET
    received = excluded.received, boot = excluded.boot, epoch = excluded.epoch, health = excluded.health
RETURNING device
"""
REMEMBER = """
INSERT INTO device_health_hours (device, hour, health)
SELECT device, received - received % 3600, health FROM device_health WHERE device = ANY ($1::text[])
ON CONFLICT (hour, device) DO NOTHING
"""

# Only those whose last word on themselves is recent, and which this day has not compared yet.
TO_COMPARE = """
SELECT h.device, h.epoch, h.health,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM coverage, unnest(ranges) AS r
        WHERE coverage.device = h.device) AS covered,
       (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM coverage, unnest(ranges) AS r
        WHERE coverage.device = h.device AND coverage.epoch = h.epoch) AS of_epoch
FROM device_health AS h
WHERE h.received > $1 - 3600 AND h.device IN (SELECT device FROM devices WHERE revoked IS NULL)
  AND NOT EXISTS (SELECT 1 FROM comparisons WHERE comparisons.device = h.device AND comparisons.day = $2)
ORDER BY h.device LIMIT 1000
"""
NOTE_COMPARISON = """
INSERT INTO comparisons (device, day, epoch, created, acked, dropped, covered, missing, waiting, mismatch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (device, day) DO NOTHING
"""


class Said(NamedTuple):
    """A device's health as it came."""

    tenant: str
    device: str
    received: int
    health: Health


class Mismatch(NamedTuple):
    """A device and HQ count differently; the text says how."""

    device: str
    text: str


async def see_state(pool: Pool, tenant: str, device: str, state: State, now: int) -> bool:
    """Note whether a device is there; False where an older boot speaks, or it is no news."""
    seen = await pool.fetchval(SEE_STATE, device, tenant, state.boot, state.st, now, state.run)
    return seen is not None


async def see_health(pool: Pool, said: Sequence[Said]) -> set[str]:
    """Keep the latest of each device, and one an hour; the devices that are registered."""
    latest = {(each.tenant, each.device): each for each in said}
    columns = zip(
        *(
            (s.device, s.tenant, s.received, s.health.boot, s.health.epoch, s.health.model_dump_json())
            for s in latest.values()
        ),
        strict=True,
    )
    async with pool.acquire() as connection, connection.transaction():
        known = [row["device"] for row in await connection.fetch(SEE_HEALTH, *map(list, columns))]
        await connection.execute(REMEMBER, known)
    return set(known)


async def compare(pool: Pool, now: int) -> list[Mismatch]:
    """Set each device's own counters beside what HQ covers, once a day (UTC); those that differ."""
    day = now - now % DAY
    differing = []
    for row in await pool.fetch(TO_COMPARE, now, day):
        health = json.loads(row["health"])
        covered, of_epoch = int(row["covered"]), int(row["of_epoch"])
        last = health.get("last_number") or 0
        waiting = health["fresh"]["rows"] + health["backlog"]["rows"]
        missing = max(0, last - of_epoch)
        text = _differs(health, missing, waiting)
        await pool.execute(
            NOTE_COMPARISON,
            *(row["device"], day, row["epoch"], health["created"], health["acked"], health["dropped"]),
            *(covered, missing, waiting, text),
        )
        if text:
            differing.append(Mismatch(row["device"], text))
    return differing


def _differs(health: dict[str, Any], missing: int, waiting: int) -> str:
    """What cannot be, in words; nothing where all adds up. Coverage may have grown since, which only explains more."""
    # What is numbered is either here, or waits there, or is told as void with the next batch. Rows acknowledged are not
    # compared: after a restored database they are acknowledged, and counted, twice.
    if missing > waiting + health["void"] + health["dropped"]:
        return f"{missing} numbers of this epoch are not here, and only {waiting} wait on the device"
    return ""
