"""What HQ's hello means for the numbers: which HQ has lost, which are a copy's, and which are somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.buffer import kept
from agent.buffer.outbox import begin_epoch, held
from agent.contract.ranges import Ranges

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from agent.buffer.numbers import Numbers

# Names in the buffer's state: the first number of the first start without a hello; what was sent before and is unsent
# again; and how often that happened, which marks the ids of batches so that none is used twice.
OWN = UNHEARD, RESENT, AGAIN = "unheard", "resent", "again"


class Greeting:
    """Compares one buffer with HQ's hellos.

    Where HQ covers numbers that were never sent from here, the file is a copy and the original has gone on. Rows from
    before the first start since the last hello were in the copied file, so HQ has those very rows; younger ones were
    made here, and HQ has somebody else's under their numbers.
    """

    def __init__(self, connection: sqlite3.Connection, numbers: Numbers) -> None:
        self._own_from: int = kept.get(connection, UNHEARD) or numbers.next

    def note_start(self, connection: sqlite3.Connection) -> None:
        """Keep from where on rows are made here, until HQ says hello."""
        kept.put(connection, UNHEARD, self._own_from)

    def heard(self, following: int) -> None:
        """HQ said hello: what is numbered from here on is surely ours."""
        self._own_from = following

    def compare(
        self, connection: sqlite3.Connection, numbers: Numbers, covered: Iterable[tuple[int, int]], before: Ranges
    ) -> str:
        """Bring the numbers in line with HQ's coverage of this epoch; the word for what was found.

        `before` is what was acknowledged when the birth was sent: an answer may overtake the hello. "restored buffer":
        a new epoch begins and nothing HQ has is sent again. "restored database": HQ lacks numbers it had acknowledged,
        so they are unsent again. Else "agreed".
        """
        coverage = Ranges(covered)
        kept.drop(connection, UNHEARD)
        foreign = coverage.copy()
        resent = Ranges(kept.get(connection, RESENT) or ())
        for ours in (numbers.acked, numbers.outbox, numbers.telling, resent):
            foreign.subtract(ours)
        if foreign:
            inherited = coverage.between(1, self._own_from - 1)
            inherited.subtract(numbers.acked)
            numbers.identity.acked_rows += sum(len(held(connection, first, last)) for first, last in inherited)
            numbers.acked.update(inherited)
            begin_epoch(connection, numbers)
            return "restored buffer"
        lacking = before.copy()
        lacking.subtract(coverage)
        lacking = _common(lacking, numbers.acked)
        if not lacking:
            return "agreed"
        unsend(connection, numbers, lacking)
        return "restored database"


def _common(one: Ranges, other: Ranges) -> Ranges:
    rest = one.copy()
    rest.subtract(other)
    both = one.copy()
    both.subtract(rest)
    return both


def unsend(connection: sqlite3.Connection, numbers: Numbers, lacking: Ranges) -> int:
    """Let acknowledged numbers be sent again: rows still held as rows, all others as void. How many rows those are."""
    numbers.acked.subtract(lacking)
    resent = Ranges(kept.get(connection, RESENT) or ())
    resent.update(lacking)
    kept.put(connection, RESENT, list(resent))
    kept.put(connection, AGAIN, (kept.get(connection, AGAIN) or 0) + 1)
    rows = 0
    for first, last in lacking:
        here = held(connection, first, last)
        here.subtract(numbers.past)
        rows += len(here)
        numbers.void.update(here.gaps(first, last))
    numbers.identity.acked_rows -= rows
    return rows
