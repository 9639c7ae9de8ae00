"""Which device hangs in a sensor's place: by its serial number, as an address may be another's tomorrow.

Another device's memory and running totals are not this place's: nothing is asked from before its first whole hour
here, and its first reading is only a baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.contract.observation import LedgerEntry
from agent.contract.times import DAY, HOUR
from agent.runtime.readings import Memory, Totals

if TYPE_CHECKING:
    from agent.drivers.base import Identity
    from agent.runtime.book import Book

REPLACED = "the device was replaced, and what nobody had read of it went with it"


@dataclass
class Occupant:
    """What the device said of itself. Times are the store's, in UTC seconds.

    since: from which hour on its memory counts here; 0 for the first device there was, whose memory is this place's
    as far as the settings let it be asked. asked: when it was asked last.
    """

    serial: str = ""
    model: str = ""
    firmware: str = ""
    since: int = 0
    asked: int = 0

    def is_due(self, tick: int, *, returned: bool) -> bool:
        """Whether to ask again: daily, and after each silence, in which somebody may have been on a ladder."""
        return returned or tick - self.asked >= DAY

    def meet(self, who: Identity, tick: int) -> bool:
        """Note who answered; whether it is another device than before."""
        other = bool(self.serial) and who.serial != self.serial
        self.serial, self.model, self.firmware, self.asked = who.serial, who.model, who.firmware, tick
        return other

    def shift(self, by: int) -> None:
        """Our own clock was set: every time in it moves."""
        self.since += by if self.since else 0
        self.asked += by if self.asked else 0

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))  # it is flat, and dumped at every tick: dataclasses.asdict takes ten times as long


def begin_afresh(book: Book, sensor: str, tick: int, hour: int) -> list[LedgerEntry]:
    """Empty a book for another device; `hour` is when the one under way began. What is lost with the old device.

    An entry's reason is part of its name: a pending one is closed under the reason it was opened with.
    """
    gone = list(book.gaps)
    if book.answered:
        since, reason = book.open_gap or (book.answered, REPLACED)
        gone.append((since, tick, reason))
    book.memories = {kind: Memory(hour, cold=True, foreign=True) for kind in book.memories}
    book.totals = Totals()
    book.gaps, book.open_gap, book.answered, book.watched = [], None, tick, 0
    book.occupant.since = hour + HOUR
    return [LedgerEntry(sensor, start, end, "lost", reason) for start, end, reason in gone if start < end]
