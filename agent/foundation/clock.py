"""The one clock, injected everywhere, with a speed: a demo's store can live sixty hours an hour.

Network keep-alives and time-outs stay in real seconds; whatever belongs to the store's day asks this clock.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import NamedTuple


class Clock(NamedTuple):
    """UTC seconds since 1970 that pass `speed` times as fast as real ones from a common anchor.

    Processes given the same anchor agree on the time, also after one of them was killed and started again.
    """

    speed: float = 1.0
    store_anchor: float = 0.0
    real_anchor: float = 0.0

    def now(self) -> float:
        """The store's time in UTC seconds."""
        return self.store_anchor + (time.time() - self.real_anchor) * self.speed

    def real(self, seconds: float) -> float:
        """How many real seconds a stretch of the store's time takes."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of the store's time."""
        await asyncio.sleep(max(0.0, self.real(seconds)))

    @property
    def text(self) -> str:
        """The form that `parse_clock` reads and that the option `--clock` takes."""
        return f"{self.speed:g}x,{self.store_anchor!r},{self.real_anchor!r}"


def parse_clock(text: str) -> Clock:
    """A clock from `60x` (starts now), `60x,START` (the store's time now) or `60x,STORE,REAL` (both anchors).

    START is RFC 3339; STORE and REAL are UTC seconds.

    Raises:
        ValueError: the text has none of these forms.
    """
    speed, _, anchors = text.partition(",")
    if not speed.endswith("x") or not (factor := float(speed[:-1])) > 0:
        raise ValueError(f"clock {text!r}: write a speed such as 60x, then optionally a comma and a start time")
    real = time.time()
    if not anchors:
        return Clock(factor, real, real)
    store, _, anchor = anchors.partition(",")
    if anchor:
        return Clock(factor, float(store), float(anchor))
    moment = datetime.fromisoformat(store)
    if moment.tzinfo is None:
        raise ValueError(f"clock {text!r}: the start time has no zone; write {store}Z")
    return Clock(factor, moment.timestamp(), real)
