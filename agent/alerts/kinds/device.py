"""A device raises an alarm of its own: flags that are 0 or 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent.alerts.base import Common, Judge, Scope
from agent.alerts.facts import Inputs, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

FLAGS = ("alarm_counter", "alarm_region_in", "alarm_region_out")


class Rule(Common):
    """News while one of `flags` is up. Flags are written on change and once an hour, so they grow stale late."""

    kind: Literal["device"] = "device"
    scope: Scope = "sensor"
    flags: tuple[Literal["alarm_counter", "alarm_region_in", "alarm_region_out"], ...] = FLAGS  # type: ignore[assignment]  # literals
    stale_after: int = 2 * 3600

    def ready(self, known: Iterable[str]) -> Judge:
        """See Common."""
        flags = [flag for flag in self.flags if flag in set(known)]
        if not flags:
            raise ValueError(f"this place has none of {', '.join(self.flags)}")

        def judge(inputs: Inputs, _: tuple[float, ...]) -> Verdict:
            up = [flag for flag in flags if inputs.values[flag]]
            return Verdict(bool(up), not up, float(len(up)), (), ", ".join(up))

        return Judge(flags, judge)
