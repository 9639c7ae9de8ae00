"""Rules made ready for one store: which places each watches, and which rules are refused here and why."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from agent.alerts.kinds import data
from agent.alerts.reach import can_hold
from agent.contract.contradictions import Contradiction, Contradictions
from agent.contract.measurable import names, ranges, scopes, why_not

if TYPE_CHECKING:
    from agent.alerts.base import Common, Judge
    from agent.alerts.rules import Maintenance, Rules
    from agent.contract.layout import Layout


class Watch(NamedTuple):
    """One rule at one scope. `title` is the place in people's words, `sensors` those whose silence makes it unknown."""

    rule: Common
    scope: str
    judge: Judge
    sensors: frozenset[str]
    title: str

    @property
    def key(self) -> tuple[str, str]:
        """What names its life."""
        return self.rule.name, self.scope


class Refusal(NamedTuple):
    """A rule that this store cannot have at a scope (empty: nowhere), and the reason in words."""

    rule: str
    scope: str
    reason: str


class Bound(NamedTuple):
    """A store's rules: what is watched, what is refused, and the alert for missing data."""

    watches: tuple[Watch, ...]
    refused: tuple[Refusal, ...]
    gaps: tuple[Watch, ...]
    maintenance: tuple[Maintenance, ...]


def bound(rules: Rules, layout: Layout) -> Bound:
    """The rules made ready for a store. The first condition loads rule-engine, so the agent's page listens before.

    Raises:
        Contradictions: a rule names what there is nowhere; `located` has the keys.
    """
    watches: list[Watch] = []
    refused: list[Refusal] = []
    wrong: list[Contradiction] = []
    reasons = why_not(layout)
    for index, rule in enumerate(rules.alert):
        if not rule.enabled or isinstance(rule, data.Rule):
            continue
        try:
            judge = rule.ready(names(rule.scope))
        except ValueError as error:
            wrong.append(Contradiction(("alert", index, _key_of(rule, str(error))), f"{rule.name}: {error}"))
            continue
        places = _places(rule, layout)
        wrong += [Contradiction(("alert", index, "places"), f"{rule.name}: {text}") for text in _unknown(rule, layout)]
        if never := next((text for text in rule.conditions() if not can_hold(text, ranges(rule.scope))), ""):
            refused.append(Refusal(rule.name, "", f"`{never}` can never hold: {_limits(judge, rule.scope)}"))
            continue
        if not places:
            refused.append(Refusal(rule.name, "", _nowhere(rule)))
        for scope, title in places.items():
            reason = "; and ".join(dict.fromkeys(why for name in judge.names if (why := reasons[scope, name])))
            if reason:
                refused.append(Refusal(rule.name, scope, reason))
            else:
                watches.append(Watch(rule, scope, judge, layout.sensors_of(scope), title))
    if wrong:
        raise Contradictions(tuple(wrong))
    return Bound(tuple(watches), tuple(refused), _gaps(rules, layout), rules.maintenance)


def _key_of(rule: Common, text: str) -> str:
    """The key whose value the error quotes."""
    return next((key for key in ("clear", "when", "metric") if f"`{getattr(rule, key, None)}`" in text), "name")


def _places(rule: Common, layout: Layout) -> dict[str, str]:
    """The scopes a rule watches with their titles."""
    found = {}
    for scope, (level, subject) in scopes(layout).items():
        if level != rule.scope or (rule.places and not {scope, _short(scope)} & set(rule.places)):
            continue
        if rule.purposes and subject.purpose not in rule.purposes:  # type: ignore[attr-defined]  # purposes are for zones, see Common
            continue
        found[scope] = _title(scope, subject)
    return found


def _short(scope: str) -> str:
    """A scope as people write it: a zone by its name, a sensor by its id."""
    return scope.removeprefix("zone:").removesuffix("/sensor")


def _title(scope: str, subject: object) -> str:
    if scope == "store":
        return "the store"
    return str(getattr(subject, "name", "") or _short(scope))


def _unknown(rule: Common, layout: Layout) -> list[str]:
    known = [_short(scope) for scope, (level, _) in scopes(layout).items() if level == rule.scope]
    wrong = []
    for place in rule.places:
        if place not in known and place not in scopes(layout):
            close = difflib.get_close_matches(place, known, n=1)
            remedy = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known) or 'none'}"
            wrong.append(f"there is no {rule.scope} {place!r} — {remedy}")
    return wrong


def _limits(judge: Judge, level: str) -> str:
    """What the figures of a rule can be, in words."""
    there = ranges(level)
    return ", ".join(f"{name} is {there[name][0]:g} to {there[name][1]:g}" for name in judge.names).replace(
        "inf", "any"
    )


def _nowhere(rule: Common) -> str:
    chosen = f" with the purpose {' or '.join(rule.purposes)}" if rule.purposes else ""
    return f"this store has no {rule.scope}{chosen}"


def _gaps(rules: Rules, layout: Layout) -> tuple[Watch, ...]:
    """The alert for missing data at everything that may be to blame."""
    rule = next((rule for rule in rules.alert if isinstance(rule, data.Rule)), data.Rule())
    if not rule.enabled:
        return ()
    judge = rule.ready(())
    return tuple(
        Watch(rule, scope, judge, layout.sensors_of(scope), _title(scope, subject))
        for scope, (_, subject) in scopes(layout).items()
    )
