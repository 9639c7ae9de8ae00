"""One batch, one transaction: id and sha, rows by version, coverage. Nothing of it is seen before COMMIT, or ever."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.observation import Quality

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.contract.observation import LedgerEntry, Numbered
    from cloud_receiver.database.pool import Connection, Pool

    Key = tuple[str, str, str, int, int]

# What is known of a batch's device, epoch, id and numbers before it is written.
LOOK = """
SELECT devices.store, epochs.ordinal, batches.sha,
       (SELECT coalesce(sum(upper(held) - lower(held)), 0)
        FROM coverage, unnest(coverage.ranges * $5::text::int8multirange) AS held
        WHERE coverage.device = $1 AND coverage.epoch = $3) AS covered
FROM devices
JOIN stores ON stores.id = devices.store
LEFT JOIN epochs ON epochs.device = $1 AND epochs.epoch = $3
LEFT JOIN batches ON batches.device = $1 AND batches.id = $4
WHERE devices.device = $1 AND stores.tenant = $2
"""

SEE_EPOCH = """
INSERT INTO epochs (device, epoch, first_seen) VALUES ($1, $2, $3) ON CONFLICT (device, epoch) DO NOTHING
"""

# The batch's name and its numbers. No row comes back where another worker was faster with the same id.
RECORD = """
WITH recorded AS (
    INSERT INTO batches (device, id, sha, epoch, lane, schema, rows, bytes, received)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (device, id) DO NOTHING
    RETURNING device, epoch
)
INSERT INTO coverage (device, epoch, ranges)
SELECT device, epoch, $10::text::int8multirange FROM recorded
ON CONFLICT (device, epoch) DO UPDATE SET ranges = coverage.ranges + excluded.ranges
RETURNING true
"""

# Rows come one a key and in key order. 2 is the flag `provisional`, 3 the origin `edge`: a device's last word on an
# interval is never replaced by a provisional one.
KEEP_ROWS = """
INSERT INTO observations AS held
    (store, sensor, place, metric, start, origin, "end", value, quality, lower, upper, n, device, epoch, number)
SELECT $1, sensor, place, metric, start, origin, "end", value, quality, lower, upper, n, $2, $3, number FROM staged
ON CONFLICT (store, sensor, place, metric, start, origin) DO UPDATE SET
    "end" = excluded."end", value = excluded.value, quality = excluded.quality,
    lower = excluded.lower, upper = excluded.upper, n = excluded.n,
    device = excluded.device, epoch = excluded.epoch, number = excluded.number
WHERE (excluded.epoch, excluded.number) > (held.epoch, held.number)
  AND NOT (excluded.value IS NOT NULL AND excluded.quality & 2 <> 0
           AND held.value IS NOT NULL AND held.quality & 2 = 0 AND held.origin <> 3)
"""

KEEP_ENTRY = """
INSERT INTO gaps AS held (store, sensor, start, reason, "end", state, numbers, device, epoch, number)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::int8multirange, $8, $9, $10)
ON CONFLICT (store, sensor, start, reason) DO UPDATE SET
    "end" = excluded."end", state = excluded.state, numbers = excluded.numbers,
    device = excluded.device, epoch = excluded.epoch, number = excluded.number
WHERE (excluded.epoch, excluded.number) > (held.epoch, held.number)
"""

KEEP_RAW = "INSERT INTO raw_batches (device, id, schema, payload) VALUES ($1, $2, $3, $4)"


class Batch(NamedTuple):
    """A batch as it was read; `entries` are a ledger's, `raw` the payload of a schema newer than ours."""

    tenant: str
    device: str
    epoch: str
    id: str
    sha: str
    lane: str
    schema: str
    seq: Sequence[tuple[int, int]]
    void: Sequence[tuple[int, int]]
    n: int
    length: int
    received: int
    rows: Sequence[Numbered] = ()
    entries: Sequence[tuple[int, LedgerEntry]] = ()
    raw: bytes | None = None


class Fate(StrEnum):
    """What became of a batch. The first three are words of the wire."""

    COMMITTED = "committed"
    DUPLICATE = "duplicate"
    FORK = "fork"
    UNREGISTERED = "unregistered"


class Outcome(NamedTuple):
    """What became of a batch, and how many of its rows HQ covered before."""

    fate: Fate
    new: int = 0
    duplicate: int = 0


class _Overtaken(Exception):
    """Another worker was faster with the same batch: roll back and look again."""


async def store(pool: Pool, batch: Batch) -> Outcome:
    """Write a batch once. When this returns it is committed; when it raises, nothing of it is there."""
    while True:
        with contextlib.suppress(_Overtaken):
            async with pool.acquire() as connection:
                known = await connection.fetchrow(
                    LOOK, batch.device, batch.tenant, batch.epoch, batch.id, multirange(batch.seq)
                )
                if known is None:
                    return Outcome(Fate.UNREGISTERED)
                if known["sha"] is not None:
                    same = known["sha"] == batch.sha
                    return Outcome(Fate.DUPLICATE, duplicate=batch.n) if same else Outcome(Fate.FORK)
                if known["ordinal"] is None:
                    await connection.execute(SEE_EPOCH, batch.device, batch.epoch, batch.received)
                    continue
                async with connection.transaction():
                    await _write(connection, batch, known["store"], known["ordinal"])
                covered = int(known["covered"])
                return Outcome(Fate.COMMITTED, new=batch.n - covered, duplicate=covered)


async def _write(connection: Connection, batch: Batch, shop: int, ordinal: int) -> None:
    """Rows first, the device's coverage last: its lock is what two batches of a device would wait for."""
    if batch.rows:
        await connection.copy_records_to_table("staged", records=_by_key(batch.rows))
        await connection.execute(KEEP_ROWS, shop, batch.device, ordinal)
    if batch.entries:
        await connection.executemany(
            KEEP_ENTRY,
            [
                (
                    shop,
                    e.sensor,
                    e.start,
                    e.reason,
                    e.end,
                    e.state,
                    multirange(e.numbers),
                    batch.device,
                    ordinal,
                    number,
                )
                for number, e in sorted(batch.entries, key=lambda entry: (entry[1].sensor, entry[1].start))
            ],
        )
    if not await _record(connection, batch):
        raise _Overtaken
    if batch.raw is not None:
        await connection.execute(KEEP_RAW, batch.device, batch.id, batch.schema, batch.raw)


async def _record(connection: Connection, batch: Batch) -> bool:
    return bool(
        await connection.fetchval(
            RECORD,
            *(batch.device, batch.id, batch.sha, batch.epoch, batch.lane, batch.schema, batch.n, batch.length),
            *(batch.received, multirange((*batch.seq, *batch.void))),
        )
    )


def _by_key(rows: Sequence[Numbered]) -> list[tuple[object, ...]]:
    """The rows as `staged` has them, one a key, in key order (which keeps two workers from deadlocks)."""
    latest: dict[Key, Numbered] = {}
    for numbered in rows:
        row = numbered.observation
        key = (row.sensor, row.place, row.metric, row.start, int(row.origin))
        held = latest.get(key)
        if held is None or _replaces(numbered, held):
            latest[key] = numbered
    return [
        (*key, row.end, row.value, int(row.quality), row.lower, row.upper, row.n, number)
        for key, (number, row) in sorted(latest.items(), key=lambda item: item[0])
    ]


def _replaces(later: Numbered, held: Numbered) -> bool:
    """The rule of KEEP_ROWS, for two versions of a key within one batch."""
    provisional = later.observation.value is not None and bool(later.observation.quality & Quality.PROVISIONAL)
    return later.number > held.number and not (provisional and held.observation.finished)


def multirange(spans: Iterable[tuple[int, int]]) -> str:
    """Closed ranges as PostgreSQL writes an int8multirange."""
    return "{" + ",".join(f"[{first},{last}]" for first, last in spans) + "}"
