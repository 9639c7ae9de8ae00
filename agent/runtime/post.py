"""What is remembered between the messages of one sensor, as it is kept with the commit of their rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.runtime import silences, timing
from agent.runtime.timing import Timepiece

if TYPE_CHECKING:
    from agent.runtime.silences import Silence

Key = tuple[str, str]  # place, metric


@dataclass(slots=True)
class Told:
    """The unbroken run of intervals of one key: from, to, and how long the last one was."""

    since: int
    until: int
    length: int


@dataclass(slots=True)
class Moment:
    """What was told of one minute of a state: the last value, and sum, number and largest of them."""

    minute: int
    last: float
    total: float
    n: int
    most: float


@dataclass
class Post:
    """What is remembered between the messages of one sensor.

    totals: when a running total was last made a difference of, and its value then. latest: its value now. waiting:
    crossings by minute that an interval may yet tell of. last: when the last message came.
    """

    told: dict[Key, Told] = field(default_factory=dict)
    waiting: dict[Key, dict[int, float]] = field(default_factory=dict)
    moments: dict[Key, Moment] = field(default_factory=dict)
    totals: dict[Key, tuple[int, float]] = field(default_factory=dict)
    latest: dict[Key, float] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)
    time: Timepiece = field(default_factory=Timepiece)
    print: str = ""  # the fingerprint of the last message
    last: int = 0
    silences: list[Silence] = field(default_factory=list)
    patience: float = math.inf  # seconds in which it need not be heard of; the configuration's, not stored

    @property
    def told_until(self) -> int:
        """When it was heard of last, or until when its running totals were told; 0: never."""
        return max([self.last, *(at for at, _ in self.totals.values())]) if self.last else 0

    def shift(self, by: int) -> None:
        """Our own clock was set: every time in it moves."""
        self.told = {key: Told(one.since + by, one.until + by, one.length) for key, one in self.told.items()}
        self.waiting = {
            key: {minute + by: value for minute, value in minutes.items()} for key, minutes in self.waiting.items()
        }
        for moment in self.moments.values():
            moment.minute += by
        self.totals = {key: (at + by, value) for key, (at, value) in self.totals.items()}
        self.time.own_clock_set(by)
        self.last += by if self.last else 0
        for silence in self.silences:
            silence.shift(by)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "told": {_text(key): [one.since, one.until, one.length] for key, one in self.told.items()},
            "waiting": {_text(key): minutes for key, minutes in self.waiting.items()},
            "moments": {
                _text(key): [one.minute, one.last, one.total, one.n, one.most] for key, one in self.moments.items()
            },
            "totals": {_text(key): list(one) for key, one in self.totals.items()},
            "latest": {_text(key): value for key, value in self.latest.items()},
            "sequence": self.sequence,
            "time": self.time.dump(),
            "print": self.print,
            "last": self.last,
            "silences": [silence.dump() for silence in self.silences],
        }

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Post:
        """From what `dump` made."""
        return cls(
            {_key(text): Told(*one) for text, one in stored["told"].items()},
            {
                _key(text): {int(minute): value for minute, value in one.items()}
                for text, one in stored["waiting"].items()
            },
            {_key(text): Moment(*one) for text, one in stored["moments"].items()},
            {_key(text): (one[0], one[1]) for text, one in stored["totals"].items()},
            {_key(text): value for text, value in stored["latest"].items()},
            stored["sequence"],
            timing.load(stored["time"]),
            stored["print"],
            stored["last"],
            list(map(silences.load, stored.get("silences", []))),
        )


def _text(key: Key) -> str:
    return "|".join(key)


def _key(text: str) -> Key:
    place, _, metric = text.partition("|")
    return place, metric
