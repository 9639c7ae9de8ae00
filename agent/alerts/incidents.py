"""One incident for many symptoms: an alert that another explains joins its incident, and people are told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.alerts.binding import Watch
    from agent.alerts.state import Life

# Troubles of sensors and agent, which explain what the rules downstream of them say.
CAUSES = frozenset({"data", "silent", "device", "health"})
TOGETHER = 120.0  # seconds: what fails within two minutes has one cause, a switch or the line

Key = tuple[str, str]


def incident_of(watch: Watch, life: Life, lives: Mapping[Key, Life], watch_of: Callable[[Key], Watch | None]) -> str:
    """The incident that a life that begins to fire belongs to: that of the earliest open alert that explains it."""
    found = [
        (other.since, other.id, other.incident)
        for key, other in lives.items()
        if other.active and key != watch.key and (there := watch_of(key)) and _explains(there, other, watch, life)
    ]
    return min(found)[2] if found else life.id


def _explains(there: Watch, other: Life, watch: Watch, life: Life) -> bool:
    if there.scope == watch.scope:
        return True
    cause, symptom = _is_cause(there), _is_cause(watch)
    if cause and symptom:
        return abs(life.since - other.since) <= TOGETHER
    return cause and bool(there.sensors & watch.sensors)


def _is_cause(watch: Watch) -> bool:
    return getattr(watch.rule, "kind", "") in CAUSES
