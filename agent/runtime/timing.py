"""A device's clock against the store's: how far off it is, and whether it can be believed at all. Pure.

A message may be late, so that a clock that seems slow proves nothing by itself; one that seems fast does, and so do
messages whose times go on as evenly as they come in. A clock that stands still, or goes back, is not believed until it
has gone evenly again; meanwhile the time of receipt counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

CORRECT_FROM = 60.0  # seconds: below, an hour's edges stay as the device tells them and keep fitting whole hours
STEADY = 5  # seconds by which the correction may be off before it follows
STILL_FOR = 30.0  # seconds without a step of a second; messages of one moment come at once
BACK = 120.0  # seconds
STEP = 20.0  # seconds between two messages that show how evenly a clock goes
SAME = 2  # identical messages, each half a minute after the other, that only a clock standing still explains
SAME_AFTER = 30.0
AGREEING = 2  # even steps that make an offset known
BELIEVED_AGAIN = 3
KEPT = 5


@dataclass
class Timepiece:
    """What is known of one device's clock.

    offset: its time less the store's, where that is known. shift: what is taken off its times. doubt: why it is not
    believed; empty where it is.
    """

    offset: float | None = None
    shift: int = 0
    doubt: str = ""
    clock: float | None = None
    at: float = 0.0
    steps: list[float] = field(default_factory=list)
    same: int = 0

    def dump(self) -> list[Any]:
        """As JSON."""
        return [self.offset, self.shift, self.doubt, self.clock, self.at, self.steps, self.same]

    @property
    def believed(self) -> int | None:
        """What to take off its times; None where the time of receipt counts."""
        return None if self.doubt else self.shift

    # ---- messages

    def heard(self, clock: float, now: float) -> None:
        """A message that the device made just now, as far as anybody knows."""
        before, passed, went = self.clock, now - self.at, clock - (self.clock or 0.0)
        self.clock, self.at, self.same = clock, now, 0
        if before is None:
            if clock - now > CORRECT_FROM:
                self._agree(clock - now)
        elif passed >= STILL_FOR and abs(went) <= 1:
            self._doubt("stands still")
        elif went < -BACK or (went > passed + BACK and clock - now > max(CORRECT_FROM, (self.offset or 0) + BACK)):
            self._doubt("jumps")
        elif passed >= STEP and abs(went - passed) <= max(10.0, passed / 4):
            self.steps = [*self.steps, clock - now][-KEPT:]
            if len(self.steps) >= (BELIEVED_AGAIN if self.doubt else AGREEING):
                self.doubt = ""
                self._agree(median(self.steps))

    def heard_again(self, now: float) -> None:
        """A message like the last one, which its device does not call a repetition."""
        if now - self.at >= SAME_AFTER:
            self.same, self.at = self.same + 1, now
            if self.same >= SAME:
                self._doubt("stands still")

    # ---- questions

    def asked(self, clock: float, now: float) -> None:
        """What the device answered when it was asked for its time, which leaves no doubt but one."""
        stands = self.clock is not None and now - self.at >= STILL_FOR and abs(clock - self.clock) <= 1
        self.clock, self.at = clock, now
        if stands:
            self._doubt("stands still")
        else:
            self.doubt = ""
            self._agree(clock - now)

    def own_clock_set(self, by: float) -> None:
        """The store's clock went forward by so many seconds, and the device's did not."""
        self.at += by
        self.steps = [step - by for step in self.steps]
        if self.offset is not None:
            self._agree(self.offset - by)

    def _doubt(self, why: str) -> None:
        self.doubt, self.steps, self.offset, self.shift = why, [], None, 0

    def _agree(self, offset: float) -> None:
        self.offset = offset
        if abs(offset) <= CORRECT_FROM:
            self.shift = 0
        elif abs(offset - self.shift) > STEADY:
            self.shift = round(offset)


def load(stored: list[Any] | None) -> Timepiece:
    """From what `dump` made."""
    return Timepiece(*stored) if stored else Timepiece()
