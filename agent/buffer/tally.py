"""How the buffer stands, told without counting rows one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

    from agent.buffer.numbers import Numbers

OLDEST_END = 'SELECT min("end") FROM observation WHERE number BETWEEN ? AND ?'
COUNT_FRESH = 'SELECT count(*) FROM observation WHERE number BETWEEN ? AND ? AND "end" >= ?'


class Tally(NamedTuple):
    """How the buffer stands; nothing here is counted row by row."""

    epoch: str
    boot: int
    created: int
    acked: int
    void: int
    dropped: int
    unsent_fresh: int
    unsent_backlog: int
    oldest_unsent: int | None  # end of its interval, UTC seconds
    used_bytes: int
    cap_bytes: int
    dead_letters: int = 0  # batches HQ will never take
    damaged: int = 0  # rows found to be not what was written


def taken(
    connection: sqlite3.Connection, numbers: Numbers, used: int, cap: int, fresh_since: int, recent: int
) -> Tally:
    """The tally now; rows whose interval ended since `fresh_since` have numbers from `recent` on."""
    unsent = numbers.unanswered()
    fresh = sum(
        connection.execute(COUNT_FRESH, (first, last, fresh_since)).fetchone()[0]
        for first, last in unsent.between(recent, numbers.highest)
    )
    ends = [connection.execute(OLDEST_END, (first, min(last, first + 1000))).fetchone()[0] for first, last in unsent]
    known = [end for end in ends if isinstance(end, int)]
    return Tally(
        numbers.epoch,
        numbers.identity.boot,
        numbers.highest,
        numbers.identity.acked_rows,
        len(numbers.void),
        numbers.identity.dropped_rows,
        fresh,
        len(unsent) - fresh,
        min(known) if known else None,
        used,
        cap,
        numbers.identity.dead_letters,
        numbers.identity.damaged_rows,
    )
