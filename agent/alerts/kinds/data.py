"""No fresh numbers: the one alert for everything that a silent sensor leaves unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent.alerts.base import Common, Judge, Scope
from agent.alerts.facts import Inputs, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rule(Common):
    """Raised by the engine, once for each sensor whose silence makes other rules unknown; how old is too old is theirs.

    Where no rule of this kind is written the engine has its own; `enabled = false` keeps it quiet.
    """

    kind: Literal["data"] = "data"
    name: str = "data-gap"
    scope: Scope = "sensor"
    text: str = "No fresh numbers from {place}"
    advice: str = "Check the sensor's power and network cable, then its page in a browser."

    def ready(self, known: Iterable[str]) -> Judge:  # noqa: ARG002 - the base names it
        """See Common; what it looks at is the freshness of the others' inputs, so it reads no name."""

        def judge(inputs: Inputs, _: tuple[float, ...]) -> Verdict:
            blamed = inputs.values.get("rules_without_data", 0.0)
            return Verdict(blamed > 0, blamed == 0, blamed)

        return Judge((), judge)
