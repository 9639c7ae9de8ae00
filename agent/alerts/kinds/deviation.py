"""A number far from what is expected now: a tail of the negative binomial, for as long as `for` says.

Poisson is far too narrow: its 90 % intervals covered 42 % of real counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from agent.alerts.base import Common, Judge
from agent.alerts.facts import Inputs, Verdict
from agent.alerts.kinds.silent import log_probability

if TYPE_CHECKING:
    from collections.abc import Iterable

FARTHEST = 100_000  # persons summed over; no interval of a store has more


class Rule(Common):
    """`metric` is a count of an interval: news beyond `probability` on `side`, over inside ten times that."""

    kind: Literal["deviation"] = "deviation"
    metric: str = "footfall"
    side: Literal["high", "low", "both"] = "both"
    probability: Annotated[float, Field(gt=0, lt=0.1)] = 0.001

    def ready(self, known: Iterable[str]) -> Judge:
        """See Common."""
        needed = {self.metric, f"{self.metric}_expected", f"{self.metric}_dispersion"}
        if missing := needed - set(known):
            raise ValueError(f"it needs {', '.join(sorted(missing))}, which a {self.scope} does not have")

        def judge(inputs: Inputs, _: tuple[float, ...]) -> Verdict:
            count = inputs.values[self.metric]
            mean, r = inputs.values[f"{self.metric}_expected"], inputs.values[f"{self.metric}_dispersion"]
            high = count > mean
            asked = self.side == "both" or (self.side == "high") == high
            p = tail(count, mean, r, upper=high) if asked else 1.0
            why = f"{count:.0f} where about {mean:.0f} are usual"
            return Verdict(p < self.probability, p > 10 * self.probability, count, (), why)

        return Judge(needed, judge)


def tail(count: float, mean: float, r: float, *, upper: bool) -> float:
    """The probability of so many or more (`upper`), or of so few or fewer."""
    if mean <= 0.0:
        return 1.0
    whole = min(int(count), FARTHEST)
    term = math.exp(log_probability(float(whole), mean, r))
    total, share = 0.0, mean / (r + mean)
    if upper:  # upwards from the count, until a term no longer shows
        while term > total * 1e-12 and whole < FARTHEST:
            total += term
            term *= share * (whole + r) / (whole + 1.0)
            whole += 1
    else:
        while whole >= 0 and term > total * 1e-12:
            total += term
            term *= whole / (share * (whole - 1.0 + r)) if whole else 0.0
            whole -= 1
    return min(1.0, total)
