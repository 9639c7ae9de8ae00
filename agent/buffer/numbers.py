"""What became of each number: acknowledged, void, in the outbox, or still to be sent."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from agent.contract.ranges import Ranges

if TYPE_CHECKING:
    import sqlite3

SET_NUMBERS = "INSERT INTO numbers VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET spans = excluded.spans"
SET_IDENTITY = "UPDATE identity SET epoch = ?, boot = ?, next = ?, acked = ?, dropped = ?"
NEW_IDENTITY = "INSERT INTO identity VALUES (1, ?, 0, 1, 0, 0)"
ALL_OUTBOX = "SELECT seq, void FROM outbox"


def new_epoch_id() -> str:
    """A name no other epoch of this device has."""
    return secrets.token_hex(4)


class Numbers:
    """The numbers of one buffer as sets of ranges, loaded at the start of a transaction's life and saved with it.

    acked: HQ answered for them in this epoch. past: settled in an earlier epoch, never to be sent in this one.
    void: will never come, and HQ has not been told yet. outbox: in an unanswered batch.
    """

    epoch: str
    boot: int
    next: int
    acked_rows: int
    dropped_rows: int

    def __init__(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT 1 FROM identity").fetchone() is None:
            connection.execute(NEW_IDENTITY, (new_epoch_id(),))
        self.load(connection)

    def load(self, connection: sqlite3.Connection) -> None:
        """Read everything afresh, as after a transaction that failed half way."""
        identity = connection.execute("SELECT epoch, boot, next, acked, dropped FROM identity").fetchone()
        self.epoch, self.boot, self.next, self.acked_rows, self.dropped_rows = identity
        spans = {name: json.loads(text) for name, text in connection.execute("SELECT name, spans FROM numbers")}
        self.acked = Ranges(spans.get("acked", ()))
        self.past = Ranges(spans.get("past", ()))
        self.void = Ranges(spans.get("void", ()))
        self._saved = self._texts()
        self.outbox, self.telling = Ranges(), Ranges()
        for seq, void in connection.execute(ALL_OUTBOX):
            self.outbox.update(json.loads(seq))
            self.telling.update(json.loads(void))

    def save(self, connection: sqlite3.Connection) -> None:
        """Write identity and the sets that changed, in the caller's transaction."""
        connection.execute(SET_IDENTITY, (self.epoch, self.boot, self.next, self.acked_rows, self.dropped_rows))
        texts = self._texts()
        for name, text in texts.items():
            if text != self._saved[name]:
                connection.execute(SET_NUMBERS, (name, text))
        self._saved = texts

    def _texts(self) -> dict[str, str]:
        sets = {"acked": self.acked, "past": self.past, "void": self.void}
        return {name: json.dumps(list(ranges), separators=(",", ":")) for name, ranges in sets.items()}

    def take(self) -> int:
        """The next number, never given before."""
        number = self.next
        self.next += 1
        return number

    @property
    def highest(self) -> int:
        """The highest number given so far."""
        return self.next - 1

    def settled(self) -> Ranges:
        """Numbers that need no (further) sending; those in the outbox included."""
        done = self.acked.copy()
        for other in (self.past, self.void, self.outbox):
            done.update(other)
        return done

    def unanswered(self) -> Ranges:
        """Numbers whose rows HQ has not answered for, whether in the outbox or not."""
        done = self.acked.copy()
        done.update(self.past)
        done.update(self.void)
        return done.gaps(1, self.highest)

    def unsent(self) -> Ranges:
        """Numbers whose rows are in no batch yet."""
        return self.settled().gaps(1, self.highest)

    def untold(self) -> Ranges:
        """Void numbers that no unanswered batch tells."""
        told = self.void.copy()
        told.subtract(self.telling)
        return told

    def give_up(self, number: int) -> None:
        """A number whose row was replaced: void, unless a batch with it was already made."""
        if number not in self.acked and number not in self.past and number not in self.outbox:
            self.void.add(number, number)

    def begin_epoch(self) -> None:
        """Start a new epoch: what is settled stays settled and is told as void, everything else is sent under it.

        Numbers go on growing, so stage cursors stay valid; (epoch, number) is a new name for what was unanswered.
        """
        self.epoch = new_epoch_id()
        self.past.update(self.acked)
        self.past.update(self.void)
        self.acked, self.outbox, self.telling = Ranges(), Ranges(), Ranges()
        self.void = self.past.copy()
