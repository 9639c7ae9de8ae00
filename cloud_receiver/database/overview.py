"""How the fleet does: who is silent, late, incomplete, forked, doubled, set aside, shut out, or has a wrong clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import parse_rfc3339
from cloud_receiver.database import forks, writers
from cloud_receiver.database.partitions import DAY

if TYPE_CHECKING:
    from cloud_receiver.database.forks import Entry
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.database.writers import Pair

SILENT_AFTER = 300  # s; health comes every minute
LATE_AFTER = 900  # s; what is older goes by the backlog lane

ASTRAY_BY = 60  # s between a device's clock and ours
ENDS_WITHIN = 60 * DAY  # s; a certificate is renewed from a third of its two years on, so this one was not

SILENT = """
SELECT devices.device, stores.tenant, stores.store, coalesce(state.st, 'never seen') AS st, heard.last
FROM devices JOIN stores ON stores.id = devices.store
LEFT JOIN device_state AS state ON state.device = devices.device
LEFT JOIN LATERAL (
    SELECT max(received) AS last FROM (
        SELECT received FROM device_health WHERE device_health.device = devices.device
        UNION ALL SELECT received FROM coverage WHERE coverage.device = devices.device) AS any_of) AS heard ON true
WHERE devices.revoked IS NULL AND (heard.last IS NULL OR heard.last < $1 OR state.st = 'offline')
ORDER BY 2, 3, 1
"""
LATE = """
SELECT h.device, stores.tenant, stores.store,
       (h.health->'backlog'->>'rows')::bigint + (h.health->'fresh'->>'rows')::bigint AS rows,
       (h.health->'backlog'->>'oldest_s')::float AS oldest_s
FROM device_health AS h JOIN devices USING (device) JOIN stores ON stores.id = devices.store
WHERE devices.revoked IS NULL AND (h.health->'backlog'->>'oldest_s')::float > $1
ORDER BY 5 DESC
"""
# Numbers below the highest that have not come; of the latest epoch of each device, since an older one gets no more.
INCOMPLETE = """
SELECT c.device, stores.tenant, stores.store, c.epoch,
       upper(c.ranges) - 1 - (SELECT sum(upper(r) - lower(r)) FROM unnest(c.ranges) AS r)::bigint AS missing,
       (SELECT min(upper(r)) FROM unnest(c.ranges + '{[0,1)}'::int8multirange) AS r) AS first_missing
FROM coverage AS c JOIN epochs AS e ON e.device = c.device AND e.epoch = c.epoch
JOIN devices ON devices.device = c.device JOIN stores ON stores.id = devices.store
WHERE devices.revoked IS NULL
  AND NOT EXISTS (SELECT 1 FROM epochs AS later WHERE later.device = c.device AND later.ordinal > e.ordinal)
  AND c.ranges + '{[0,1)}'::int8multirange <> int8multirange(int8range(0, upper(c.ranges)))
ORDER BY 2, 3, 1
"""
QUARANTINED = """
SELECT coalesce(device, '') AS device, count(*) AS messages, max(received) AS last
FROM quarantine GROUP BY 1 ORDER BY 2 DESC LIMIT 100
"""
# A device that was shut out and still tries: it may be in other hands.
KNOCKING = """
SELECT devices.device, stores.tenant, stores.store, devices.revoked, devices.tried
FROM devices JOIN stores ON stores.id = devices.store WHERE devices.tried >= $1 ORDER BY 5 DESC LIMIT 1000
"""
# What a device last said of itself and when that came; its clock stands in the text as the device wrote it.
SAID = """
SELECT h.device, stores.tenant, stores.store, h.health->>'ts' AS said, h.received, h.health->>'clock' AS clock
FROM device_health AS h JOIN devices USING (device) JOIN stores ON stores.id = devices.store
WHERE devices.revoked IS NULL ORDER BY 2, 3, 1
"""
ENDING = """
SELECT devices.device, stores.tenant, stores.store, newest.ends
FROM devices JOIN stores ON stores.id = devices.store
JOIN LATERAL (SELECT max(ends) AS ends FROM certificates WHERE certificates.device = devices.device) AS newest ON true
WHERE devices.revoked IS NULL AND newest.ends < $1 ORDER BY 4, 1
"""
DIFFERING = "SELECT device, mismatch AS text FROM comparisons WHERE day >= $1 AND mismatch <> '' ORDER BY 1"
TOTALS = """
SELECT (SELECT count(*) FROM devices) AS devices, (SELECT count(*) FROM raw_batches) AS kept_raw,
       pg_database_size(current_database()) AS database_bytes,
       (SELECT max(received) FROM coverage) AS last_batch
"""


class Silent(NamedTuple):
    """A device of which nothing was heard for five minutes, or that said goodbye."""

    device: str
    tenant: str
    store: str
    st: str
    last: int | None


class Late(NamedTuple):
    """A device that holds rows older than a quarter of an hour."""

    device: str
    tenant: str
    store: str
    rows: int
    oldest_s: float


class Incomplete(NamedTuple):
    """Numbers that HQ knows it has not got."""

    device: str
    tenant: str
    store: str
    epoch: str
    missing: int
    first_missing: int


class Quarantined(NamedTuple):
    """Messages of a device that could not be read."""

    device: str
    messages: int
    last: int


class Knocking(NamedTuple):
    """A revoked device that tried within the last day; nothing of it was written."""

    device: str
    tenant: str
    store: str
    revoked: int
    tried: int


class Differing(NamedTuple):
    """A device whose own counters do not agree with what HQ covers."""

    device: str
    text: str


class Astray(NamedTuple):
    """A device whose clock, in its last health, was more than a minute off."""

    device: str
    tenant: str
    store: str
    clock: str
    text: str


class Ending(NamedTuple):
    """A device whose newest certificate ends within two months, or has ended, so that the broker refuses it."""

    device: str
    tenant: str
    store: str
    ends: int
    text: str


class Totals(NamedTuple):
    """How large all this is."""

    devices: int
    kept_raw: int
    database_bytes: int
    last_batch: int | None


class Overview(NamedTuple):
    """Everything an operator should know of; all lists empty is a good day."""

    totals: Totals
    silent: list[Silent]
    late: list[Late]
    incomplete: list[Incomplete]
    forked: list[Entry]
    two_writers: list[Pair]
    quarantined: list[Quarantined]
    differing: list[Differing]
    revoked: list[Knocking]
    wrong_clocks: list[Astray]
    certificates: list[Ending]


async def overview(pool: Pool, now: int) -> Overview:
    """The state of the fleet as this database knows it."""
    totals = await pool.fetchrow(TOTALS)
    return Overview(
        totals=Totals(*totals) if totals else Totals(0, 0, 0, None),
        silent=[Silent(*row) for row in await pool.fetch(SILENT, now - SILENT_AFTER)],
        late=[Late(*row) for row in await pool.fetch(LATE, LATE_AFTER)],
        incomplete=[Incomplete(*row) for row in await pool.fetch(INCOMPLETE)],
        forked=await forks.listed(pool),
        two_writers=await writers.at_once(pool, now),
        quarantined=[Quarantined(*row) for row in await pool.fetch(QUARANTINED)],
        differing=[Differing(*row) for row in await pool.fetch(DIFFERING, now - DAY)],
        revoked=[Knocking(*row) for row in await pool.fetch(KNOCKING, now - DAY)],
        wrong_clocks=[
            Astray(row["device"], row["tenant"], row["store"], row["clock"] or "unknown", text)
            for row in await pool.fetch(SAID)
            if (text := _astray(row["said"], row["received"]))
        ],
        certificates=[
            Ending(row["device"], row["tenant"], row["store"], row["ends"], _ending(row["ends"], now))
            for row in await pool.fetch(ENDING, now + ENDS_WITHIN)
        ],
    )


def _astray(said: str, received: int) -> str:
    """How far a clock is off, in words; nothing where it is right, or says nothing that is a time."""
    try:
        ahead = parse_rfc3339(said) - received
    except ValueError:
        return f"says it is {said[:40]!r}"
    if abs(ahead) <= ASTRAY_BY:
        return ""
    return f"{_span(abs(ahead))} {'ahead' if ahead > 0 else 'behind'}: what it counts is put at wrong times"


def _ending(ends: int, now: int) -> str:
    if ends > now:
        return f"ends in {_span(ends - now)} and was not renewed: can the device reach the enrolment port?"
    return f"ended {_span(now - ends)} ago: the broker refuses it until it renews at the enrolment port"


def _span(seconds: float) -> str:
    """A length of time as a person says it: of two years nobody wants the seconds."""
    for unit, size in (("days", DAY), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
