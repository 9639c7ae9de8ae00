"""Who goes from one zone to another, told by counts alone (conditional least squares), once the day is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.contract.layout import Role
from agent.contract.measurable import tells_presence
from agent.kernels.zones import flow_matrix
from agent.metrics.history import CROWDS_OF, Minutes
from agent.metrics.measures import UNKNOWN, Estimate

if TYPE_CHECKING:
    from agent.contract.layout import Layout, Zone
    from agent.kernels.registry import Floats
    from agent.metrics.areas import Area
    from agent.metrics.day import Day

ROUNDS = 1000
ELSEWHERE = ""  # everybody in the store who is in none of the zones


def minutes_of(day: Day) -> Minutes:
    """One day by minutes. Without two zones whose people are counted there is no flow, and so no zone."""
    zones = counted(day.layout)
    names = tuple(zone.name for zone in zones)
    entered, left = day.entered.by_minutes, day.left.by_minutes
    if len(zones) < 2:  # noqa: PLR2004 - from one to another
        none = np.empty((day.length, 0))
        return Minutes(entered, left, (), none, none)
    present = np.column_stack([_at_start(day.areas[f"zone:{name}"]) for name in names])
    came = np.column_stack([_from_outside(day, zone) for zone in zones])
    elsewhere = np.maximum(0.0, _at_start(day.store) - present.sum(axis=1))
    others = entered - np.nan_to_num(came).sum(axis=1)
    return Minutes(
        entered,
        left,
        (*names, ELSEWHERE),
        np.column_stack([present, elsewhere]),
        np.column_stack([came, np.maximum(0.0, others)]),
    )


def counted(layout: Layout) -> list[Zone]:
    """The zones between which flow is told: nobody is in two of them, and the people in each are counted."""
    return [zone for zone in layout.zone if zone.exclusive and tells_presence(layout, zone)]


def _at_start(area: Area) -> Floats:
    """Who is there at each minute's start: as a device tells it; what lines add up to is known at a minute's end."""
    return np.concatenate([[0.0], area.inside[:-1]]) if area.by_lines else area.inside


def _from_outside(day: Day, zone: Zone) -> Floats:
    """Persons who came into the store and, by the same crossing, into the zone."""
    doors = {f"{sensor}/{place}" for sensor, place in day.layout.lines(Role.ENTRANCE)}
    if not doors & set(zone.joins):
        return np.zeros(day.length)
    into = set(map(int, day.areas[f"zone:{zone.name}"].inward.rows)) & set(map(int, day.entered.rows))
    return day.total(np.array(sorted(into), dtype=np.int64), np.arange(day.length))


def _allowed(layout: Layout, names: tuple[str, ...]) -> Floats:
    """Between which zones people can go within a minute: those that a relationship joins, and everywhere else."""
    near = {
        pair
        for one in layout.relationship
        if one.kind in ("adjacent", "pathway")
        for pair in ((one.start, one.to), (one.to, one.start))
    }
    return np.array([[float(a == b or ELSEWHERE in (a, b) or (a, b) in near) for b in names] for a in names])


def _shares(day: Day, today: Minutes) -> Floats:
    """Who goes where within a minute, of a week: of one day a quarter of the moves is put wrong, of seven a tenth."""
    days = [one for one in day.past_minutes[-CROWDS_OF + 1 :] if one.names == today.names] + [today]
    gap = np.full((1, len(today.names)), np.nan)  # between days nobody goes anywhere
    present, came = (np.vstack([part for one in days for part in (pick(one), gap)]) for pick in (_present, _came))
    return flow_matrix(present, came, _allowed(day.layout, today.names), ROUNDS)


def _told(day: Day, scope: str) -> tuple[float, float, float] | None:
    """Persons who went from one zone to another in the day, the share of those who left the one, and completeness."""
    today = day.minutes
    if today is None or not today.names:
        return None
    shares = day.once("flow", lambda: _shares(day, today))
    start, _, to = scope.removeprefix("zone:").partition(">")
    a, b = today.names.index(start), today.names.index(to)
    moved = float(np.nansum(today.present[:, a]) * shares[a, b])
    left = 1.0 - float(shares[a, a])
    whole = float((~np.isnan(today.present).any(axis=1)).mean())
    return moved, float(shares[a, b]) / left if left > 0.0 else 0.0, whole


def _present(one: Minutes) -> Floats:
    return one.present


def _came(one: Minutes) -> Floats:
    return one.came


def persons(day: Day, scope: str, _first: int, _last: int) -> Estimate:
    """Persons who went from the one zone to the other."""
    told = _told(day, scope)
    return Estimate(told[0], told[2]) if told else UNKNOWN


def share(day: Day, scope: str, _first: int, _last: int) -> Estimate:
    """Of those who left the one zone, the share that went straight to the other."""
    told = _told(day, scope)
    return Estimate(told[1], told[2]) if told else UNKNOWN
