"""The outbox: batches cut by lane, frozen byte for byte before they are first sent, freed only by HQ's answer."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.buffer.damage import HELD, give_up, missing
from agent.buffer.kinds import KINDS, LEDGER, OBSERVATION
from agent.buffer.seals import is_whole, seal_of
from agent.contract import wire
from agent.contract.ranges import Ranges
from agent.contract.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agent.buffer.kinds import Kind
    from agent.buffer.numbers import Numbers
    from agent.contract.messages import Answer
    from agent.contract.observation import Series

FINAL = ("committed", "duplicate", "rejected")  # what an answer says that ends a batch
FRESH_FOR = 15 * 60  # seconds: rows whose interval ended longer ago go by the backlog lane
PLACES = 4  # unanswered batches in all; one place is the backlog's
MOST_VOIDS = 1000  # void ranges told by one batch
BATCH_ROWS = 1000
MOST_RANGES = 200_000  # characters of ranges in a batch of the ledger; they compress to a quarter
DEAD_LETTERS = 100  # the newest of them are kept, about 5 kB each

# IS TRUE: whatever a flipped bit made of a row's end, one of the lanes picks it and finds the damage.
PICK = {
    (kind.table, fresh): f'SELECT * FROM {kind.table} WHERE number BETWEEN ? AND ? AND ("end" >= ?) IS '  # noqa: S608 - our own names
    f"{'' if fresh else 'NOT '}TRUE ORDER BY number LIMIT ?"
    for kind in KINDS
    for fresh in (True, False)
}
FREEZE = "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
UNANSWERED = "SELECT id, lane, seq, void, rows, sha, seal, payload FROM outbox ORDER BY rowid"
# The + keeps SQLite off the index of ids: there are four rows, and a flipped bit in it would hide one for ever.
FIND_FROZEN = "SELECT seq, void, payload FROM outbox WHERE +id = ? AND sha = ?"
THAW = "DELETE FROM outbox WHERE +id = ?"
BURY = "INSERT OR REPLACE INTO dead_letter VALUES (?, ?, ?, ?, ?, ?)"
KEEP_LETTERS = """
DELETE FROM dead_letter WHERE rowid NOT IN (SELECT rowid FROM dead_letter ORDER BY rowid DESC LIMIT ?)"""
LETTERS = "SELECT id, epoch, sha, error, at, length(payload) FROM dead_letter ORDER BY rowid"
FIRST_FRESH = "SELECT min(number) FROM observation WHERE start >= ?"


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
        settled: Collection[str] = (),
    ) -> Frozen | None:
        """Freeze the next batch of a lane into the outbox; None where nothing waits or no place is free.

        `settled`: ids of batches that were answered and leave with this transaction.
        """
        if not has_place(connection, lane, settled):
            return None
        cutoff, before = int(now) - FRESH_FOR, numbers.next
        for kind in KINDS:
            # A damaged row is given up and the next is looked for, so that one flip does not empty a batch.
            while picked := self._pick(connection, numbers, kind, lane, cutoff, min(most, kind.most)):
                whole = [row for row in picked if kind.is_whole(row)]
                if len(whole) < len(picked):
                    give_up(connection, numbers, series, (row for row in picked if not kind.is_whole(row)))
                if kind is LEDGER:
                    whole = _that_fit(whole)
                if whole:
                    return _freeze(connection, numbers, series, lane, head, kind, whole, now)
        if lane == "backlog":
            # Numbers that no lane found: their rows are gone.
            lost = missing(connection, numbers.unsent())
            give_up(connection, numbers, series, ((number,) for a, b in lost for number in range(a, b + 1)))
        if numbers.next > before:
            return self.cut(
                connection, numbers, series, lane, head, now, most, settled
            )  # the ledger tells what was given up
        return None

    def _pick(
        self, connection: sqlite3.Connection, numbers: Numbers, kind: Kind, lane: str, cutoff: int, most: int
    ) -> list[tuple[Any, ...]]:
        unsent = numbers.unsent()
        fresh = lane == "fresh"
        if fresh:
            unsent = unsent.between(self._fresh_from, numbers.highest)
        picked: list[tuple[Any, ...]] = []
        for first, last in unsent:
            picked += connection.execute(PICK[kind.table, fresh], (first, last, cutoff, most - len(picked)))
            if len(picked) >= most:
                return picked
        if fresh and kind is OBSERVATION and not picked:
            self._fresh_from = numbers.next
        return picked


def _that_fit(entries: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """As many as a message may have: an entry of rows given up in turns names up to a thousand ranges."""
    length = 0
    for k, entry in enumerate(entries):
        length += len(entry[6])
        if k and length > MOST_RANGES:
            return entries[:k]
    return entries


def has_place(connection: sqlite3.Connection, lane: str, settled: Collection[str]) -> bool:
    """Whether a lane may have one more unanswered batch: four in all, of which one of backlog."""
    lanes = [held for id_, held in connection.execute("SELECT id, lane FROM outbox") if id_ not in settled]
    return len(lanes) < PLACES and (lane != "backlog" or "backlog" not in lanes)


def _freeze(
    connection: sqlite3.Connection,
    numbers: Numbers,
    series: Mapping[int, Series],
    lane: str,
    head: Mapping[str, Any],
    kind: Kind,
    picked: list[tuple[Any, ...]],
    now: float,
) -> Frozen:
    seq = list(Ranges.of_numbers(row[0] for row in picked))
    void = list(numbers.untold())[:MOST_VOIDS]
    words, columns = kind.columns(picked, series)
    full = {
        "v": 1,
        "id": wire.batch_id(head["device"], numbers.epoch, seq) + head.get("mark", ""),
        "device": head["device"],
        "epoch": numbers.epoch,
        "seq": seq,
        "void": void,
        "lane": lane,
        "boot": numbers.identity.boot,
        "run": head["run"],
        "sent": rfc3339(now),
        "clock": head["clock"],
        "schema": kind.schema,
        "layout": head["layout"],
        "n": len(picked),
        "tz": head["tz"],
    }
    payload = wire.encode(full, words, columns)
    frozen = Frozen(full["id"], lane, len(picked), wire.sha_of(payload), payload)
    told = (frozen.id, lane, json.dumps(seq), json.dumps(void), frozen.rows, frozen.sha)
    connection.execute(FREEZE, (*told, frozen.payload, seal_of(*told)))
    numbers.outbox.update(seq)
    numbers.telling.update(void)
    return frozen


def unanswered(connection: sqlite3.Connection) -> list[Frozen]:
    """What was frozen and not answered, oldest first.

    Raises:
        sqlite3.DatabaseError: a batch is not what was frozen; the next opening mends that.
    """
    found = []
    for *told, payload in connection.execute(UNANSWERED):
        id_, lane, _, _, rows, sha, _ = told
        if not is_whole(told) or wire.sha_of(payload) != sha:
            raise sqlite3.DatabaseError("a batch in the outbox is damaged")
        found.append(Frozen(id_, lane, rows, sha, payload))
    return found


def find(connection: sqlite3.Connection, answer: Answer) -> tuple[Any, ...] | None:
    """Numbers, voids and bytes of the batch that an answer names by id and content hash."""
    row = connection.execute(FIND_FROZEN, (answer.id, answer.sha)).fetchone()
    return (json.loads(row[0]), json.loads(row[1]), row[2]) if row else None


def thaw(connection: sqlite3.Connection, answer: Answer, at: str, payload: bytes) -> None:
    """Free the place of an answered batch; a rejected one is kept as a dead letter, and the rest flows."""
    connection.execute(THAW, (answer.id,))
    if answer.st == "rejected":
        connection.execute(BURY, (answer.id, answer.epoch, answer.sha, answer.err or "", at, payload))
        connection.execute(KEEP_LETTERS, (DEAD_LETTERS,))


def begin_epoch(connection: sqlite3.Connection, numbers: Numbers) -> None:
    """Start a new epoch and forget the frozen batches: their rows are cut again under it.

    A row that was replaced while its batch was under way is held no more: its number will not come in this epoch.
    """
    for first, last in numbers.outbox:
        numbers.void.update(held(connection, first, last).gaps(first, last))
    connection.execute("DELETE FROM outbox")
    numbers.begin_epoch()


def held(connection: sqlite3.Connection, first: int, last: int) -> Ranges:
    """The numbers between two for which there is a row of any kind."""
    return Ranges.of_numbers(sorted(row[0] for row in connection.execute(HELD, (first, last))))
