"""What only a whole store day can tell, worked out once after it is over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.contract.times import DAY, HOUR, MINUTE
from agent.kernels.stays import mean_stay, stay_distribution
from agent.kernels.trends import theil_sen
from agent.kernels.windows import sessions, sliding, sliding_extremes
from agent.metrics.history import MINUTES_OF
from agent.metrics.measures import NINETY_FIVE, UNKNOWN, Estimate, present_told

if TYPE_CHECKING:
    from agent.kernels.registry import Floats
    from agent.metrics.day import Day

FULL_ENOUGH = 0.9  # completeness from which the mean visit is told
AN_HOUR = HOUR // MINUTE
IDLE = 5  # minutes without anybody that end a spell
WEEKDAYS = 8  # same weekdays over which the trend is told
STEP = 7  # days between two looks at how long people stay: it takes a tenth of a second, a minute without numba
ROUNDS = 200
STAYS = np.array([0, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 60, 80, 100, 130, 180], dtype=np.int64)  # minutes
BOUNCED = 3  # minutes: who leaves within them turned around


def _told(day: Day) -> float:
    return float(np.mean((day.entered.told, day.left.told)))


def visit(day: Day, _scope: str, first: int, last: int) -> Estimate:
    """Seconds a visit to the store: ∫N dt over those who came, exact over a day because everybody has left."""
    told = _told(day)
    if told < FULL_ENOUGH:
        return UNKNOWN
    stay = mean_stay(day.store.inside[first:last], day.entered.persons[first:last], float(MINUTE), last - first)
    return Estimate(float(stay[0]), told)


def spells(day: Day, scope: str, first: int, last: int) -> Estimate:
    """How many stretches with anybody there, each ended by five minutes with nobody."""
    found = sessions(day.areas[scope].inside[first:last], IDLE)
    return Estimate(float(found.shape[1]), present_told(day, scope, first, last))


def spell_length(day: Day, scope: str, first: int, last: int) -> Estimate:
    """How long such a stretch lasts on average, in seconds."""
    found = sessions(day.areas[scope].inside[first:last], IDLE)
    value = float(found[1].mean()) * MINUTE if found.shape[1] else math.nan
    return Estimate(value, present_told(day, scope, first, last))


def _hours(day: Day) -> Floats | None:
    """Persons in over each sixty minutes of which every minute is known; None where there are none."""
    count, total, *_ = sliding(day.entered.by_minutes, AN_HOUR)
    whole: Floats = np.where(count == AN_HOUR, total, np.nan)
    return None if np.isnan(whole).all() else whole


def peak(day: Day, _scope: str, _first: int, _last: int) -> Estimate:
    """Persons in over the busiest sixty minutes, wherever they begin."""
    hours = _hours(day)
    return UNKNOWN if hours is None else Estimate(float(sliding_extremes(hours, hours.size)[1, -1]), _told(day))


def peak_start(day: Day, _scope: str, _first: int, _last: int) -> Estimate:
    """Hours after the day's beginning at which the busiest sixty minutes begin."""
    hours = _hours(day)
    if hours is None:
        return UNKNOWN
    return Estimate((int(np.nanargmax(hours)) - AN_HOUR + 1) / AN_HOUR, _told(day))


def _sums(day: Day) -> tuple[float, float]:
    return float(np.nansum(day.entered.persons)), float(np.nansum(day.left.persons))


def door_ratio(day: Day, _scope: str, _first: int, _last: int) -> Estimate:
    """How many are counted in for one counted out: 1 where the doors miss the same share both ways."""
    came, went = _sums(day)
    return Estimate(came / went if went > 0.0 else math.nan, _told(day))


def balance_error(day: Day, _scope: str, _first: int, _last: int) -> Estimate:
    """By what share of those who came the doors do not add up over the day."""
    came, went = _sums(day)
    return Estimate(abs(came - went) / came if came > 0.0 else math.nan, _told(day))


def data_quality(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Completeness, less five times the share by which the doors do not add up; both are told beside it."""
    error = balance_error(day, scope, first, last).value
    return Estimate(_told(day) * (1.0 - min(1.0, 5.0 * error)), 1.0)


def weekly_trend(day: Day, _scope: str, _first: int, _last: int) -> Estimate:
    """Persons a week by which this weekday gains or loses, over eight of them, with Sen's interval."""
    came = _sums(day)[0]
    if _told(day) < FULL_ENOUGH:
        return UNKNOWN
    totals = np.full(WEEKDAYS, np.nan)
    totals[-1] = came
    for one in day.past:
        weeks, rest = divmod(day.start + DAY // 2 - one.start, 7 * DAY)
        if 0 < weeks < WEEKDAYS and rest < DAY and one.told >= FULL_ENOUGH:
            totals[-1 - weeks] = one.came
    if np.isfinite(totals).sum() < WEEKDAYS // 2:
        return UNKNOWN
    slope, lower, upper = theil_sen(totals, NINETY_FIVE)
    return Estimate(float(slope), _told(day), float(lower), float(upper))


def _stays(day: Day) -> tuple[Floats, float] | None:
    """The share that stays so long, by STAYS, over four weeks; once a week, on the same day of it."""
    if (day.start + DAY // 2) // DAY % STEP or len(day.past_minutes) < MINUTES_OF - 1 or day.minutes is None:
        return None
    days = [*day.past_minutes[-MINUTES_OF + 1 :], day.minutes]
    gap = np.full(int(STAYS[-1]), np.nan)  # nobody stays overnight
    entered, left = (np.concatenate([p for one in days for p in (one[way], gap)]) for way in (0, 1))
    shares = stay_distribution(entered, left, STAYS, ROUNDS)
    known = float((~np.isnan(entered)).sum() / (entered.size - gap.size * len(days)))
    return None if np.isnan(shares).any() or not shares.sum() > 0.0 else (shares / shares.sum(), known)


def _stays_once(day: Day) -> tuple[Floats, float] | None:
    return day.once("stays", lambda: _stays(day))


def bounce(day: Day, _scope: str, _first: int, _last: int) -> Estimate:
    """The share that leaves within three minutes, of four weeks by minutes, without knowing anybody."""
    told = _stays_once(day)
    return UNKNOWN if told is None else Estimate(float(told[0][STAYS[1:] <= BOUNCED].sum()), told[1])


def median_stay(day: Day, _scope: str, _first: int, _last: int) -> Estimate:
    """Seconds that half of the visitors stay at most; stays beyond three hours are not seen."""
    told = _stays_once(day)
    if told is None:
        return UNKNOWN
    reached = np.concatenate([[0.0], np.cumsum(told[0])])
    return Estimate(float(np.interp(0.5, reached, STAYS.astype(np.float64))) * MINUTE, told[1])
