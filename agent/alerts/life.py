"""The life of one alert at one place: ok, pending, firing, acknowledged, escalated, resolved; unknown on stale data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.alerts.durations import words

if TYPE_CHECKING:
    from agent.alerts.base import Common
    from agent.alerts.state import Life

HOUR = 3600.0
FLAPPING_CLEAR = 900  # seconds a flapping alert must be clear: it is one trouble, not many
NEVER = float("inf")


class Told(NamedTuple):
    """A state to tell people of, since when, and a remark."""

    state: str
    at: float
    remark: str = ""


class Surroundings(NamedTuple):
    """What is around a place at a moment: does the rule apply (open), may something new begin, are inputs fresh."""

    applies: bool
    may_begin: bool
    fresh: bool


def is_flapping(rule: Common, life: Life) -> bool:
    """Whether it fired so often within an hour that it is one trouble that comes and goes."""
    return len(life.fired) >= rule.flaps


def advanced(rule: Common, life: Life, now: float, around: Surroundings) -> tuple[Life, tuple[Told, ...], float]:
    """A life moved on to `now`, what to tell of it, and when to look again (never, where only a fact can change it)."""
    life = life._replace(fired=tuple(at for at in life.fired if at + HOUR > now))
    if not life.active:
        return _resting(rule, life, now, around)
    if not around.applies:
        return _over(rule, life, now, "the store has closed")
    if not around.fresh:
        told = () if life.unknown else (Told("unknown", now, "no fresh numbers; it may still hold"),)
        return life._replace(unknown=True, clear_since=None), told, NEVER
    told = (Told(life.phase, now, "numbers are back and it still holds"),) if life.unknown and not life.clear else ()
    life = life._replace(unknown=False)
    life = life._replace(clear_since=(now if life.clear_since is None else life.clear_since) if life.clear else None)
    return _running(rule, life, now, told)


def _resting(rule: Common, life: Life, now: float, around: Surroundings) -> tuple[Life, tuple[Told, ...], float]:
    pending = life.phase == "pending"
    if not (life.holds and around.applies and around.fresh and (pending or around.may_begin)):
        return life._replace(phase="ok", unknown=not around.fresh), (), NEVER
    if not pending:
        life = life._replace(phase="pending", unknown=False, start=now, since=now, suppressed=0)
    ready = max(life.start + rule.hold, life.quiet_until)
    if now < ready:
        return life, (), ready
    if len(life.fired) >= rule.max_per_hour:
        return life._replace(suppressed=1), (), life.fired[0] + HOUR
    life = life._replace(phase="firing", since=now, clear_since=None, fired=(*life.fired, now))
    remark = "it comes and goes" if is_flapping(rule, life) else ""
    return life, (Told("firing", now, remark),), _next(rule, life)


def _running(rule: Common, life: Life, now: float, told: tuple[Told, ...]) -> tuple[Life, tuple[Told, ...], float]:
    if life.clear_since is not None and now >= life.clear_since + clear_for(rule, life):
        return _over(rule, life, now, f"after {words(now - life.start)}")
    if life.phase != "escalated" and rule.escalate_after and now >= life.since + rule.escalate_after:
        waited = "taken on" if life.phase == "acknowledged" else "open"
        remark = f"{waited} for {words(now - life.since)}"
        life = life._replace(phase="escalated", since=now)
        told = (*told, Told("escalated", now, remark))
    return life, told, _next(rule, life)


def clear_for(rule: Common, life: Life) -> int:
    """How long it must be clear before it is over."""
    return max(rule.clear_for, FLAPPING_CLEAR) if is_flapping(rule, life) else rule.clear_for


def _over(rule: Common, life: Life, now: float, remark: str) -> tuple[Life, tuple[Told, ...], float]:
    """Resolved; it may hold again at once where only the hours ended it, so it rests until the cooldown is over."""
    rested = life._replace(phase="ok", unknown=False, clear_since=None, quiet_until=now + rule.cooldown)
    return rested, (Told("resolved", now, remark),), NEVER


def _next(rule: Common, life: Life) -> float:
    clear = NEVER if life.clear_since is None else life.clear_since + clear_for(rule, life)
    escalate = life.since + rule.escalate_after if rule.escalate_after and life.phase != "escalated" else NEVER
    return min(clear, escalate)


def acknowledged(life: Life, now: float, by: str) -> tuple[Life, tuple[Told, ...]]:
    """A life that somebody has taken on; a second time changes nothing."""
    if not life.active or life.phase == "acknowledged":
        return life, ()
    return life._replace(phase="acknowledged", since=now), (
        Told("acknowledged", now, f"taken on by {by or 'somebody'}"),
    )
