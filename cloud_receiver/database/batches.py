"""Batches and their one transaction: ids and hashes, rows by version, coverage. Nothing of it is seen before COMMIT."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.ranges import Ranges
from cloud_receiver.database import forks, marks, rows
from cloud_receiver.database.rows import Piece, multirange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agent.contract.happenings import Alert, ManualCount
    from agent.contract.observation import LedgerEntry, Numbered
    from cloud_receiver.database.pool import Connection, Pool

# What is known of each batch's device, epoch, id and numbers before any is written.
LOOK = """
SELECT CASE WHEN devices.revoked IS NULL THEN stores.id END AS store, devices.revoked IS NOT NULL AS revoked,
       epochs.ordinal, held.sha,
       coalesce((SELECT sum(upper(r) - lower(r)) FROM unnest(coverage.ranges * asked.seq::int8multirange) AS r), 0)
           AS covered,
       coalesce(coverage.ranges && (asked.seq::int8multirange + asked.void::int8multirange), false) AS overlaps,
       coalesce(coverage.ranges @> (asked.seq::int8multirange + asked.void::int8multirange), false) AS whole
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
     WITH ORDINALITY AS asked (device, tenant, epoch, id, seq, void, k)
LEFT JOIN (devices JOIN stores ON stores.id = devices.store)
     ON devices.device = asked.device AND stores.tenant = asked.tenant
LEFT JOIN epochs ON epochs.device = asked.device AND epochs.epoch = asked.epoch
LEFT JOIN coverage ON coverage.device = asked.device AND coverage.epoch = asked.epoch
LEFT JOIN LATERAL (SELECT sha FROM batches WHERE batches.device = asked.device AND batches.id = asked.id
                   ORDER BY received DESC LIMIT 1) AS held ON true
ORDER BY asked.k
"""

SEE_EPOCH = """
INSERT INTO epochs (device, epoch, first_seen) VALUES ($1, $2, $3) ON CONFLICT (device, epoch) DO NOTHING
"""

# Names and numbers. Fewer rows come back where another worker was faster with some of these numbers; $13 says that
# this was looked into. Coverage comes last: its lock is what two batches of a device would wait for.
RECORD = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[],
                         $9::bigint[], $10::text[], $11::text[], $12::bytea[])
             AS g (device, id, sha, epoch, lane, schema, rows, bytes, received, seq, void, marks)
), recorded AS (
    INSERT INTO batches (device, id, sha, epoch, lane, schema, rows, bytes, received, seq, marks)
    SELECT device, id, sha, epoch, lane, schema, rows, bytes, received, seq::int8multirange, marks FROM given
    ON CONFLICT (device, id, received) DO NOTHING
)
INSERT INTO coverage (device, epoch, ranges, void, received)
SELECT device, epoch, coalesce(range_agg(r) FILTER (WHERE r IS NOT NULL), '{}'),
       coalesce(range_agg(r) FILTER (WHERE r IS NOT NULL AND NOT is_row), '{}')
       - coalesce(range_agg(r) FILTER (WHERE is_row), '{}'), max(received)
FROM given LEFT JOIN LATERAL (SELECT unnest(seq::int8multirange) AS r, true AS is_row
                              UNION ALL SELECT unnest(void::int8multirange), false) AS told ON true
GROUP BY device, epoch ORDER BY device, epoch
ON CONFLICT (device, epoch) DO UPDATE SET
    ranges = coverage.ranges + excluded.ranges, received = greatest(coverage.received, excluded.received),
    void = coverage.void - (excluded.ranges - excluded.void) + (excluded.void - (coverage.ranges - coverage.void))
WHERE $13::bool OR NOT coverage.ranges && excluded.ranges
RETURNING device
"""

LOCK_COVERAGE = "SELECT ranges::text FROM coverage WHERE device = $1 AND epoch = $2 FOR UPDATE"
OVERLAP = """
SELECT lower(r) AS first, upper(r) - 1 AS last
FROM coverage, unnest(ranges * $3::text::int8multirange) AS r WHERE device = $1 AND epoch = $2
"""

KEEP_RAW = """
INSERT INTO raw_batches (device, id, schema, payload, tenant) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (device, id) DO UPDATE SET payload = excluded.payload, schema = excluded.schema
"""
TAKE_RAW = """
DELETE FROM raw_batches WHERE (device, id) IN (
    SELECT device, id FROM raw_batches WHERE schema = ANY ($1::text[]) LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING tenant, device, payload
"""
SET_ASIDE_RAW = """
INSERT INTO quarantine (topic, sha, device, reason, payload, received)
VALUES ('raw/' || $1, md5($2), $1, 'kept raw, and not readable by this version either', $2,
        extract(epoch FROM now())::bigint)
ON CONFLICT (topic, sha) DO NOTHING
"""


class Batch(NamedTuple):
    """A batch as it was read; `entries` are a ledger's, `newer` says that its schema is newer than ours."""

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
    received: int
    payload: bytes
    rows: Sequence[Numbered] = ()
    entries: Sequence[tuple[int, LedgerEntry]] = ()
    alerts: Sequence[tuple[int, Alert]] = ()
    manual: Sequence[tuple[int, ManualCount]] = ()
    sensors: Sequence[str] = ()
    newer: bool = False


class Fate(StrEnum):
    """What became of a batch. The first three are words of the wire."""

    COMMITTED = "committed"
    DUPLICATE = "duplicate"
    FORK = "fork"
    UNREGISTERED = "unregistered"
    REVOKED = "revoked"


class Outcome(NamedTuple):
    """What became of a batch, how many of its rows HQ covered before, and where it was written."""

    fate: Fate
    new: int = 0
    duplicate: int = 0
    why: str = ""
    store: int = 0
    epoch: int = 0


class _Known(NamedTuple):
    """What HQ knows of a batch: its store, its epoch's ordinal, the hash of its id, and its numbers held."""

    store: int | None
    revoked: bool
    epoch: int | None
    sha: str | None
    covered: int
    overlaps: bool
    whole: bool

    def has(self, sha: str) -> bool:
        """Whether HQ has this very batch: where it was asked to send again, the name alone proves nothing."""
        return self.sha == sha and self.whole


class _LookAgain(Exception):
    """An epoch was new, or another worker was faster: what was known is no longer so."""


async def store(pool: Pool, group: Sequence[Batch], *, remembered: int = 0, decided: bool = False) -> list[Outcome]:
    """Write batches once, together. When this returns they are committed; when it raises, each is whole or not there.

    `remembered`: since when (UTC seconds) HQ holds every row it got. `decided`: a person has looked, so numbers that
    HQ covers already make no fork.
    """
    outcomes: dict[int, Outcome] = {}
    async with pool.acquire() as connection:
        while left := [k for k in range(len(group)) if k not in outcomes]:
            together = _apart(group, left)
            try:
                done = await _together(connection, [group[k] for k in together], remembered, decided=decided)
            except _LookAgain:
                continue
            outcomes.update((together[at], outcome) for at, outcome in done)
    return [outcomes[k] for k in range(len(group))]


def _apart(group: Sequence[Batch], left: Iterable[int]) -> list[int]:
    """Those that can be written together: none has an id or a number of another."""
    taken: dict[tuple[str, str], Ranges] = {}
    ids: set[tuple[str, str]] = set()
    chosen = []
    for k in left:
        batch = group[k]
        held = taken.setdefault((batch.device, batch.epoch), Ranges())
        spans = (*batch.seq, *batch.void)
        if (batch.device, batch.id) not in ids and not any(held.between(a, b) for a, b in spans):
            ids.add((batch.device, batch.id))
            held.update(spans)
            chosen.append(k)
    return chosen


async def _together(
    connection: Connection, group: Sequence[Batch], remembered: int, *, decided: bool
) -> list[tuple[int, Outcome]]:
    """Write what is plainly new in one transaction; the rest is looked into, one at a time."""
    known = await _look(connection, group)
    unseen = {(b.device, b.epoch, b.received) for b, k in zip(group, known, strict=True) if k.store and not k.epoch}
    if unseen:
        await connection.executemany(SEE_EPOCH, sorted(unseen))
        raise _LookAgain
    done, plain, doubtful = [], [], []
    for at, (batch, k) in enumerate(zip(group, known, strict=True)):
        if k.store is None or k.epoch is None:
            done.append((at, Outcome(Fate.REVOKED if k.revoked else Fate.UNREGISTERED)))
        elif k.has(batch.sha) and not decided:
            done.append((at, Outcome(Fate.DUPLICATE, 0, batch.n, "", k.store, k.epoch)))
        elif k.sha is not None or k.overlaps:
            doubtful.append(at)
        else:
            plain.append(at)
            done.append((at, Outcome(Fate.COMMITTED, batch.n, 0, "", k.store, k.epoch)))
    if plain:
        async with connection.transaction():
            await _write(connection, [group[at] for at in plain], [known[at] for at in plain], force=False)
    return [*done, *[(at, await _doubt(connection, group[at], remembered, decided=decided)) for at in doubtful]]


async def _look(connection: Connection, group: Sequence[Batch]) -> list[_Known]:
    asked = zip(
        *((b.device, b.tenant, b.epoch, b.id, multirange(b.seq), multirange(b.void)) for b in group), strict=True
    )
    return [
        _Known(
            *(row["store"], row["revoked"], row["ordinal"], row["sha"]),
            *(int(row["covered"]), row["overlaps"], row["whole"]),
        )
        for row in await connection.fetch(LOOK, *map(list, asked))
    ]


async def _doubt(connection: Connection, batch: Batch, remembered: int, *, decided: bool) -> Outcome:
    """A batch of which HQ has the id, or some numbers: more of the same, or another content (wire.md, rule 6)."""
    async with connection.transaction():
        await connection.execute(LOCK_COVERAGE, batch.device, batch.epoch)
        [known] = await _look(connection, [batch])
        if known.store is None or known.epoch is None:
            raise _LookAgain
        if known.has(batch.sha) and not decided:
            return Outcome(Fate.DUPLICATE, 0, batch.n, "", known.store, known.epoch)
        piece = _piece(batch, known)
        why = "" if decided else await _forked(connection, batch, piece, known, remembered)
        if why:
            await forks.record(connection, forks.Fork(batch, piece, why))
            return Outcome(Fate.FORK, 0, 0, why, known.store, known.epoch)
        await _write(connection, [batch], [known], force=True)
    return Outcome(Fate.COMMITTED, batch.n - known.covered, known.covered, "", known.store, known.epoch)


async def _forked(connection: Connection, batch: Batch, piece: Piece, known: _Known, remembered: int) -> str:
    """In what this batch contradicts what HQ has; nothing where it does not."""
    if known.sha not in (None, batch.sha):
        return f"fork: batch {batch.id} came before with other content"
    overlap = Ranges(
        (row["first"], row["last"])
        for row in await connection.fetch(OVERLAP, batch.device, batch.epoch, multirange(batch.seq))
    )
    again = piece._replace(
        rows=[row for row in piece.rows if row.number in overlap],
        entries=[entry for entry in piece.entries if entry[0] in overlap],
    )
    number = await rows.clashes(connection, again, remembered)
    if number is None:
        number = await marks.contradicted(connection, batch, overlap)
    return "" if number is None else f"fork: number {number} came before with other content"


def _piece(batch: Batch, known: _Known) -> Piece:
    return Piece(
        *(known.store or 0, batch.device, known.epoch or 0, batch.rows, batch.entries),
        alerts=batch.alerts,
        manual=batch.manual,
    )


async def _write(connection: Connection, group: Sequence[Batch], known: Sequence[_Known], *, force: bool) -> None:
    """Rows, names and coverage, within the caller's transaction."""
    await rows.keep(connection, [_piece(batch, k) for batch, k in zip(group, known, strict=True)])
    for batch in group:
        if batch.newer:
            await connection.execute(KEEP_RAW, batch.device, batch.id, batch.schema, batch.payload, batch.tenant)
    given = zip(
        *(
            (
                *(b.device, b.id, b.sha, b.epoch, b.lane, b.schema, b.n, len(b.payload), b.received),
                *(multirange(b.seq), multirange(b.void), marks.marks(b)),
            )
            for b in group
        ),
        strict=True,
    )
    covered = await connection.fetch(RECORD, *map(list, given), force)
    if len(covered) < len({(b.device, b.epoch) for b in group}):
        raise _LookAgain


async def store_raw(pool: Pool, schemas: Sequence[str], read: Callable[[str, str, bytes], Batch | None]) -> bool:
    """Write the rows of one batch that was kept raw and can be read by now; False where none is left.

    Its numbers are covered since it came. What `read` gives None for is gone with this transaction: it was set aside.
    """
    async with pool.acquire() as connection, connection.transaction():
        kept = await connection.fetchrow(TAKE_RAW, list(schemas))
        if kept is None:
            return False
        batch = read(kept["tenant"], kept["device"], kept["payload"])
        if batch is None:
            await connection.execute(SET_ASIDE_RAW, kept["device"], kept["payload"])
            return True
        [known] = await _look(connection, [batch])
        if known.store is not None and known.epoch is not None:
            await rows.keep(connection, [_piece(batch, known)])
        return True
