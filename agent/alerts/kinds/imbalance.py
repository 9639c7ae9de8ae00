"""Doors that disagree: over a whole day as many go out as came in, and a line has its usual share of each way.

Whoever comes in goes out, so a finished day's sums differ by chance only; a miscount, a line drawn wrong or an arrow
the wrong way round shows as a difference that chance does not explain. Before the day is over, the people inside would.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from agent.alerts.base import Common, Judge
from agent.alerts.durations import Duration
from agent.alerts.facts import Inputs, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

_ONE_WAY = 0.05  # of the other way's count


class Rule(Common):
    """News where a day's entries are off by more than `tolerance` of those expected and `deviations` of chance.

    In the store half of all are expected to enter; a line is compared with its own usual share.
    """

    kind: Literal["imbalance"] = "imbalance"
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.1
    deviations: Annotated[float, Field(ge=2, le=10)] = 5.0
    at_least: Annotated[int, Field(ge=20)] = 100
    stale_after: Duration = 26 * 3600

    def ready(self, known: Iterable[str]) -> Judge:
        """See Common."""
        needed = {"entered_last_day", "left_last_day"} | ({"in_share_expected"} if self.scope == "line" else set())
        if missing := needed - set(known):
            raise ValueError(f"it needs {', '.join(sorted(missing))}, which a {self.scope} does not have")

        def judge(inputs: Inputs, _: tuple[float, ...]) -> Verdict:
            entered, left = inputs.values["entered_last_day"], inputs.values["left_last_day"]
            total, share = entered + left, inputs.values.get("in_share_expected", 0.5)
            off = abs(entered - share * total)
            chance = math.sqrt(total * share * (1.0 - share))
            holds = total >= self.at_least and off > self.tolerance * share * total and off > self.deviations * chance
            return Verdict(holds, not holds, entered - left, (), _why(entered, left) if holds else "")

        return Judge(needed, judge)


def _why(entered: float, left: float) -> str:
    counted = f"{entered:.0f} in and {left:.0f} out on the last whole day"
    return f"{counted}: one way is hardly counted" if min(entered, left) < _ONE_WAY * max(entered, left) else counted
