"""What is usual now, and whether now is unusual: expected counts, busy and quiet episodes, silent sensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.expected import episodes, silence
from agent.metrics.measures import UNKNOWN, Estimate

if TYPE_CHECKING:
    from agent.kernels.registry import Floats
    from agent.metrics.day import Day

STAYS = 0.94  # probability that a quarter of an hour is as unusual as the one before (Ihler, Hutchins, Smyth)
LIFT = 2.0  # an episode doubles or halves what is usual
USUAL = np.array([1.0, 0.0, 0.0])


def expected(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Persons that the window usually brings; unknown before there are two weeks of history."""
    known = day.usual.get(scope)
    return Estimate(known.over(first, last), 1.0) if known else UNKNOWN


def dispersion(day: Day, scope: str, _first: int, _last: int) -> Estimate:
    """How counts spread around what is expected: r of the negative binomial, whose variance is μ + μ²/r."""
    known = day.usual.get(scope)
    return Estimate(known.dispersion, 1.0) if known else UNKNOWN


def busy(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Probability that twice what is usual comes in, for a while and not in one window alone."""
    return _episode(day, scope, first, last, 1)


def quiet(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Probability that half of what is usual comes in."""
    return _episode(day, scope, first, last, 2)


def _episode(day: Day, scope: str, first: int, last: int, state: int) -> Estimate:
    known = day.usual.get(scope)
    if known is None:
        return UNKNOWN
    width = last - first
    span = slice(first % width, last)
    counts = _counts(day, span, width)
    usually = known.minutes[span].reshape(-1, width).sum(axis=1)
    told = float(day.entered.told[first:last].mean())
    if math.isnan(counts[-1]) or not usually[-1] > 0.0:
        return UNKNOWN
    return Estimate(float(episodes(counts, usually, known.dispersion, STAYS, LIFT, USUAL)[state, -1]), told)


def _counts(day: Day, span: slice, width: int) -> Floats:
    """Persons in by windows of a span, where every door told and it is known when they came."""
    way = day.entered
    whole = way.told[span].reshape(-1, width).min(axis=1) >= 1.0
    if way.is_wide:
        whole &= way.all_placed(span, width)
    persons = np.nan_to_num(way.persons[span]).reshape(-1, width).sum(axis=1)
    counts: Floats = np.where(whole, persons, math.nan)
    return counts


def silent(day: Day, scope: str, _first: int, last: int) -> Estimate:
    """Decimal logarithm of the probability that a working sensor counted nobody since it last counted somebody."""
    known, rows = day.usual.get(scope), day.rows_of_sensor(scope.partition("/")[0])
    if known is None or not rows.size:
        return UNKNOWN
    counts = day.total(rows, np.arange(last))
    told = silence(counts, _padded(known.minutes, last), known.dispersion, 0.0)[-1]
    return Estimate(float(told) / math.log(10), float(day.covered[rows, :last].mean()))


def _padded(minutes: Floats, length: int) -> Floats:
    return np.ascontiguousarray(minutes[:length])
