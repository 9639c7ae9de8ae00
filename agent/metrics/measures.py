"""Persons, presence and shares of the store and its zones, from one day's matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.contract.times import HOUR, MINUTE
from agent.kernels.occupancy import presence
from agent.kernels.shares import share_with_interval
from agent.kernels.stays import mean_stay, stay_per_visit
from agent.metrics.day import split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.contract.layout import Zone
    from agent.kernels.registry import Floats
    from agent.metrics.areas import Flow
    from agent.metrics.day import Day

NINETY = 1.64  # normal quantiles: occupancy is published with 90 %, shares with 95 %
NINETY_FIVE = 1.96
FEWEST = 30.0  # persons at the door, below which a capture rate says nothing
SOONEST = 15  # minutes of a day before which a share of them says little
WITHHELD = 0.5  # completeness below which a number is not published


class Estimate(NamedTuple):
    """A number with its bounds where the estimator has them, and the share of its window that was observed."""

    value: float
    completeness: float
    lower: float | None = None
    upper: float | None = None


UNKNOWN = Estimate(math.nan, 0.0)


def told_of(day: Day, rows: NDArray[np.int64], first: int, last: int) -> float:
    """The share of the window that these series told of."""
    return float(day.covered[rows, first:last].mean()) if rows.size and last > first else 0.0


def mean_of(shares: Floats) -> float:
    """As numpy's mean, in a third of its time: it is asked a dozen times a tick."""
    return float(np.add.reduce(shares)) / shares.size


def sum_of(persons: Floats) -> float:
    """Persons in all, missing where none of them is known."""
    known = persons[~np.isnan(persons)]
    return float(np.add.reduce(known)) if known.size else math.nan


def flow(way: Flow, first: int, last: int) -> Estimate:
    """Persons over some lines one way; missing where a row is too wide to say whether they came in the window."""
    told = mean_of(way.told[first:last])
    return Estimate(sum_of(way.persons[first:last]) if way.placed(first, last) else math.nan, told)


def zone_of(day: Day, scope: str) -> Zone:
    """The zone that a scope names."""
    return next(zone for zone in day.layout.zone if f"zone:{zone.name}" == scope)


def present_told(day: Day, scope: str, first: int, last: int) -> float:
    """The share of the window in which it was known who is in an area."""
    area = day.areas[scope]
    if area.told.size:
        return told_of(day, area.told, first, last)
    return mean_of(area.inward.told[first:last] * ~np.isnan(area.inside[first:last]))


def regions(day: Day, scope: str, metric: str) -> NDArray[np.int64]:
    """The rows in which devices tell a metric of a zone's places."""
    return day.rows_of(map(split, zone_of(day, scope).places), metric)


# ---- the doors


def entered(day: Day, _scope: str, first: int, last: int) -> Estimate:
    """Persons in."""
    return flow(day.entered, first, last)


def left(day: Day, _scope: str, first: int, last: int) -> Estimate:
    """Persons out."""
    return flow(day.left, first, last)


def net_flow(day: Day, _scope: str, first: int, last: int) -> Estimate:
    """In less out."""
    came, went = flow(day.entered, first, last), flow(day.left, first, last)
    return Estimate(came.value - went.value, min(came.completeness, went.completeness))


def passers_by(day: Day, _scope: str, first: int, last: int) -> Estimate:
    """Persons outside, both ways."""
    one, other = (flow(way, first, last) for way in day.passed)
    return Estimate(one.value + other.value, min(one.completeness, other.completeness))


def capture_rate(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Of those in or passing, the share in, with Wilson's interval."""
    came, passing = entered(day, scope, first, last), passers_by(day, scope, first, last)
    trials = np.array([came.value + passing.value])
    share = share_with_interval(np.array([came.value]), trials, NINETY_FIVE, FEWEST)[:, 0]
    told = min(came.completeness, passing.completeness)
    return Estimate(float(share[0]), told, float(share[1]), float(share[2]))


def draw_ratio(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Persons in for each who passed by."""
    came, passing = entered(day, scope, first, last), passers_by(day, scope, first, last)
    value = came.value / passing.value if passing.value >= FEWEST else math.nan
    return Estimate(value, min(came.completeness, passing.completeness))


def observed(day: Day, sensor: str, last: int) -> float | None:
    """The share that a sensor told of the hour before a minute; None before a quarter of an hour of the day is over."""
    since = max(0, last - HOUR // MINUTE)
    if last - since < SOONEST:
        return None
    return float(day.told_by(sensor)[since:last].mean())


def completeness(day: Day, scope: str, first: int, last: int) -> Estimate:
    """How much of the window the entrance lines told of, or a sensor of its lines and regions.

    Minutes weigh by how many usually come in them, where that is known.
    """
    if scope == "store":
        told = np.minimum(day.entered.told[first:last], day.left.told[first:last])
    else:
        told = day.told_by(scope.partition("/")[0])[first:last]
    usual = day.usual.get(scope)
    weights = usual.minutes[first:last] if usual else np.ones(last - first)
    if not weights.sum() > 0.0:
        weights = np.ones(told.size)
    return Estimate(min(1.0, float((told * weights).sum() / weights.sum())), 1.0)


# ---- who is there


def occupancy(day: Day, scope: str, first: int, _last: int) -> Estimate:
    """At the window's start; what lines add up to is nobody when the day begins."""
    if first or day.areas[scope].told.size:
        return occupancy_now(day, scope, max(0, first - 1))
    return Estimate(0.0, 1.0, 0.0, 0.0)


def occupancy_now(day: Day, scope: str, at: int) -> Estimate:
    """At one minute; where a device tells it, the last it told within three minutes."""
    area = day.areas[scope]
    if area.told.size:
        known = np.flatnonzero(~np.isnan(area.inside[max(0, at - 3) : at + 1]))
        return Estimate(float(area.inside[max(0, at - 3) + known[-1]]), 1.0) if known.size else UNKNOWN
    inside, half = float(area.inside[at]), NINETY * math.sqrt(area.variance[at])
    return Estimate(inside, mean_of(area.inward.told[: at + 1]), max(0.0, inside - half), inside + half)


def occupancy_mean(day: Day, scope: str, first: int, last: int) -> Estimate:
    """On average over the window."""
    area, told = day.areas[scope], present_told(day, scope, first, last)
    value = float(presence(area.inside[first:last], float(MINUTE), 0.0)[1])
    if area.told.size:
        return Estimate(value, told)
    half = NINETY * math.sqrt(mean_of(area.variance[first:last]))
    return Estimate(value, told, max(0.0, value - half), value + half)


def occupancy_peak(day: Day, scope: str, first: int, last: int) -> Estimate:
    """The most in any minute."""
    peak = presence(day.areas[scope].inside[first:last], float(MINUTE), 0.0)[2]
    return Estimate(float(peak), present_told(day, scope, first, last))


def capacity_of(day: Day, scope: str) -> float:
    """Persons that the store or a zone holds."""
    return float((day.layout if scope == "store" else zone_of(day, scope)).capacity or 1)


def occupancy_ratio(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Mean presence per place."""
    return _per(occupancy_mean(day, scope, first, last), capacity_of(day, scope))


def occupancy_ratio_now(day: Day, scope: str, at: int) -> Estimate:
    """Presence per place at one minute."""
    return _per(occupancy_now(day, scope, at), capacity_of(day, scope))


def _per(one: Estimate, capacity: float) -> Estimate:
    lower, upper = (None if bound is None else bound / capacity for bound in (one.lower, one.upper))
    return Estimate(one.value / capacity, one.completeness, lower, upper)


# ---- zones


def visits(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Persons who entered the zone: as devices tell of its regions, else over the lines that lead into it."""
    rows = regions(day, scope, "visits")
    if rows.size:
        return Estimate(sum_of(day.counts[rows, first:last]), told_of(day, rows, first, last))
    inward = day.areas[scope].inward
    if inward.rows.size:
        return flow(inward, first, last)
    lines = regions(day, scope, "in")
    return Estimate(sum_of(day.counts[lines, first:last]), told_of(day, lines, first, last)) if lines.size else UNKNOWN


def entry_rate(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Visits for each person who came into the store; one person may visit twice, so it can be above 1."""
    inside, came = visits(day, scope, first, last), entered(day, scope, first, last)
    value = inside.value / came.value if came.value > 0 else math.nan
    return Estimate(value, min(inside.completeness, came.completeness))


def dwell(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Seconds a visit: of persons and seconds told, else by Little's law from who is there and who came."""
    spent, came = regions(day, scope, "person_seconds"), regions(day, scope, "visits")
    if spent.size and came.size:
        seconds, persons = (np.array([sum_of(day.counts[rows, first:last])]) for rows in (spent, came))
        told = min(told_of(day, spent, first, last), told_of(day, came, first, last))
        return Estimate(float(stay_per_visit(seconds, persons, float((last - first) * MINUTE))[0]), told)
    area = day.areas[scope]
    if not area.inward.rows.size:
        return UNKNOWN
    stay = mean_stay(area.inside[first:last], area.inward.persons[first:last], float(MINUTE), last - first)
    return Estimate(float(stay[0]), present_told(day, scope, first, last))
