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


def summaries(transitions: Sequence[Transition], until: float, zone: ZoneInfo) -> list[Summary]:
    """How often, how long and at what hours each rule would have spoken; what is open at the end lasts until then."""
    began: dict[str, Transition] = {}
    ended = {t.id: t.at for t in transitions if t.state == "resolved"}
    for transition in transitions:
        if transition.state == "firing":
            began.setdefault(transition.id, transition)
    found = []
    for rule, scope in sorted({(t.rule, t.scope) for t in began.values()}):
        lives = [t for t in began.values() if (t.rule, t.scope) == (rule, scope)]
        hours = Counter(datetime.fromtimestamp(t.at, tz=zone).hour for t in lives)
        seconds = sum(int(ended.get(t.id, until)) - t.at for t in lives)
        found.append(Summary(rule, scope, len(lives), seconds, dict(sorted(hours.items()))))
    return found
