"""How each metric of the edge is worked out: one row a metric, which says where it applies and over which window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.contract.layout import Role
from agent.contract.metrics import EDGE_METRICS
from agent.contract.times import HOUR, MINUTE
from agent.kernels.occupancy import presence
from agent.kernels.shares import share_with_interval
from agent.kernels.stays import stay_per_visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from agent.contract.layout import Layout, Zone
    from agent.kernels.registry import Floats
    from agent.metrics.day import Day, Flow

QUARTER = 15 * MINUTE
NINETY = 1.64  # normal quantiles: occupancy is published with 90 %, shares with 95 %
NINETY_FIVE = 1.96
FEWEST = 30.0  # persons at the door, below which a capture rate says nothing
WITHHELD = 0.5  # completeness below which a number is not published


class Estimate(NamedTuple):
    """A number with its bounds where the estimator has them, and the share of its window that was observed."""

    value: float
    completeness: float
    lower: float | None = None
    upper: float | None = None


class Metric(NamedTuple):
    """One metric of the edge. `compute` is given the day, a place and its minutes [first, last); NaN is "not known"."""

    name: str
    window: int  # seconds: the interval that is published; live it is the time up to now
    places: Callable[[Layout], Iterable[str]]
    compute: Callable[[Day, str, int, int], Estimate]

    @property
    def unit(self) -> str:
        """As the contract says."""
        return EDGE_METRICS[self.name].unit


UNKNOWN = Estimate(math.nan, 0.0)


def _with_doors(layout: Layout) -> Iterable[str]:
    return ("store",) if layout.lines(Role.ENTRANCE) or any(sensor.totals for sensor in layout.sensor) else ()


def _with_passers_by(layout: Layout) -> Iterable[str]:
    return _with_doors(layout) if layout.lines(Role.PASSER_BY) else ()


def _with_regions(layout: Layout) -> Iterable[str]:
    return tuple(f"zone:{zone.name}" for zone in layout.zone if all("/region:" in place for place in zone.places))


def _with_capacity(layout: Layout) -> Iterable[str]:
    limited = {f"zone:{zone.name}" for zone in layout.zone if zone.capacity}
    return tuple(place for place in _with_regions(layout) if place in limited)


def _told(day: Day, rows: NDArray[np.int64], first: int, last: int) -> float:
    """The share of the window that these series told of."""
    return float(day.covered[rows, first:last].mean()) if rows.size and last > first else 0.0


def _sum(persons: Floats) -> float:
    return math.nan if np.isnan(persons).all() else float(np.nansum(persons))


def _flow(flow: Flow, first: int, last: int) -> Estimate:
    return Estimate(_sum(flow.persons[first:last]), float(flow.told[first:last].mean()))


def _entered(day: Day, _place: str, first: int, last: int) -> Estimate:
    return _flow(day.entered, first, last)


def _left(day: Day, _place: str, first: int, last: int) -> Estimate:
    return _flow(day.left, first, last)


def _occupancy(day: Day, _place: str, first: int, last: int) -> Estimate:
    """At the window's start; live, where the window is the minute that runs, now."""
    at = last - 1 if last - first == 1 else first - 1
    if at < 0:
        return Estimate(0.0, 1.0, 0.0, 0.0)
    half = NINETY * math.sqrt(day.variance[at])
    inside = float(day.inside[at])
    told = float(day.entered.told[: at + 1].mean())
    return Estimate(inside, told, max(0.0, inside - half), inside + half)


def _occupancy_mean(day: Day, _place: str, first: int, last: int) -> Estimate:
    half = NINETY * math.sqrt(day.variance[first:last].mean())
    value = float(presence(day.inside[first:last], float(MINUTE), 0.0)[1])
    told = float(day.entered.told[first:last].mean())
    return Estimate(value, told, max(0.0, value - half), value + half)


def _occupancy_peak(day: Day, _place: str, first: int, last: int) -> Estimate:
    value = float(presence(day.inside[first:last], float(MINUTE), 0.0)[2])
    return Estimate(value, float(day.entered.told[first:last].mean()))


def _capture_rate(day: Day, _place: str, first: int, last: int) -> Estimate:
    entered, *passing = (_flow(flow, first, last) for flow in (day.entered, *day.passed))
    trials = entered.value + passing[0].value + passing[1].value
    share = share_with_interval(np.array([entered.value]), np.array([trials]), NINETY_FIVE, FEWEST)[:, 0]
    told = min(entered.completeness, passing[0].completeness, passing[1].completeness)
    return Estimate(float(share[0]), told, float(share[1]), float(share[2]))


def _completeness(day: Day, _place: str, first: int, last: int) -> Estimate:
    sides = (day.entered.told[first:last], day.left.told[first:last])
    return Estimate(float(np.mean(sides)), 1.0)


def _zone(day: Day, place: str) -> Zone:
    return next(zone for zone in day.layout.zone if f"zone:{zone.name}" == place)


def _regions(day: Day, place: str, metric: str) -> NDArray[np.int64]:
    places = [one.partition("/")[::2] for one in _zone(day, place).places]
    return day.rows_of([(sensor, region) for sensor, region in places], metric)


def _visits(day: Day, place: str, first: int, last: int) -> Estimate:
    rows = _regions(day, place, "visits")
    return Estimate(_sum(day.counts[rows, first:last]), _told(day, rows, first, last)) if rows.size else UNKNOWN


def _dwell_mean(day: Day, place: str, first: int, last: int) -> Estimate:
    spent, visits = _regions(day, place, "person_seconds"), _regions(day, place, "visits")
    if not spent.size or not visits.size:
        return UNKNOWN
    seconds, persons = (np.array([_sum(day.counts[rows, first:last])]) for rows in (spent, visits))
    told = min(_told(day, spent, first, last), _told(day, visits, first, last))
    return Estimate(float(stay_per_visit(seconds, persons, float((last - first) * MINUTE))[0]), told)


def _utilisation(day: Day, place: str, first: int, last: int) -> Estimate:
    rows = _regions(day, place, "occupancy")
    if not rows.size:
        return UNKNOWN
    present = day.total(rows, np.arange(first, last))
    capacity = float(_zone(day, place).capacity or 0)
    return Estimate(float(presence(present, float(MINUTE), capacity)[5]), _told(day, rows, first, last))


CATALOG = (
    Metric("entered", QUARTER, _with_doors, _entered),
    Metric("left", QUARTER, _with_doors, _left),
    Metric("occupancy", QUARTER, _with_doors, _occupancy),
    Metric("occupancy_mean", QUARTER, _with_doors, _occupancy_mean),
    Metric("occupancy_peak", QUARTER, _with_doors, _occupancy_peak),
    Metric("completeness", QUARTER, _with_doors, _completeness),
    Metric("capture_rate", QUARTER, _with_passers_by, _capture_rate),
    Metric("visits", HOUR, _with_regions, _visits),
    Metric("dwell_mean", HOUR, _with_regions, _dwell_mean),
    Metric("utilisation", QUARTER, _with_capacity, _utilisation),
)
