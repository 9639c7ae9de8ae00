"""Queues: who was served, how long it took, how long it takes now, and how many tills it takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.contract.times import MINUTE
from agent.kernels import queues as kernels
from agent.kernels.stays import mean_stay
from agent.metrics.day import split
from agent.metrics.measures import UNKNOWN, Estimate, flow, occupancy_now, present_told, zone_of

if TYPE_CHECKING:
    from agent.contract.layout import Lanes
    from agent.metrics.day import Day

LOOK_BACK = 20  # minutes in which busy ones tell the rate of service
WEIGHT = 5.0  # minutes that the prior counts for
BOUNDS = np.array([0.1, 0.9])
UPPER = 1.28  # normal quantile: arrivals are taken at their 90 % bound when tills are planned
HOLD = 2  # windows a till stays open after it is no longer needed


def throughput(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Persons who left the queue, a minute."""
    left = flow(day.areas[scope].outward, first, last)
    return left._replace(value=left.value / (last - first))


def wait(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Seconds, by Little's law over the window; as the device tells it where no line counts who leaves."""
    area = day.areas[scope]
    if not area.outward.rows.size:
        rows = day.rows_of(map(split, zone_of(day, scope).places), "queue_wait")
        told = day.counts[rows, first:last]
        return UNKNOWN if np.isnan(told).all() else Estimate(float(np.nanmean(told)), 1.0)
    stay = mean_stay(area.inside[first:last], area.outward.persons[first:last], float(MINUTE), last - first)
    return Estimate(float(stay[0]), present_told(day, scope, first, last))


def wait_now(day: Day, scope: str, at: int) -> Estimate:
    """Seconds that one who joins now will wait: (Q+½)/μ, with the 10 % and 90 % quantiles of Erlang(Q+1, μ)."""
    if not day.areas[scope].outward.rows.size:
        return wait(day, scope, max(0, at - 15), at + 1)
    length = occupancy_now(day, scope, at)
    rate = _rate(day, scope, at)
    if math.isnan(length.value) or not rate > 0.0:
        return UNKNOWN
    mean, low, high = kernels.wait_now(np.array([length.value]), np.array([rate]), BOUNDS)[:, 0] * MINUTE
    return Estimate(float(mean), length.completeness, float(low), float(high))


def abandonment(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Of those who joined over the lines that lead in, the share that did not leave over those where one is served."""
    zone = zone_of(day, scope)
    joined, served = (
        day.total(day.rows_of(map(split, places), "in"), np.arange(first, last)) for places in (zone.joins, zone.leaves)
    )
    stay = wait(day, scope, first, last).value
    lag = 0 if math.isnan(stay) else min(round(stay / MINUTE), (last - first) // 2)
    share = kernels.abandoned_share(joined, served, lag, last - first - lag)
    return Estimate(float(share[-1]), present_told(day, scope, first, last))


def lanes(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Tills for the upper bound of the arrivals of this window and the two before, closing slowly."""
    planned = zone_of(day, scope).lanes
    if planned is None:
        return UNKNOWN
    width = last - first
    edges = [at for at in (first - 2 * width, first - width, first) if at >= 0]
    joins = np.array([flow(day.areas[scope].inward, at, at + width).value for at in edges])
    arrivals = (joins + UPPER * np.sqrt(joins)) / width
    each = _each_lane(planned, _rate(day, scope, last - 1))
    if math.isnan(arrivals[-1]) or not each > 0.0:
        return UNKNOWN
    needed = kernels.lanes_needed(
        arrivals, each, planned.target_wait_s / MINUTE, planned.service_level, planned.most, HOLD
    )
    return Estimate(float(needed[-1]), present_told(day, scope, first, last))


def _each_lane(planned: Lanes, rate: float) -> float:
    """Persons a till serves a minute: as the layout says, else the queue's rate over the tills usually open."""
    return MINUTE / planned.service_s if planned.service_s else rate / max(1, planned.usual)


def _rate(day: Day, scope: str, at: int) -> float:
    """Persons served a minute while somebody waits; before there is any history, as many as the layout expects."""
    area, planned = day.areas[scope], zone_of(day, scope).lanes
    first = max(0, at + 1 - LOOK_BACK)
    inside, left = area.inside[first : at + 1], area.outward.persons[first : at + 1]
    before = float(np.nansum(area.outward.persons[:first])), float((area.inside[:first] > 0).sum())
    prior = before[0] / before[1] if before[1] else 0.0
    if planned and planned.service_s:
        prior = max(1, planned.usual) * MINUTE / planned.service_s
    rates = kernels.serving_rate(inside, left, np.full(inside.size, prior), LOOK_BACK, WEIGHT if prior else 1e-9)
    return float(rates[-1])
