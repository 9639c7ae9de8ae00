"""A number is over a limit: a condition that holds, and another, further back, that says it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent.alerts.base import Common, Judge
from agent.alerts.expressions import compiled
from agent.alerts.facts import Inputs, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rule(Common):
    """`when` it begins and `clear` when it is over; without `clear` it is over as soon as `when` no longer holds."""

    kind: Literal["threshold"] = "threshold"
    when: str
    clear: str = ""

    def conditions(self) -> tuple[str, ...]:
        """See Common."""
        return (self.when, self.clear) if self.clear else (self.when,)

    def ready(self, known: Iterable[str]) -> Judge:
        """See Common."""
        names = tuple(known)
        when = compiled(self.when, names)
        clear = compiled(self.clear, names) if self.clear else None
        first = next((word for word in self.when.replace("(", " ").split() if word in when.names), "")

        def judge(inputs: Inputs, _: tuple[float, ...]) -> Verdict:
            holds = bool(when.holds(inputs.values))
            # What is not open need not be asked whether it is over: it halves the evaluations of a quiet store.
            over = not holds and (clear is None or not inputs.is_open or bool(clear.holds(inputs.values)))
            return Verdict(holds, over, inputs.values.get(first))

        return Judge(when.names | (clear.names if clear else frozenset()), judge)
