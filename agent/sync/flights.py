"""Which unanswered batches are on their way, and when each is sent again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from agent.buffer.outbox import Frozen

RESEND_FIRST = 30.0  # real seconds without an answer, doubling with jitter
RESEND_CAP = 300.0


@dataclass(slots=True)
class Flight:
    """One unanswered batch. `due` is the loop's time at which it is (re)sent; `pending`: no PUBACK came yet."""

    batch: Frozen
    due: float
    wait: float
    pending: bool = False


class Flights:
    """The unanswered batches. Times are the loop's, in real seconds.

    What the broker has not acknowledged on a living connection is never handed over again: TCP delivers it, and paho's
    queue does not grow on a slow line.
    """

    def __init__(self, first: float = RESEND_FIRST, cap: float = RESEND_CAP) -> None:
        self._first, self._cap = first, cap
        self._flights: dict[str, Flight] = {}

    def load(self, batches: Iterable[Frozen], now: float, backlog_jitter: float) -> None:
        """Take over the outbox after a reconnect or a new receiver: fresh is due at once, backlog after a jitter."""
        before = self._flights
        self._flights = {}
        for batch in batches:
            jitter = random.uniform(0, backlog_jitter) if batch.lane == "backlog" else 0.0  # noqa: S311 - spreads stores, hides nothing
            known = before.get(batch.id)
            pending = known is not None and known.pending and known.batch.sha == batch.sha
            self._flights[batch.id] = Flight(batch, now + jitter, self._first, pending)

    def cut_off(self) -> None:
        """The connection ended: nothing is on its way any more."""
        for flight in self._flights.values():
            flight.pending = False

    def add(self, batch: Frozen, now: float) -> None:
        """A batch that was just cut; it is due now."""
        self._flights[batch.id] = Flight(batch, now, self._first)

    def take_due(self, now: float, lanes: Collection[str] = ("fresh", "backlog")) -> list[Frozen]:
        """The batches of these lanes to send now; each is due again later, with doubled patience."""
        due = [f for f in self._flights.values() if f.due <= now and not f.pending and f.batch.lane in lanes]
        for flight in due:
            flight.due = now + flight.wait * random.uniform(0.8, 1.2)  # noqa: S311 - spreads stores, hides nothing
            flight.wait = min(self._cap, flight.wait * 2)
            flight.pending = True
        return [flight.batch for flight in due]

    def taken(self, batch: Frozen) -> None:
        """The broker acknowledged it, which moves a timer and proves nothing."""
        if (flight := self._flights.get(batch.id)) and flight.batch.sha == batch.sha:
            flight.pending = False

    def hold(self, batch_id: str, until: float) -> None:
        """HQ asked for a pause before this batch comes again."""
        if flight := self._flights.get(batch_id):
            flight.due = until

    def landed(self, batch_id: str) -> None:
        """HQ has answered for good."""
        self._flights.pop(batch_id, None)

    def lane_of(self, batch_id: str) -> str | None:
        """The lane of an unanswered batch."""
        flight = self._flights.get(batch_id)
        return flight.batch.lane if flight else None

    def next_due(self, lane: str) -> float | None:
        """When the next batch of a lane is due, None where nothing waits for its time."""
        return min((f.due for f in self._flights.values() if f.batch.lane == lane and not f.pending), default=None)

    def __len__(self) -> int:
        return len(self._flights)
