"""A sensor that says nothing, or the same again and again: told by the exact probability, not by a time-out.

Counts are negative binomial with mean μ and dispersion r. To count nobody in an interval has probability (r/(r+μ))^r,
so ln P = Σ r·ln(r/(r+μ)) since the last count: 1e-6 takes about 14 expected visitors, minutes at noon, hours at night.
A frozen sensor repeats a value v that is not 0; each repeat has the probability of counting just v.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from agent.alerts.base import Common, Judge, Scope
from agent.alerts.facts import Inputs, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rule(Common):
    """`metric` is a count of each interval; with `_expected` and `_dispersion` behind its name, the baseline."""

    kind: Literal["silent"] = "silent"
    scope: Scope = "sensor"
    metric: str = "crossings"
    probability: Annotated[float, Field(gt=0, lt=0.01)] = 1e-6

    def ready(self, known: Iterable[str]) -> Judge:
        """See Common."""
        needed = {self.metric, f"{self.metric}_expected", f"{self.metric}_dispersion"}
        if missing := needed - set(known):
            raise ValueError(f"it needs {', '.join(sorted(missing))}, which a {self.scope} does not have")
        alarm = math.log(self.probability)

        def judge(inputs: Inputs, memory: tuple[float, ...]) -> Verdict:
            at, value, told = memory or (-math.inf, math.nan, 0.0)
            count = inputs.values[self.metric]
            if inputs.at > at:
                mean, r = inputs.values[f"{self.metric}_expected"], inputs.values[f"{self.metric}_dispersion"]
                told = told if count == value else 0.0
                told += log_probability(count, mean, r) if count in (value, 0.0) else 0.0
            holds = told <= alarm
            why = f"probability {math.exp(max(told, -700.0)):.0e} that it works" if holds else ""
            return Verdict(holds, told > alarm, count, (max(at, inputs.at), count, told), why)

        return Judge(needed, judge)


def log_probability(count: float, mean: float, r: float) -> float:
    """The logarithm of the probability that a working sensor counts just so many."""
    if mean <= 0.0:
        return 0.0  # nobody is expected: nothing can be told
    ways = math.lgamma(count + r) - math.lgamma(r) - math.lgamma(count + 1.0) if count else 0.0
    return ways + r * math.log(r / (r + mean)) + count * math.log(mean / (r + mean))
