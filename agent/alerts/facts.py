"""What rules look at: the newest value of each metric in each scope, and what a kind makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.contract.observation import Numbered

AGENT = "agent"  # the scope of the agent's own health
STORE = "store"
# Figures of a sensor that the agent says of it: they do not show that it answers.
OF_IT = frozenset({"silent_seconds", "clock_off_seconds", "completeness_ratio"})

# Figures that need somebody who enters staff, in stores where people do: that nobody has today is no sensor's failure.
OF_PEOPLE = frozenset({"staff", "unattended_seconds"})


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
    """What one rule sees of one scope: values by name, the moment of the newest, and whether its alert is open now."""

    values: dict[str, float]
    at: float
    is_open: bool = False


class Verdict(NamedTuple):
    """What a kind says: whether the condition holds, whether it is clear (both may be false in between), and of what.

    `memory` comes back at the next call; `why` says it to people where names and values alone do not.
    """

    holds: bool
    clear: bool
    value: float | None
    memory: tuple[float, ...] = ()
    why: str = ""


def facts_of(rows: Iterable[Numbered]) -> list[Fact]:
    """What numbered rows tell: figures worked out here in their place, a device's own at SENSOR/place.

    A state holds as of its start and a sum as of its end, so a row is known up to its end: until then it is fresh.
    """
    return [
        Fact(
            row.place if row.sensor == STORE else f"{row.sensor}/{row.place}",
            row.metric,
            row.value,
            float(row.end),
            number,
        )
        for number, row in rows
    ]
