"""The outbox: batches cut by lane, frozen byte for byte before they are first sent, freed only by HQ's answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.contract import wire
from agent.contract.observation import LedgerEntry, Observation, Quality
from agent.contract.ranges import Ranges
from agent.contract.times import rfc3339

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from agent.buffer.numbers import Numbers
    from agent.contract.messages import Answer
    from agent.contract.observation import Series

FRESH_FOR = 15 * 60  # seconds: rows whose interval ended longer ago go by the backlog lane
PLACES = 4  # unanswered batches in all; one place is the backlog's
BATCH_ROWS = 1000
DEAD_LETTERS = 100  # the newest of them are kept, about 5 kB each
MOST_VOIDS = 1000  # void ranges told by one batch

PICK = {
    "observation": 'SELECT * FROM observation WHERE number BETWEEN ? AND ? AND "end" >= ? AND "end" < ? '
    "ORDER BY number LIMIT ?",
    "ledger": 'SELECT * FROM ledger WHERE number BETWEEN ? AND ? AND "end" >= ? AND "end" < ? ORDER BY number LIMIT ?',
}
FREEZE = "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)"
UNANSWERED = "SELECT id, lane, seq, void, rows, sha, payload FROM outbox ORDER BY rowid"
FIND_FROZEN = "SELECT seq, void, rows, payload FROM outbox WHERE id = ? AND sha = ?"
THAW = "DELETE FROM outbox WHERE id = ?"
BURY = "INSERT OR REPLACE INTO dead_letter VALUES (?, ?, ?, ?, ?, ?)"
KEEP_LETTERS = """
DELETE FROM dead_letter WHERE rowid NOT IN (SELECT rowid FROM dead_letter ORDER BY rowid DESC LIMIT ?)"""
LETTERS = "SELECT id, epoch, sha, error, at, length(payload) FROM dead_letter ORDER BY rowid"
FIRST_FRESH = "SELECT min(number) FROM current WHERE start >= ?"
HELD = """
SELECT number FROM observation WHERE number BETWEEN ?1 AND ?2
UNION SELECT number FROM ledger WHERE number BETWEEN ?1 AND ?2"""


class Frozen(NamedTuple):
    """A batch as it was, is and will be sent."""

    id: str
    lane: str
    rows: int
    sha: str
    payload: bytes


class DeadLetter(NamedTuple):
    """A batch that HQ rejected, and why."""

    id: str
    epoch: str
    sha: str
    error: str
    at: str
    size: int


class Cutter:
    """Cuts batches from what is unsent. Rows never get younger, so the fresh lane looks at each number only once."""

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        first = connection.execute(FIRST_FRESH, (now - FRESH_FOR - 2 * 3600,)).fetchone()[0]
        self._fresh_from: int = first or 1

    def cut(
        self,
        connection: sqlite3.Connection,
        numbers: Numbers,
        series: Mapping[int, Series],
        lane: str,
        head: Mapping[str, Any],
        now: float,
        most: int = BATCH_ROWS,
    ) -> Frozen | None:
        """Freeze the next batch of a lane into the outbox; None where nothing waits or no place is free."""
        if not has_place(connection, lane):
            return None
        cutoff = int(now) - FRESH_FOR
        for table, schema in (("ledger", wire.LEDGER), ("observation", wire.OBSERVATIONS)):
            picked = self._pick(connection, numbers, table, lane, cutoff, most)
            if picked:
                return _freeze(connection, numbers, series, lane, head, schema, picked, now)
        return None

    def _pick(
        self, connection: sqlite3.Connection, numbers: Numbers, table: str, lane: str, cutoff: int, most: int
    ) -> list[tuple[Any, ...]]:
        unsent = numbers.unsent()
        fresh = lane == "fresh"
        if fresh:
            unsent = unsent.between(self._fresh_from, numbers.highest)
        youngest, oldest = (2**62, cutoff) if fresh else (cutoff, -(2**62))
        picked: list[tuple[Any, ...]] = []
        for first, last in unsent:
            picked += connection.execute(PICK[table], (first, last, oldest, youngest, most - len(picked)))
            if len(picked) >= most:
                return picked
        if fresh and table == "observation" and not picked:
            self._fresh_from = numbers.next
        return picked


def has_place(connection: sqlite3.Connection, lane: str) -> bool:
    """Whether a lane may have one more unanswered batch: four in all, of which one of backlog."""
    lanes = [row[0] for row in connection.execute("SELECT lane FROM outbox")]
    return len(lanes) < PLACES and (lane != "backlog" or "backlog" not in lanes)


def _freeze(
    connection: sqlite3.Connection,
    numbers: Numbers,
    series: Mapping[int, Series],
    lane: str,
    head: Mapping[str, Any],
    schema: str,
    picked: list[tuple[Any, ...]],
    now: float,
) -> Frozen:
    seq = list(Ranges.of_numbers(row[0] for row in picked))
    void = list(numbers.untold())[:MOST_VOIDS]
    words, columns = _columns(schema, series, picked)
    full = {
        "v": 1,
        "id": wire.batch_id(head["device"], numbers.epoch, seq) + head.get("mark", ""),
        "device": head["device"],
        "epoch": numbers.epoch,
        "seq": seq,
        "void": void,
        "lane": lane,
        "boot": numbers.boot,
        "run": head["run"],
        "sent": rfc3339(now),
        "clock": head["clock"],
        "schema": schema,
        "layout": head["layout"],
        "n": len(picked),
        "tz": head["tz"],
    }
    payload = wire.encode(full, words, columns)
    frozen = Frozen(full["id"], lane, len(picked), wire.sha_of(payload), payload)
    connection.execute(
        FREEZE, (frozen.id, lane, json.dumps(seq), json.dumps(void), frozen.rows, frozen.sha, frozen.payload)
    )
    numbers.outbox.update(seq)
    numbers.telling.update(void)
    return frozen


def _columns(
    schema: str, series: Mapping[int, Series], picked: list[tuple[Any, ...]]
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    if schema == wire.LEDGER:
        return wire.ledger_columns([entry_of(row) for row in picked])
    return wire.observation_columns([observation_of(row, series) for row in picked])


def observation_of(row: tuple[Any, ...], series: Mapping[int, Series]) -> Observation:
    """The record of a row of the table."""
    _, key, start, end, value, quality, lower, upper, n = row
    sensor, place, metric, origin = series[key]
    return Observation(sensor, place, metric, start, end, value, origin, Quality(quality), lower, upper, n)


def entry_of(row: tuple[Any, ...]) -> LedgerEntry:
    """The ledger entry of a row of the table."""
    _, sensor, start, end, state, reason, numbers = row
    return LedgerEntry(sensor, start, end, state, reason, tuple((a, b) for a, b in json.loads(numbers)))


def unanswered(connection: sqlite3.Connection) -> list[Frozen]:
    """What was frozen and not answered, oldest first."""
    return [
        Frozen(id_, lane, rows, sha, payload) for id_, lane, _, _, rows, sha, payload in connection.execute(UNANSWERED)
    ]


def settle(connection: sqlite3.Connection, numbers: Numbers, answer: Answer, at: str) -> bool:
    """Apply a final answer; False where its id and content hash name nothing in the outbox.

    `committed` and `duplicate` free the rows; `rejected` keeps the bytes as a dead letter and lets the rest flow.
    """
    found = connection.execute(FIND_FROZEN, (answer.id, answer.sha)).fetchone()
    if found is None or answer.st not in ("committed", "duplicate", "rejected"):
        return False
    seq, void, rows, payload = json.loads(found[0]), json.loads(found[1]), found[2], found[3]
    connection.execute(THAW, (answer.id,))
    numbers.outbox.subtract(seq)
    numbers.telling.subtract(void)
    if answer.st == "rejected":
        connection.execute(BURY, (answer.id, answer.epoch, answer.sha, answer.err or "", at, payload))
        connection.execute(KEEP_LETTERS, (DEAD_LETTERS,))
        numbers.void.update(seq)
        return True
    numbers.acked.update(seq)
    numbers.acked.update(void)
    numbers.void.subtract(void)
    numbers.acked_rows += rows
    return True


def begin_epoch(connection: sqlite3.Connection, numbers: Numbers) -> None:
    """Start a new epoch and forget the frozen batches: their rows are cut again under it."""
    connection.execute("DELETE FROM outbox")
    numbers.begin_epoch()
