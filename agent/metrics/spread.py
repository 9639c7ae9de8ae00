"""How a day spreads and moves: extremes, deviation, trend, pace, and how full it was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.contract.times import HOUR, MINUTE
from agent.kernels.occupancy import presence
from agent.kernels.percentiles import tumbling_percentiles
from agent.kernels.trends import sliding_slope, smoothed
from agent.kernels.windows import sliding, tumbling
from agent.metrics.measures import NINETY, UNKNOWN, Estimate, capacity_of, occupancy_mean, present_told, zone_of

if TYPE_CHECKING:
    from agent.metrics.day import Day

AN_HOUR = HOUR // MINUTE
MOST_OF = np.array([0.95])
SHARE = 0.1  # of each minute in the smoothed pace: half of it is from the last seven minutes
SETTLES = 90  # minutes after which what came before weighs less than 1 in 10,000
MOVING = 15  # minutes over which a trend is told


def last_hour(day: Day, _scope: str, _first: int, last: int) -> Estimate:
    """Persons in over the sixty minutes up to the window's end."""
    since = max(0, last - AN_HOUR)
    if last - since < AN_HOUR or not day.entered.placed(since, last):
        return UNKNOWN
    told = float(day.entered.told[since:last].mean())
    return Estimate(float(sliding(day.entered.persons[since:last], AN_HOUR)[1, -1]), told)


def pace(day: Day, _scope: str, _first: int, last: int) -> Estimate:
    """Persons in a minute, exponentially smoothed: what the door does now, without the jitter of single minutes."""
    since = max(0, last - SETTLES)
    if not day.entered.placed(since, last):
        return UNKNOWN
    level = smoothed(day.entered.persons[since:last], SHARE, math.nan)[-1]
    return Estimate(float(level), float(day.entered.told[since:last].mean()))


def trend(day: Day, scope: str, _first: int, last: int) -> Estimate:
    """Persons an hour that presence rises or falls by, over the last quarter of an hour, with its bounds."""
    since = max(0, last - MOVING)
    slope, error = sliding_slope(day.areas[scope].inside[since:last], MOVING)[:, -1] * AN_HOUR
    half = NINETY * float(error)
    return Estimate(float(slope), present_told(day, scope, since, last), float(slope) - half, float(slope) + half)


def p95(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Persons that were not exceeded in 95 % of the minutes."""
    inside = day.areas[scope].inside[first:last]
    return Estimate(
        float(tumbling_percentiles(inside, last - first, MOST_OF)[0, 0]), present_told(day, scope, first, last)
    )


def deviation(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Standard deviation of presence over the minutes of the window."""
    return Estimate(
        float(tumbling(day.areas[scope].inside[first:last], last - first)[5, 0]), present_told(day, scope, first, last)
    )


def occupied(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Share of the time observed with anybody there."""
    return Estimate(
        float(presence(day.areas[scope].inside[first:last], float(MINUTE), 0.0)[6]),
        present_told(day, scope, first, last),
    )


def full(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Share of the time observed at or above the capacity."""
    inside = day.areas[scope].inside[first:last]
    return Estimate(
        float(presence(inside, float(MINUTE), capacity_of(day, scope))[7]), present_told(day, scope, first, last)
    )


def density(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Persons a square metre, on average over the window."""
    area = (day.layout if scope == "store" else zone_of(day, scope)).area_m2 or math.nan
    value, told, *bounds = occupancy_mean(day, scope, first, last)
    lower, upper = (None if bound is None else bound / area for bound in bounds)
    return Estimate(value / area, told, lower, upper)
