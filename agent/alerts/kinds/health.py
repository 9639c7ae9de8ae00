"""The agent itself is unwell: room in the buffer, time without headquarters, a clock that is not trusted."""

from __future__ import annotations

from typing import Literal

from agent.alerts.base import Scope
from agent.alerts.kinds import threshold


class Rule(threshold.Rule):
    """A threshold over the agent's own figures; it holds by night as by day."""

    kind: Literal["health"] = "health"  # type: ignore[assignment]  # a kind's name is its own
    scope: Scope = "agent"
    only_open: bool = False
