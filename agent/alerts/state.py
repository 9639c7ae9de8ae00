"""What the engine remembers between steps, and its form as JSON: kept in the commit that moves the stage's cursor."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any, NamedTuple

from agent.alerts.facts import Fact
from agent.contract.happenings import Alert

ACTIVE = frozenset({"firing", "acknowledged", "escalated"})


class Life(NamedTuple):
    """Where one rule stands at one scope; times are UTC seconds.

    `phase` is ok, pending, firing, acknowledged or escalated; `unknown` says that its inputs are stale. `start` is when
    the condition began to hold and makes the id, `since` when the phase began, `clear_since` since when it is clear.
    """

    phase: str = "ok"
    unknown: bool = False
    start: float = 0.0
    since: float = 0.0
    clear_since: float | None = None
    quiet_until: float = 0.0
    fired: tuple[float, ...] = ()  # starts within the last hour
    suppressed: int = 0
    id: str = ""
    incident: str = ""
    holds: bool = False
    clear: bool = True
    value: float | None = None
    why: str = ""
    memory: tuple[float, ...] = ()

    @property
    def active(self) -> bool:
        """Whether people have been told and it is not over."""
        return self.phase in ACTIVE


NEW = Life()


class Transition(NamedTuple):
    """One step in an alert's life, in the order of `agent.contract.happenings.Alert`, then what only the store needs.

    `id` is the same for all steps of a life. `incident` is the id of the alert that explains it, its own where none
    does: who tells people tells them of incidents.
    """

    id: str
    rule: str
    scope: str
    state: str
    severity: str
    at: int
    value: float | None
    text: str
    incident: str
    advice: str = ""
    flapping: bool = False

    @property
    def row(self) -> Alert:
        """As it is kept and sent."""
        return Alert(*self[:8])

    @property
    def explained(self) -> bool:
        """Whether another alert explains it, so that people need not be told of it on its own."""
        return self.incident != self.id


class State(NamedTuple):
    """Everything between two steps. Never changed in place: a step returns another."""

    now: float
    began: float
    facts: dict[tuple[str, str], Fact]
    lives: dict[tuple[str, str], Life]
    dues: dict[tuple[str, str], float]  # when something may happen without a new fact
    blame: dict[tuple[str, str], tuple[str, ...]]  # the scopes whose silence leaves a rule unknown
    seen: dict[str, float]  # the newest moment each sensor told of
    rules: str = ""  # the fingerprint of the rules it was last stepped with

    def document(self) -> dict[str, Any]:
        """As JSON, without infinities."""
        return {
            "now": self.now,
            "began": self.began,
            "facts": [list(fact) for fact in self.facts.values()],
            "lives": [[*key, *life] for key, life in self.lives.items()],
            "dues": [[*key, due if isfinite(due) else None] for key, due in self.dues.items()],
            "blame": [[*key, list(scopes)] for key, scopes in self.blame.items()],
            "seen": dict(self.seen),
            "rules": self.rules,
        }


def of_document(document: dict[str, Any]) -> State:
    """The state of its JSON."""
    facts = [Fact(*fact) for fact in document["facts"]]
    lives = {(rule, scope): Life(*life) for rule, scope, *life in document["lives"]}
    return State(
        document["now"],
        document["began"],
        {fact.key: fact for fact in facts},
        {key: life._replace(fired=tuple(life.fired), memory=tuple(life.memory)) for key, life in lives.items()},
        {(rule, scope): inf if due is None else due for rule, scope, due in document["dues"]},
        {(rule, scope): tuple(scopes) for rule, scope, scopes in document["blame"]},
        dict(document["seen"]),
        document["rules"],
    )
