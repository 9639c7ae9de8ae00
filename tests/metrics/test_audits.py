"""What a count by hand says of a line, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest

from agent.contract.happenings import ManualCount
from agent.contract.observation import Origin
from agent.metrics.audits import Compared, accuracies, compared, evidence, ratio
from agent.metrics.history import History, Lesson
from tests.metrics.days import HOUR, LAYOUT, START, row

QUARTER = ManualCount("door-1", "line:1", START + 600, START + 1500, 50, 40)


def told(sensor="door-1", each=3.0, first=0, last=60, step=60, origin=Origin.LIVE, at=START):
    return [
        row(sensor, "line:1", way, at + step * i, at + step * (i + 1), each + (way == "out"), origin=origin)
        for i in range(first, last)
        for way in ("in", "out")
    ]


def test_the_same_minutes_are_compared():
    """What the line told of the quarter of an hour, not of the minutes around it."""
    assert compared(QUARTER, told(), LAYOUT)[1:] == (45.0, 60.0)


def test_intervals_that_straddle_the_edges_count_by_their_middle():
    """A camera asked at seven seconds past the minute is compared all the same."""
    assert compared(QUARTER, told(at=START + 7), LAYOUT)[1:] == (45.0, 60.0)


def test_an_inverted_line_is_compared_as_people_see_it():
    """Who counts by hand counts persons who come in, whichever way the arrow was drawn."""
    count = QUARTER._replace(sensor="door-2")

    assert compared(count, told("door-2"), LAYOUT)[1:] == (60.0, 45.0)


def test_what_was_not_told_is_not_compared():
    """Silence for five of fifteen minutes, or an hour's row alone, is no number of that quarter of an hour."""
    gap = [one for one in told() if not START + 700 <= one.start < START + 1000]
    hour = told(step=HOUR, last=2, origin=Origin.LOG)

    assert not compared(QUARTER, gap, LAYOUT).is_known
    assert not compared(QUARTER, hour, LAYOUT).is_known


def test_a_memory_s_whole_hour_can_be_compared():
    """Where somebody counted for just that hour."""
    count = QUARTER._replace(start=START, end=START + HOUR)

    assert compared(count, told(step=HOUR, last=2, origin=Origin.LOG), LAYOUT)[1:] == (3.0, 4.0)


def test_accuracy_is_over_all_counts_of_a_line():
    """Two quarters of an hour are half an hour; a way that nobody went says nothing."""
    audits = [
        Compared(QUARTER, 45.0, 36.0),
        Compared(QUARTER._replace(start=START, end=START + 900, left=0), 50.0, 0.0),
    ]

    found = {(one.sensor, one.place, one.way): one for one in accuracies(audits)}

    assert found["door-1", "line:1", "in"][3:6] == (100, 95, 0.95)
    assert found["door-1", "line:1", "in"].seconds == 1800
    assert found["door-1", "line:1", "out"][3:6] == (40, 36, 0.9)
    assert accuracies([Compared(QUARTER._replace(entered=0, left=0), 0.0, 0.0)]) == []


def test_wilson_where_it_missed_some():
    """95 of 100: the textbook's 88.8 to 97.8 %."""
    assert ratio(100, 95) == pytest.approx((0.95, 0.8882, 0.9785), abs=1e-4)


def test_poisson_ratio_where_it_counted_too_many():
    """110 for 100: a share of the sum, turned into a ratio, with 1 well inside its bounds."""
    share, lower, upper = ratio(100, 110)

    assert share == 1.1
    assert 0.83 < lower < 1 < upper < 1.45


@pytest.mark.parametrize("truth", [0.8, 0.95])
def test_the_interval_holds_what_it_says(truth):
    """Of 4,000 counts of 60 persons by hand, the share held is 95 %."""
    draw = np.random.default_rng(4).binomial(60, truth, 4000)
    bounds = {n: ratio(60, float(n)) for n in set(draw.tolist())}

    held = np.mean([bounds[n][1] <= truth <= bounds[n][2] for n in draw.tolist()])
    assert 0.93 < held < 0.975


def test_evidence_weighs_as_much_as_was_seen():
    """Forty each way, of which the entrance counted 90 % in and 75 % out; lines inside the store teach no door."""
    audits = [Compared(QUARTER, 45.0, 30.0), Compared(QUARTER._replace(place="line:2"), 100.0, 1.0)]

    assert evidence(audits, LAYOUT) == pytest.approx((36.0, 30.0))
    assert evidence([Compared(QUARTER._replace(left=0), 45.0, 0.0)], LAYOUT) is None


def lesson(start, came, left, told=1.0):
    return Lesson(start, start + 86400, "1", 1, came, left, told, {}, (), "")


def test_what_was_seen_by_hand_moves_the_doors_ratio():
    """As much as it saw beside a whole day's crossings, and alone where the day was not whole."""
    history = History([lesson(START, 500.0, 480.0), lesson(START + 86400, 300.0, 100.0, told=0.5)])
    plain = history.ratio(START + 2 * 86400)

    history.by_hand = {START: (36.0, 30.0)}
    seen = history.ratio(START + 2 * 86400)
    history.by_hand = {START + 86400: (36.0, 30.0)}
    alone = history.ratio(START + 2 * 86400)

    assert plain == pytest.approx((500 + 250) / (480 + 250))
    assert seen == pytest.approx((536 + 250) / (510 + 250))
    assert alone == pytest.approx((0.9 * 500 + 36 + 250) / (0.9 * 480 + 30 + 250))
