"""The one record: one value of one metric at one place over [start, end)."""

from __future__ import annotations

import math
import re
from enum import IntEnum, IntFlag
from typing import NamedTuple

from agent.contract.times import DAY, rfc3339

# No source reports over more than a local day, which has at most 25 hours; an overlap search looks back this far.
WIDEST = DAY + 3600

_ZONE = "[a-z0-9][a-z0-9_-]{0,62}"  # `zone:a>b` is the way from zone a to zone b
_PLACE = re.compile(rf"sensor|store|line:\d{{1,3}}|region:\d{{1,3}}|zone:{_ZONE}(>{_ZONE})?|cell:\d{{1,2}},\d{{1,2}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Origin(IntEnum):
    """Where a number comes from. The integers are the codes on the wire and in both databases."""

    LOG = 0  # the camera's own memory
    LIVE = 1  # differences of the camera's running counters or of its growing hour row
    PUSH = 2  # the camera sent it
    EDGE = 3  # computed on the agent

    @property
    def word(self) -> str:
        return self.name.lower()


class Quality(IntFlag):
    """How a number came to be. The integers are the mask on the wire; elsewhere the words are joined by `+`."""

    MEASURED = 1
    PROVISIONAL = 2  # its interval has not ended, or the device may still revise it
    BACKFILLED = 4  # read from the device's memory after the fact
    CLOCK_CORRECTED = 8
    ESTIMATED = 16
    UNCONFIRMED = 32  # a zero read for a stretch in which the sensor did not answer

    @property
    def words(self) -> str:
        """The flags as words joined by `+`, in the order of the mask."""
        return "+".join(flag.name.lower() for flag in Quality if flag in self and flag.name)

    @classmethod
    def of_words(cls, text: str) -> Quality:
        """The mask of words joined by `+`; an unknown word is a KeyError."""
        mask = cls(0)
        for word in text.split("+"):
            mask |= cls[word.upper()]
        return mask


class Series(NamedTuple):
    """What a number belongs to: everything of the natural key but the time."""

    sensor: str
    place: str
    metric: str
    origin: Origin


class Observation(NamedTuple):
    """One value of one metric at one place over [start, end), in UTC seconds.

    `value` None withdraws the key. `lower` and `upper` bound the value and `n` counts samples or observed seconds,
    where an estimator has them. Values are as the device said them: role and inversion are the layout's.
    """

    sensor: str
    place: str
    metric: str
    start: int
    end: int
    value: float | None
    origin: Origin
    quality: Quality
    lower: float | None = None
    upper: float | None = None
    n: float | None = None

    @property
    def series(self) -> Series:
        """The key without the time."""
        return Series(self.sensor, self.place, self.metric, self.origin)

    @property
    def finished(self) -> bool:
        """Whether this is a device's last word on an interval: it may be raised later, never lowered."""
        return self.value is not None and self.origin is not Origin.EDGE and not self.quality & Quality.PROVISIONAL

    @property
    def by_hand(self) -> bool:
        """Whether a person entered it: staff in a zone, from `start` on, which no device told."""
        return self.sensor == "store" and self.metric == "staff" and self.origin is not Origin.EDGE

    @property
    def counted(self) -> bool:
        """Whether the value may be counted as observed."""
        return self.value is not None and not self.quality & Quality.UNCONFIRMED


class Numbered(NamedTuple):
    """A row as the buffer keeps it: one immutable version, named for ever by (epoch, number)."""

    number: int
    observation: Observation


def is_place(text: str) -> bool:
    """Whether a text names a place."""
    return _PLACE.fullmatch(text) is not None


def checked(row: Observation) -> Observation:
    """The row itself where it may be stored.

    Raises:
        ValueError: a field breaks the contract; the text names it.
    """
    if not _NAME.fullmatch(row.sensor):
        raise ValueError(f"sensor {row.sensor!r}: letters, digits, dot, dash and underscore only, 63 at most")
    if not is_place(row.place):
        raise ValueError(
            f"place {row.place!r} is none of sensor, store, line:N, region:N, zone:NAME, zone:A>B, cell:X,Y"
        )
    if not 0 < row.end - row.start <= WIDEST:
        raise ValueError(f"interval {rfc3339(row.start)} to {rfc3339(row.end)} is empty or longer than 25 hours")
    if any(x is not None and not math.isfinite(x) for x in (row.value, row.lower, row.upper, row.n)):
        raise ValueError(f"{row.sensor} {row.place} {row.metric}: a value must be finite, or absent")
    return row


class LedgerEntry(NamedTuple):
    """One entry of the ledger: a stretch a sensor should have answered for, or numbers that were given up.

    `state` is one of `GAP_STATES`. `numbers` are the numbers given up as ((first, last), …), where rows were dropped.
    The key is (sensor, start, reason); a later entry with that key replaces the earlier.
    """

    sensor: str
    start: int
    end: int
    state: str
    reason: str
    numbers: tuple[tuple[int, int], ...] = ()


GAP_STATES = ("pending", "answered", "lost", "disputed")
