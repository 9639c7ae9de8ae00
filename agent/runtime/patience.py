"""When a device may be asked again: later after each failure, and seldom where an account was refused."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from agent.drivers.base import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.drivers.base import SensorError

BACK_OFF_FIRST = 5.0  # real seconds, doubling
BACK_OFF_CAP = 300.0
REFUSED_EVERY = 300.0  # real seconds between tries with credentials that were refused: no lock-outs


class Patience:
    """With one device. Times are the loop's, in real seconds."""

    def __init__(self) -> None:
        self.not_before = self.refused_until = 0.0
        self.wait = BACK_OFF_FIRST

    @property
    def is_asked_for(self) -> bool:
        """Whether it is to be left alone now."""
        return asyncio.get_running_loop().time() < self.not_before

    @property
    def refused_for(self) -> float:
        """Seconds until the account may be tried again by anybody: poller, backfill or stream."""
        return max(0.0, self.refused_until - asyncio.get_running_loop().time())

    def after(self, problems: Sequence[SensorError]) -> None:
        """Leave it alone for a while, the longer the more often it failed; a refused account always for as long."""
        if not problems:
            self.wait = BACK_OFF_FIRST
            return
        now = asyncio.get_running_loop().time()
        if any(isinstance(problem, Refused) for problem in problems):
            self.not_before = self.refused_until = now + REFUSED_EVERY
        else:
            self.not_before = now + self.wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, hides nothing
        self.wait = min(BACK_OFF_CAP, self.wait * 2)
