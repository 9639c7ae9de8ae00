"""What each hour of the week usually brings to the store and to each sensor: learned from whole days, kept as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.contract.times import DAY, HOUR, MINUTE
from agent.kernels.expected import slot_baseline

if TYPE_CHECKING:
    from agent.kernels.registry import Floats
    from agent.metrics.day import Day

WEEKS = 8  # that are kept, so that a new neighbour is learned
LEAST = 14  # days before anything is expected: with one of each weekday a median is that day
NEIGHBOURS = 1.0  # how many weeks the hours around weigh
HOURS = DAY // HOUR  # a day of 25 hours teaches 24; the last of 23 is missing
WHOLE = 0.95  # completeness below which an hour teaches nothing

Learned = dict[str, list[list[float | None]]]  # scope -> days as [start, 24 hours …]


class Usual(NamedTuple):
    """Persons expected in each hour of one day, and the dispersion r of the negative binomial they are drawn from."""

    hours: Floats
    dispersion: float
    minutes: Floats  # the hours spread evenly, and one more hour for the day on which clocks go back

    def over(self, first: int, last: int) -> float:
        """Persons expected in the minutes [first, last) of the day."""
        return float(self.minutes[first:last].sum())


def by_hours(day: Day) -> dict[str, list[float | None]]:
    """What a day brought in each hour, by scope (`store`, `SENSOR/sensor`); None for an hour that was not whole."""
    return {scope: _by_hour(persons, told) for scope, persons, told in _counts(day)}


def learn(learned: Learned, day: Day) -> Learned:
    """What was learned with one more day, without what is older than the weeks that are kept."""
    oldest = day.start - WEEKS * 7 * DAY
    return {
        scope: [*(one for one in learned.get(scope, []) if (one[0] or 0.0) > oldest), [float(day.start), *hours]]
        for scope, hours in by_hours(day).items()
    }


def usual(learned: Learned, start: int) -> dict[str, Usual]:
    """What is expected of the day that begins at `start`, by scope; nothing of scopes that were learned too briefly."""
    return {scope: _usual(days, start) for scope, days in learned.items() if len(days) >= LEAST}


def _usual(days: list[list[float | None]], start: int) -> Usual:
    history = np.full((WEEKS + 1, 7 * HOURS), np.nan)
    for began, *hours in days:
        back = _number(start) - _number(began or 0.0)
        if 0 <= back // 7 <= WEEKS:
            slot = _number(began or 0.0) % 7 * HOURS
            history[back // 7, slot : slot + HOURS] = np.array(hours, dtype=np.float64)
    mean, dispersion = slot_baseline(history, NEIGHBOURS)
    slot = _number(start) % 7 * HOURS
    hours = mean[slot : slot + HOURS]
    minutes = np.repeat(np.append(hours, hours[-1]), HOUR // MINUTE) * MINUTE / HOUR
    return Usual(hours, float(dispersion[0]), minutes)


def _number(start: float) -> int:
    """A day's number, by its middle: summer time moves its start, not its weekday."""
    return int(start + DAY // 2) // DAY


def _counts(day: Day) -> list[tuple[str, Floats, Floats]]:
    counts = [("store", day.entered.persons, day.entered.told)]
    for sensor in day.layout.sensor:
        lines = [(sensor.id, f"line:{line.number}") for line in sensor.line]
        rows = np.concatenate([day.rows_of(lines, "in"), day.rows_of(lines, "out")])
        if rows.size:
            counts.append(
                (f"{sensor.id}/sensor", day.total(rows, np.arange(day.length)), day.covered[rows].mean(axis=0))
            )
    return counts


def _by_hour(persons: Floats, told: Floats) -> list[float | None]:
    each = HOUR // MINUTE
    spans = [slice(hour * each, (hour + 1) * each) for hour in range(HOURS)]
    return [
        float(np.nansum(persons[span])) if told[span].size and told[span].mean() >= WHOLE else None for span in spans
    ]
