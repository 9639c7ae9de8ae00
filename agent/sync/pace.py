"""How fast a lane may go: what the line has shown, what HQ grants, and the pauses HQ or the broker ask for.

All times are the loop's, in real seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.buffer.outbox import Frozen
    from agent.contract.messages import Credit

TWO_SECONDS = 2.0  # of the line's throughput is what a batch may take: nothing fresh then waits longer behind it
MOST_ROWS, FEWEST_ROWS = 1000, 20
INSTANT = 0.05  # seconds beyond the fastest answer that say nothing about throughput
ROW_BYTES = 12.0  # of a row on the wire before any batch was seen (measured: 4.4 at 1,000 rows, 30 at 20)


class Throughput:
    """Bytes a second of the line, from PUBACKs. A line is taken for fast until it shows itself slow."""

    def __init__(self) -> None:
        self._rate = inf
        self._fastest = inf
        self._under_way = 0
        self._row = ROW_BYTES

    def sent(self, batch: Frozen) -> int:
        """A batch was handed over; the bytes that have to pass until it is acknowledged."""
        self._under_way += len(batch.payload)
        if batch.rows:
            self._row = len(batch.payload) / batch.rows
        return self._under_way

    def acknowledged(self, batch: Frozen, ahead: int, took: float) -> None:
        """The broker has it, `took` seconds after it was handed over."""
        self._under_way -= len(batch.payload)
        self._fastest = min(self._fastest, took)
        rate = ahead / (took - self._fastest) if took - self._fastest > INSTANT else inf
        self._rate = rate if inf in (rate, self._rate) else (self._rate + rate) / 2

    def lost(self, batch: Frozen) -> None:
        """The connection ended first."""
        self._under_way -= len(batch.payload)

    @property
    def rows(self) -> int:
        """How many rows a batch may have, so that it takes two seconds at most."""
        if self._rate == inf:
            return MOST_ROWS
        return max(FEWEST_ROWS, min(MOST_ROWS, int(self._rate * TWO_SECONDS / self._row)))


class Bucket:
    """HQ's credit as a token bucket of one second. It goes into debt by one batch, and waits until that is paid."""

    def __init__(self, credit: Credit, now: float) -> None:
        self._credit, self._at = credit, now
        self._rows, self._bytes = credit.rows_s, credit.bytes_s

    def grant(self, credit: Credit, now: float) -> None:
        """HQ changed its mind."""
        self._fill(now)
        self._credit = credit

    def spend(self, batch: Frozen, now: float) -> None:
        """A batch of the backlog is sent, for the first time or again."""
        self._fill(now)
        self._rows -= batch.rows
        self._bytes -= len(batch.payload)

    def ready_at(self, now: float) -> float:
        """When the next batch may go; `now` or earlier where nothing is owed."""
        self._fill(now)
        return now + max(-self._rows / self._credit.rows_s, -self._bytes / self._credit.bytes_s)

    def _fill(self, now: float) -> None:
        passed, self._at = now - self._at, now
        self._rows = min(self._credit.rows_s, self._rows + passed * self._credit.rows_s)
        self._bytes = min(self._credit.bytes_s, self._bytes + passed * self._credit.bytes_s)


@dataclass
class Gate:
    """When a lane may next send and cut. `nobody`: the broker said that no receiver is there."""

    paused_until: float = 0.0
    next_cut: float = 0.0
    nobody: bool = False

    def pause(self, until: float) -> None:
        """Send nothing before then."""
        self.paused_until = max(self.paused_until, until)

    def open_again(self) -> None:
        """A receiver appeared, or the connection is new."""
        self.nobody, self.paused_until = False, 0.0
