"""Rows on their way into their tables: one a key, highest version first, in key order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.observation import Quality

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.contract.happenings import Alert, ManualCount
    from agent.contract.observation import LedgerEntry, Numbered, Observation
    from cloud_receiver.database.pool import Connection

    Key = tuple[int, str, str, str, int, int, int]

# Rows come one a key and in key order. 2 is the flag `provisional`, 3 the origin `edge`: a device's last word on an
# interval is never replaced by a provisional one.
KEEP_ROWS = """
INSERT INTO observations AS held
    (store, sensor, place, metric, start, origin, stream, "end", value, quality, lower, upper, n, device, epoch, number)
SELECT store, sensor, place, metric, start, origin, stream, "end", value, quality, lower, upper, n,
       device, epoch, number
FROM staged
ON CONFLICT (store, sensor, place, metric, start, origin, stream) DO UPDATE SET
    "end" = excluded."end", value = excluded.value, quality = excluded.quality,
    lower = excluded.lower, upper = excluded.upper, n = excluded.n,
    device = excluded.device, epoch = excluded.epoch, number = excluded.number
WHERE (excluded.epoch, excluded.number) > (held.epoch, held.number)
  AND NOT (excluded.value IS NOT NULL AND excluded.quality & 2 <> 0
           AND held.value IS NOT NULL AND held.quality & 2 = 0 AND held.origin <> 3)
"""

# What one device answered, the next one on the same camera cannot call lost.
KEEP_ENTRY = """
INSERT INTO gaps AS held (store, sensor, start, reason, "end", state, numbers, device, epoch, number)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::int8multirange, $8, $9, $10)
ON CONFLICT (store, sensor, start, reason) DO UPDATE SET
    "end" = excluded."end", state = excluded.state, numbers = excluded.numbers,
    device = excluded.device, epoch = excluded.epoch, number = excluded.number
WHERE (excluded.epoch, excluded.number) > (held.epoch, held.number)
  AND NOT (excluded.state = 'lost' AND held.state = 'answered' AND excluded.epoch <> held.epoch)
"""

KEEP_ALERT = """
INSERT INTO alerts AS held
    (store, alert, at, state, rule, scope, severity, value, text, device, epoch, number)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (store, alert, at, state) DO UPDATE SET
    rule = excluded.rule, scope = excluded.scope, severity = excluded.severity, value = excluded.value,
    text = excluded.text, device = excluded.device, epoch = excluded.epoch, number = excluded.number
WHERE (excluded.epoch, excluded.number) > (held.epoch, held.number)
"""
KEEP_MANUAL = """
INSERT INTO manual_counts AS held
    (store, sensor, place, start, "end", by, entered, "left", device, epoch, number)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (store, sensor, place, start, "end", by) DO UPDATE SET
    entered = excluded.entered, "left" = excluded."left",
    device = excluded.device, epoch = excluded.epoch, number = excluded.number
WHERE (excluded.epoch, excluded.number) > (held.epoch, held.number)
"""

# Numbers that HQ covers, told again: a row that is not what HQ has, or that HQ cannot have had. Where a later version
# is held nothing can be said, nor where a provisional row came after a finished one, nor of what retention took.
CLASHES = """
SELECT s.number
FROM staged AS s
LEFT JOIN observations AS h ON h.store = s.store AND h.sensor = s.sensor AND h.place = s.place AND h.metric = s.metric
    AND h.start = s.start AND h.origin = s.origin AND h.stream = 0
WHERE s.start > $1 AND CASE
    WHEN h.epoch IS NULL THEN true
    WHEN (h.epoch, h.number) > (s.epoch, s.number) THEN false
    WHEN (h.epoch, h.number) = (s.epoch, s.number) THEN
        (h."end", h.value, h.quality, h.lower, h.upper, h.n)
        IS DISTINCT FROM (s."end", s.value, s.quality, s.lower, s.upper, s.n)
    ELSE NOT (s.value IS NOT NULL AND s.quality & 2 <> 0 AND h.value IS NOT NULL AND h.quality & 2 = 0)
END
ORDER BY 1 LIMIT 1
"""
HELD_ENTRY = """
SELECT "end", state, epoch, number FROM gaps WHERE store = $1 AND sensor = $2 AND start = $3 AND reason = $4
"""
EMPTY = "DELETE FROM staged"


class Piece(NamedTuple):
    """A batch's rows, and whose they are."""

    store: int
    device: str
    epoch: int
    rows: Sequence[Numbered] = ()
    entries: Sequence[tuple[int, LedgerEntry]] = ()
    stream: int = 0
    alerts: Sequence[tuple[int, Alert]] = ()
    manual: Sequence[tuple[int, ManualCount]] = ()


async def keep(connection: Connection, pieces: Sequence[Piece]) -> None:
    """Write rows and ledger entries by version, within the caller's transaction."""
    staged = _staged(pieces)
    if staged:
        await connection.copy_records_to_table("staged", records=staged)
        await connection.execute(KEEP_ROWS)
    entries = [
        (
            *(piece.store, entry.sensor, entry.start, entry.reason, entry.end, entry.state),
            *(multirange(entry.numbers), piece.device, piece.epoch, number),
        )
        for piece in pieces
        for number, entry in piece.entries
    ]
    if entries:
        await connection.executemany(KEEP_ENTRY, sorted(entries, key=lambda entry: (*entry[:4], *entry[8:])))

    await _keep_people(connection, pieces)


async def _keep_people(connection: Connection, pieces: Sequence[Piece]) -> None:
    """Alerts, for which people wait, and what people counted."""
    alerts = [
        (
            *(piece.store, alert.id, alert.at, alert.state, alert.rule, alert.scope, alert.severity),
            *(alert.value, alert.text, piece.device, piece.epoch, number),
        )
        for piece in pieces
        for number, alert in piece.alerts
    ]
    if alerts:  # in key order, and by version; `value` may be absent and cannot be compared
        await connection.executemany(KEEP_ALERT, sorted(alerts, key=lambda row: (*row[:4], *row[10:])))
    manual = sorted(
        (
            *(piece.store, count.sensor, count.place, count.start, count.end, count.by, count.entered, count.left),
            *(piece.device, piece.epoch, number),
        )
        for piece in pieces
        for number, count in piece.manual
    )
    if manual:
        await connection.executemany(KEEP_MANUAL, manual)


async def clashes(connection: Connection, piece: Piece, not_before: int) -> int | None:
    """The first number whose row contradicts what HQ holds, within the caller's transaction."""
    await connection.copy_records_to_table("staged", records=_staged([piece]))
    found = await connection.fetchval(CLASHES, not_before)
    await connection.execute(EMPTY)
    if found is not None:
        return int(found)
    for number, entry in piece.entries:
        held = await connection.fetchrow(HELD_ENTRY, piece.store, entry.sensor, entry.start, entry.reason)
        version = (held["epoch"], held["number"]) if held else (0, 0)
        told = (entry.end, entry.state)
        if held and entry.state == "lost" and held["state"] == "answered" and held["epoch"] != piece.epoch:
            continue  # it was left out
        if version < (piece.epoch, number) or (
            version == (piece.epoch, number) and held and (held["end"], held["state"]) != told
        ):
            return number
    return None


def _staged(pieces: Iterable[Piece]) -> list[tuple[object, ...]]:
    """The rows as `staged` has them; key order keeps two workers from deadlocks."""
    latest: dict[Key, tuple[int, int, Observation, str]] = {}
    for store, device, epoch, rows, _, stream, _, _ in pieces:
        for number, row in rows:
            key = (store, row.sensor, row.place, row.metric, row.start, int(row.origin), stream)
            held = latest.get(key)
            if held is None or _replaces((epoch, number), row, held):
                latest[key] = (epoch, number, row, device)
    return [
        (*key, row.end, row.value, int(row.quality), row.lower, row.upper, row.n, device, epoch, number)
        for key, (epoch, number, row, device) in sorted(latest.items(), key=_by_key)
    ]


def _by_key(item: tuple[Key, object]) -> Key:
    return item[0]


def _replaces(version: tuple[int, int], row: Observation, held: tuple[int, int, Observation, str]) -> bool:
    """The rule of KEEP_ROWS, for two versions of a key that come together."""
    provisional = row.value is not None and bool(row.quality & Quality.PROVISIONAL)
    return version > held[:2] and not (provisional and held[2].finished)


def multirange(spans: Iterable[tuple[int, int]]) -> str:
    """Closed ranges as PostgreSQL writes an int8multirange."""
    return "{" + ",".join(f"[{first},{last}]" for first, last in spans) + "}"
