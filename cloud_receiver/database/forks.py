"""Two contents of one batch or one number: both kept, the second under a stream of its own until a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloud_receiver.database import rows
from cloud_receiver.database.rows import Piece, multirange

if TYPE_CHECKING:
    from cloud_receiver.database.batches import Batch
    from cloud_receiver.database.pool import Connection, Pool

RECORD = """
INSERT INTO forks (store, device, epoch, batch, sha, numbers, reason, found, payload)
VALUES ($1, $2, $3, $4, $5, $6::text::int8multirange, $7, $8, $9)
ON CONFLICT (device, batch, sha) DO NOTHING RETURNING id
"""

LIST = """
SELECT forks.id, stores.tenant, stores.store, forks.device, forks.batch, forks.reason, forks.found, forks.decided,
       forks.decision, forks.by, (SELECT count(*) FROM observations WHERE observations.stream = forks.id
                                  AND observations.store = forks.store) AS rows
FROM forks JOIN stores ON stores.id = forks.store
WHERE $1 OR forks.decided IS NULL ORDER BY forks.id
"""

# Both streams side by side, also where one has nothing at a place of the other.
COMPARE = """
SELECT f.sensor, f.place, f.metric, f.start, f."end", f.number, h.value AS held, h.device AS held_by,
       h.number AS held_number, f.value AS forked
FROM observations AS f
LEFT JOIN observations AS h ON h.store = f.store AND h.sensor = f.sensor AND h.place = f.place AND h.metric = f.metric
    AND h.start = f.start AND h.origin = f.origin AND h.stream = 0
WHERE f.stream = $1 AND f.store = (SELECT store FROM forks WHERE id = $1) ORDER BY f.start, 1, 2, 3 LIMIT $2
"""

TAKE = "SELECT store FROM forks WHERE id = $1 AND decided IS NULL FOR UPDATE"
PROMOTE = """
INSERT INTO observations AS held
    (store, sensor, place, metric, start, origin, stream, "end", value, quality, lower, upper, n, device, epoch, number)
SELECT store, sensor, place, metric, start, origin, 0, "end", value, quality, lower, upper, n, device, epoch, number
FROM observations WHERE stream = $1 AND store = $2
ORDER BY store, sensor, place, metric, start, origin
ON CONFLICT (store, sensor, place, metric, start, origin, stream) DO UPDATE SET
    "end" = excluded."end", value = excluded.value, quality = excluded.quality,
    lower = excluded.lower, upper = excluded.upper, n = excluded.n,
    device = excluded.device, epoch = excluded.epoch, number = excluded.number
"""
FORGET = "DELETE FROM observations WHERE stream = $1 AND store = $2"
DECIDE = "UPDATE forks SET decided = $2, decision = $3, by = $4 WHERE id = $1"


class Fork(NamedTuple):
    """A second content, with its rows and what it contradicts."""

    batch: Batch
    piece: Piece
    why: str


class Entry(NamedTuple):
    """One fork as an operator sees it; `rows` is what its stream still holds."""

    id: int
    tenant: str
    store: str
    device: str
    batch: str
    reason: str
    found: int
    decided: int | None
    decision: str | None
    by: str | None
    rows: int


class Both(NamedTuple):
    """One interval in both streams; `held` is what counts until somebody decides otherwise."""

    sensor: str
    place: str
    metric: str
    start: int
    end: int
    number: int
    held: float | None
    held_by: str | None
    held_number: int | None
    forked: float | None


async def record(connection: Connection, fork: Fork) -> None:
    """Keep a fork's bytes, and its rows as a stream no figure reads, within the caller's transaction."""
    batch, piece, why = fork
    stream = await connection.fetchval(
        RECORD,
        *(piece.store, piece.device, piece.epoch, batch.id, batch.sha, multirange(batch.seq), why),
        *(batch.received, batch.payload),
    )
    if stream is not None:  # else it was sent again before its answer came
        await rows.keep(connection, [Piece(piece.store, piece.device, piece.epoch, piece.rows, stream=stream)])


async def listed(pool: Pool, *, also_decided: bool = False) -> list[Entry]:
    """The forks that wait for a decision, or all there ever were."""
    return [Entry(*row) for row in await pool.fetch(LIST, also_decided)]


async def side_by_side(pool: Pool, fork: int, most: int = 1000) -> list[Both]:
    """What a fork says of each interval, beside what counts."""
    return [Both(*row) for row in await pool.fetch(COMPARE, fork, most)]


async def decide(pool: Pool, fork: int, decision: str, by: str, now: int) -> bool:
    """Let the rows held (`held`) or the fork's (`fork`) count from now on; False where there is nothing to decide."""
    async with pool.acquire() as connection, connection.transaction():
        store = await connection.fetchval(TAKE, fork)
        if store is None:
            return False
        if decision == "fork":
            await connection.execute(PROMOTE, fork, store)
        await connection.execute(FORGET, fork, store)
        await connection.execute(DECIDE, fork, now, decision, by)
    return True
