"""What an hour of the week usually brings, learned from days as they end."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agent.metrics.day import Day
from agent.metrics.expected import LEAST, learn, usual
from tests.metrics.days import LAYOUT, START, row

DAY, HOUR = 86400, 3600


def days(count, *, missing=()):
    """Days of ten an hour at the first door, twice that on Saturdays, from the store's opening at its fifth hour."""
    random = np.random.default_rng(8)
    learned = {}
    for number in range(count):
        start = START + DAY * number
        day = Day(LAYOUT, start, start + DAY)
        mean = 20.0 if number % 7 == 4 else 10.0  # the first day is a Tuesday
        for hour in range(24):
            if (number, hour) in missing:
                continue
            told = random.poisson(mean if 4 <= hour < 16 else 0.0)
            begins = start + HOUR * hour
            first = ("door-1", "in", begins)  # all of the hour stands in its first minute
            day.take([row(*place, way, m, m + 60, float(told) if (place[0], way, m) == first else 0.0)
                      for place in (("door-1", "line:1"), ("door-2", "line:1")) for way in ("in", "out")
                      for m in range(begins, begins + HOUR, 60)])  # fmt: skip
        day.refresh(start + DAY)
        learned = learn(learned, day)
    return json.loads(json.dumps(learned))


LEARNED = days(28)


def test_nothing_is_expected_before_there_is_history():
    """Two weeks of whole days, then the store and each sensor that counts have a baseline."""
    brief = {scope: told[: LEAST - 1] for scope, told in LEARNED.items()}

    assert usual(brief, START + 28 * DAY) == {}
    assert set(usual(LEARNED, START + 28 * DAY)) == {"store", "door-1/sensor", "door-2/sensor"}


def test_the_hour_of_the_week_is_what_counts():
    """Saturdays bring twice what other days do, and nobody comes at night."""
    tuesday, saturday = (usual(LEARNED, START + DAY * n)["store"] for n in (28, 32))

    assert tuesday.hours[6:14].mean() == pytest.approx(10, rel=0.2)
    assert saturday.hours[6:14].mean() == pytest.approx(20, rel=0.2)
    assert tuesday.hours[20] == 0
    assert tuesday.over(6 * 60, 8 * 60) == pytest.approx(tuesday.hours[6:8].sum())
    assert tuesday.dispersion > 10  # these arrivals are Poisson


def test_an_hour_with_a_hole_teaches_nothing():
    """A silent hour is absent from what is learned, never a zero."""
    learned = days(15, missing={(3, 8)})

    assert learned["store"][3][1 + 8] is None
    assert learned["store"][3][1 + 9] is not None


def test_weeks_are_forgotten():
    """Eight weeks are kept, so that a new neighbour is learned."""
    old = {"store": [[float(START - DAY * n), *([1.0] * 24)] for n in range(100, 0, -1)]}
    day = Day(LAYOUT, START, START + DAY)
    day.take([row("door-1", "line:1", "in", START, START + 60, 1.0)])
    day.refresh(START + DAY)

    assert len(learn(old, day)["store"]) <= 57
