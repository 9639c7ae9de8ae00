"""What became of each number: acknowledged, void, in the outbox, or still to be sent."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent.buffer import kept
from agent.contract.ranges import Ranges

if TYPE_CHECKING:
    import sqlite3

ALL_OUTBOX = "SELECT seq, void FROM outbox"
SETS = ("acked", "past", "void")


def new_epoch_id() -> str:
    """A name no other epoch of this device has."""
    return secrets.token_hex(4)


@dataclass
class Identity:
    """Who this buffer is and what it has seen: kept, not counted."""

    epoch: str
    boot: int = 0
    next: int = 1
    acked_rows: int = 0
    dropped_rows: int = 0
    damaged_rows: int = 0
    dead_letters: int = 0


class Numbers:
    """The numbers of one buffer as sets of ranges, loaded at the start of a transaction's life and saved with it.

    acked: HQ answered for them in this epoch. past: settled in an earlier epoch, never to be sent in this one.
    void: will never come, and HQ has not been told yet. outbox: in an unanswered batch.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.load(connection)

    def load(self, connection: sqlite3.Connection) -> None:
        """Read everything afresh, as after a transaction that failed half way."""
        identity = kept.get(connection, "identity")
        self.identity = Identity(**identity) if identity else Identity(new_epoch_id())
        self.acked, self.past, self.void = (Ranges(kept.get(connection, f"numbers:{name}") or ()) for name in SETS)
        self._saved = self._lists()
        self.outbox, self.telling = Ranges(), Ranges()
        for seq, void in connection.execute(ALL_OUTBOX):
            self.outbox.update(json.loads(seq))
            self.telling.update(json.loads(void))

    def save(self, connection: sqlite3.Connection) -> None:
        """Write identity and the sets that changed, in the caller's transaction."""
        kept.put(connection, "identity", asdict(self.identity))
        lists = self._lists()
        for name, spans in lists.items():
            if spans != self._saved[name]:
                kept.put(connection, f"numbers:{name}", spans)
        self._saved = lists

    def _lists(self) -> dict[str, list[tuple[int, int]]]:
        return {"acked": list(self.acked), "past": list(self.past), "void": list(self.void)}

    def take(self) -> int:
        """The next number, never given before."""
        number = self.identity.next
        self.identity.next += 1
        return number

    @property
    def epoch(self) -> str:
        return self.identity.epoch

    @property
    def next(self) -> int:
        """The number that will be given next."""
        return self.identity.next

    @property
    def highest(self) -> int:
        """The highest number given so far."""
        return self.identity.next - 1

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
        """A number whose row was replaced or is damaged: void, unless a batch with it was already made."""
        if number not in self.acked and number not in self.past and number not in self.outbox:
            self.void.add(number, number)

    def answered(self, seq: list[tuple[int, int]], void: list[tuple[int, int]]) -> None:
        """A batch with these numbers was committed at HQ."""
        self.outbox.subtract(seq)
        self.telling.subtract(void)
        self.acked.update(seq)
        self.acked.update(void)
        self.void.subtract(void)
        self.identity.acked_rows += sum(last - first + 1 for first, last in seq)

    def rejected(self, seq: list[tuple[int, int]], void: list[tuple[int, int]]) -> None:
        """HQ will never take a batch with these numbers."""
        self.outbox.subtract(seq)
        self.telling.subtract(void)
        self.void.update(seq)
        self.identity.dead_letters += 1

    def begin_epoch(self) -> None:
        """Start a new epoch: what is settled stays settled and is told as void, everything else is sent under it.

        Numbers go on growing, so stage cursors stay valid; (epoch, number) is a new name for what was unanswered.
        """
        self.identity.epoch = new_epoch_id()
        self.past.update(self.acked)
        self.past.update(self.void)
        self.acked, self.outbox, self.telling = Ranges(), Ranges(), Ranges()
        self.void = self.past.copy()
