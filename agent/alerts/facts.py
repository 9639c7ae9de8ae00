"""What rules look at: the newest value of each metric in each scope, and what a kind makes of them."""

from __future__ import annotations

from typing import NamedTuple

AGENT = "agent"  # the scope of the agent's own health
STORE = "store"


class Fact(NamedTuple):
    """A metric's value in a scope as of the moment `at` (UTC seconds); None: it could not be worked out.

    A scope is `store`, `zone:NAME`, `SENSOR/sensor`, `SENSOR/line:N`, `SENSOR/region:N` or `agent`. `number` breaks
    ties: of two facts with the same `at` the higher one, a revision, counts.
    """

    scope: str
    metric: str
    value: float | None
    at: float
    number: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What the fact is about."""
        return self.scope, self.metric


class Inputs(NamedTuple):
    """What one rule sees of one scope: values by name, and up to when the oldest of them is known."""

    values: dict[str, float]
    at: float


class Verdict(NamedTuple):
    """What a kind says: whether the condition holds, whether it is clear (both may be false in between), and of what.

    `memory` comes back at the next call; `why` says it to people where names and values alone do not.
    """

    holds: bool
    clear: bool
    value: float | None
    memory: tuple[float, ...] = ()
    why: str = ""
