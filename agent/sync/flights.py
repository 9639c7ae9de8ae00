"""Which unanswered batches are on their way, and when each is sent again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.buffer.outbox import Frozen

RESEND_FIRST = 30.0  # real seconds without an answer, doubling with jitter
RESEND_CAP = 300.0


@dataclass(slots=True)
class Flight:
    """One unanswered batch. `due` is the loop's time at which it is (re)sent."""

    batch: Frozen
    due: float
    wait: float = RESEND_FIRST


class Flights:
    """The unanswered batches. Times are the loop's, in real seconds."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def load(self, batches: Iterable[Frozen], now: float, backlog_jitter: float) -> None:
        """Take over the outbox after a reconnect or a new receiver: fresh is due at once, backlog after a jitter."""
        self._flights = {
            batch.id: Flight(batch, now + (random.uniform(0, backlog_jitter) if batch.lane == "backlog" else 0.0))  # noqa: S311 - spreads stores, hides nothing
            for batch in batches
        }

    def add(self, batch: Frozen, now: float) -> None:
        """A batch that was just cut; it is due now."""
        self._flights[batch.id] = Flight(batch, now)

    def take_due(self, now: float) -> list[Frozen]:
        """The batches to send now; each is due again later, with doubled patience."""
        due = [flight for flight in self._flights.values() if flight.due <= now]
        for flight in due:
            flight.due = now + flight.wait * random.uniform(0.8, 1.2)  # noqa: S311 - spreads stores, hides nothing
            flight.wait = min(RESEND_CAP, flight.wait * 2)
        return [flight.batch for flight in due]

    def hold(self, batch_id: str, until: float) -> None:
        """HQ asked for a pause before this batch comes again."""
        if flight := self._flights.get(batch_id):
            flight.due = until

    def landed(self, batch_id: str) -> None:
        """HQ has answered for good."""
        self._flights.pop(batch_id, None)

    def next_due(self) -> float | None:
        """When the next batch is due, None where nothing is on its way."""
        return min((flight.due for flight in self._flights.values()), default=None)

    def __len__(self) -> int:
        return len(self._flights)
