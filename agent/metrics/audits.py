"""What a count by hand says of a line: which share of the people it counts, and what that teaches occupancy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.contract.layout import Role
from agent.contract.observation import Origin
from agent.kernels.shares import share_with_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.contract.happenings import ManualCount
    from agent.contract.layout import Layout
    from agent.contract.observation import Observation

NINETY_FIVE = 1.96
COVERED = 0.95  # of the time counted by hand, below which there is nothing to compare with


class Compared(NamedTuple):
    """A count by hand, and what the device told of the same minutes; None where its numbers do not cover them."""

    by_hand: ManualCount
    entered: float | None = None
    left: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is something to compare."""
        return self.entered is not None and self.left is not None


class Accuracy(NamedTuple):
    """Of the persons a hand counted one way, the share that a line counted, with its 95 % interval.

    Wilson's where the line missed some; where it counted more than there were that is no share of them, and the
    interval is that of the ratio of two Poisson counts.
    """

    sensor: str
    place: str
    way: str  # in, out
    by_hand: int
    by_device: int
    share: float
    lower: float
    upper: float
    seconds: int  # counted by hand in all


def compared(count: ManualCount, rows: Iterable[Observation], layout: Layout) -> Compared:
    """What a line told of the minutes counted by hand: of every interval the middle lies in them."""
    line = layout.lines(*Role).get((count.sensor, count.place))
    ways = ("out", "in") if line and line.inverted else ("in", "out")
    told = [
        row
        for row in rows
        if (row.sensor, row.place) == (count.sensor, count.place) and row.counted and row.origin is not Origin.EDGE
    ]
    return Compared(count, *(_told(count, [row for row in told if row.metric == way]) for way in ways))


def _told(count: ManualCount, rows: list[Observation]) -> float | None:
    """The finest that cover the minutes: pushed, differences, else a memory's intervals where they are short enough."""
    length = count.end - count.start
    for origin in (Origin.PUSH, Origin.LIVE, Origin.LOG):
        mine = [row for row in rows if row.origin is origin and count.start <= (row.start + row.end) / 2 < count.end]
        if abs(sum(row.end - row.start for row in mine) - length) <= (1.0 - COVERED) * length + 60:
            return sum(row.value or 0.0 for row in mine)
    return None


def accuracies(audits: Iterable[Compared]) -> list[Accuracy]:
    """What all counts by hand say of each line and way; nothing of a way that nobody went."""
    totals: dict[tuple[str, str, str], list[float]] = {}
    for audit in audits:
        count = audit.by_hand
        for way, hand, device in (("in", count.entered, audit.entered), ("out", count.left, audit.left)):
            if device is not None:
                total = totals.setdefault((count.sensor, count.place, way), [0.0, 0.0, 0.0])
                for i, more in enumerate((hand, device, count.end - count.start)):
                    total[i] += more
    return [
        Accuracy(*key, int(hand), int(device), *ratio(hand, device), int(seconds))
        for key, (hand, device, seconds) in sorted(totals.items())
        if hand > 0
    ]


def ratio(hand: float, device: float) -> tuple[float, float, float]:
    """Device over hand with its 95 % interval."""
    trials = hand if device <= hand else hand + device
    counted, of = np.array([device], dtype=np.float64), np.array([trials], dtype=np.float64)
    share, lower, upper = share_with_interval(counted, of, NINETY_FIVE, 1.0)[:, 0]
    if device <= hand:
        return float(share), float(lower), float(upper)
    return device / hand, float(lower / (1.0 - lower)), float(upper / (1.0 - upper))


def evidence(audits: Iterable[Compared], layout: Layout) -> tuple[float, float] | None:
    """What entrance lines would have counted of as many persons each way as were seen going the rarer one.

    A store day says the same of everybody who came and left; an audit weighs as much as the persons it saw.
    """
    lines = layout.lines(Role.ENTRANCE)
    mine = [audit for audit in audits if audit.is_known and (audit.by_hand.sensor, audit.by_hand.place) in lines]
    came, went = sum(a.by_hand.entered for a in mine), sum(a.by_hand.left for a in mine)
    if not came or not went:
        return None
    seen = min(came, went)
    entered, left = sum(a.entered or 0.0 for a in mine), sum(a.left or 0.0 for a in mine)
    return seen * entered / came, seen * left / went
