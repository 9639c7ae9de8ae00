"""The silences of a device that sends at known times: pending while they last, then answered or lost. Pure.

What such a device counted meanwhile it may send when it can again, at once or message by message. Only when its time
for that is over, the parts that nothing was sent of are lost.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from agent.contract.observation import LedgerEntry
from agent.contract.times import HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.contract.observation import Observation

CATCHES_UP = HOUR  # seconds after its return in which it may still send what it counted
REASON = "it sent nothing"


@dataclass
class Silence:
    """From when it sent nothing, until when (0: it still does not), and the spans of it that were told since."""

    since: int
    until: int = 0
    told: list[tuple[int, int]] = field(default_factory=list)

    def cover(self, rows: Iterable[Observation]) -> None:
        """Take in rows that tell of it."""
        self.told = _joined([*self.told, *((row.start, row.end) for row in rows if row.end > self.since)])

    def pending(self, sensor: str, now: int) -> LedgerEntry:
        """Told at once, then once an hour, and when it is over."""
        end = self.until or self.since + max(MINUTE, (now - self.since) // HOUR * HOUR)
        return LedgerEntry(sensor, self.since, end, "pending", REASON)

    def outcome(self, sensor: str, now: int) -> list[LedgerEntry]:
        """What became of it, part by part; nothing while it may yet be told."""
        whole = any(start <= self.since and end >= self.until for start, end in self.told)
        if not self.until or not (whole or now >= self.until + CATCHES_UP):
            return []
        entries, at = [], self.since
        for start, end in [*self.told, (self.until, self.until)]:
            if at < min(start, self.until):
                entries.append(LedgerEntry(sensor, at, min(start, self.until), "lost", REASON))
            if max(at, start) < min(end, self.until):
                entries.append(LedgerEntry(sensor, max(at, start), min(end, self.until), "answered", REASON))
            at = max(at, end)
        return entries

    def shift(self, by: int) -> None:
        """Our own clock was set."""
        self.since, self.until = self.since + by, self.until + by if self.until else 0
        self.told = [(start + by, end + by) for start, end in self.told]

    def dump(self) -> list[Any]:
        """As JSON."""
        return list(astuple(self))


def load(stored: list[Any]) -> Silence:
    """From what `dump` made."""
    since, until, told = stored
    return Silence(since, until, [(start, end) for start, end in told])


def heard(silences: list[Silence], last: int, now: int, patience: float) -> None:
    """A message came, the last one before it at `last`: a silence that there was is over."""
    if last and now - last > patience and not any(not one.until for one in silences):
        silences.append(Silence(last))
    for one in silences:
        one.until = one.until or max(now // MINUTE * MINUTE, one.since + 1)


def told(silences: list[Silence], sensor: str, last: int, now: int, patience: float) -> list[LedgerEntry]:
    """The entries of a minute that ends; what is settled is forgotten."""
    if last and now - last > patience and not any(not one.until for one in silences):
        silences.append(Silence(last))
    entries: list[LedgerEntry] = []
    for one in list(silences):
        outcome = one.outcome(sensor, now)
        entries += outcome or [one.pending(sensor, now)]
        if outcome:
            silences.remove(one)
    return entries


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same spans, in order, with those that touch made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
