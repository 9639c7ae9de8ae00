"""Rules over recorded history: the alerts that would have been raised, how often, how long, at what hours.

This is how somebody tries a threshold on last month before switching it on.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from agent.alerts.engine import Engine
    from agent.alerts.facts import Fact
    from agent.alerts.state import Transition


class Summary(NamedTuple):
    """What one rule would have done at one scope: how often, for how many seconds in all, at which local hours."""

    rule: str
    scope: str
    times: int
    seconds: int
    hours: dict[int, int]


def replayed(engine: Engine, facts: Iterable[Fact], until: float) -> tuple[Transition, ...]:
    """Every transition of a recorded history, as if lived: the same for shuffled and duplicated facts."""
    ordered = sorted(set(facts), key=lambda fact: (fact.at, fact.number, fact.scope, fact.metric))
    if not ordered:
        return ()
    return engine.step(engine.begin(ordered[0].at), ordered, until)[1]


class Raised(NamedTuple):
    """One alert that would have been raised: its steps in order, from when until when (None: it was still open)."""

    steps: tuple[Transition, ...]
    began: int
    ended: int | None

    @property
    def first(self) -> Transition:
        """How it was first told."""
        return self.steps[0]

    def seconds(self, until: float) -> int:
        """How long it lasted, up to a moment where it was still open."""
        return int(until if self.ended is None else self.ended) - self.began


def raised(transitions: Iterable[Transition]) -> list[Raised]:
    """The alerts among transitions that begin within them, in the order in which they were raised."""
    lives: dict[str, list[Transition]] = {}
    for one in transitions:
        if one.state == "firing" or one.id in lives:
            lives.setdefault(one.id, []).append(one)
    return [
        Raised(tuple(steps), steps[0].at, next((one.at for one in steps if one.state == "resolved"), None))
        for steps in lives.values()
    ]


def summaries(transitions: Sequence[Transition], until: float, zone: ZoneInfo) -> list[Summary]:
    """How often, how long and at what hours each rule would have spoken; what is open at the end lasts until then."""
    found: dict[tuple[str, str], list[Raised]] = {}
    for one in raised(transitions):
        found.setdefault((one.first.rule, one.first.scope), []).append(one)
    return [
        Summary(
            *key,
            len(lives),
            sum(one.seconds(until) for one in lives),
            dict(sorted(Counter(datetime.fromtimestamp(one.began, tz=zone).hour for one in lives).items())),
        )
        for key, lives in sorted(found.items())
    ]
