"""Each kind of alert tells what it should, by exact arithmetic, and stays still otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.alerts.facts import Fact
from agent.alerts.kinds.deviation import tail
from agent.alerts.kinds.silent import log_probability
from agent.kernels.expected import silence
from tests.alerts.conftest import NOON, an_engine, told

MEAN, R = 2.0, 3.0


def counted(scope, metric, values, mean=MEAN, r=R, every=60):
    """A count and its baseline, an interval a minute."""
    return [
        fact
        for i, value in enumerate(values)
        for fact in (
            Fact(scope, metric, float(value), NOON + every * i),
            Fact(scope, f"{metric}_expected", mean, NOON + every * i),
            Fact(scope, f"{metric}_dispersion", r, NOON + every * i),
        )
    ]


def stepped(engine, facts, until):
    return engine.step(engine.begin(NOON), facts, NOON + until)[1]


SILENT = '[[alert]]\nname = "silent"\nkind = "silent"\nplaces = ["door-1"]\n'


def test_silence_is_told_by_its_probability():
    """It fires in the minute in which the kernel's probability falls below one in a million."""
    counts = [3.0, *[0.0] * 30]
    told_by_kernel = silence(np.array(counts), np.full(31, MEAN), R, 0.0)
    first = int(np.argmax(told_by_kernel <= math.log(1e-6)))
    transitions = stepped(an_engine(SILENT), counted("door-1/sensor", "crossings", counts), 1800)

    assert told(transitions) == [("silent", "firing", 60 * first)]
    assert 5 < first < 15


def test_a_quiet_night_is_no_silence():
    """Where hardly anybody is expected, hours without anybody are usual."""
    facts = counted("door-1/sensor", "crossings", [0] * 240, mean=0.02)

    assert stepped(an_engine(SILENT), facts, 14_400) == ()


def test_a_sensor_that_repeats_itself_is_frozen():
    """The same count again and again is as improbable as silence; counts that vary are not."""
    frozen = stepped(an_engine(SILENT), counted("door-1/sensor", "crossings", [4] * 20), 1200)
    lively = stepped(an_engine(SILENT), counted("door-1/sensor", "crossings", [4, 3] * 40), 4800)

    assert [t.state for t in frozen] == ["firing"]
    assert lively == ()


def test_one_person_ends_the_silence():
    """A count shows that it works."""
    facts = counted("door-1/sensor", "crossings", [0] * 20 + [1, 2, 0, 1])

    assert [t.state for t in stepped(an_engine(SILENT), facts, 1420)] == ["firing", "resolved"]


def test_probabilities_are_those_of_the_negative_binomial():
    """They add up to one, and tails are sums of them."""
    terms = [math.exp(log_probability(k, MEAN, R)) for k in range(400)]

    assert sum(terms) == pytest.approx(1.0, abs=1e-12)
    assert tail(9, MEAN, R, upper=True) == pytest.approx(sum(terms[9:]), rel=1e-9)
    assert tail(1, MEAN, R, upper=False) == pytest.approx(sum(terms[:2]), rel=1e-9)


DEVIATION = '[[alert]]\nname = "unusual"\nkind = "deviation"\nfor = "3m"\n'


def test_traffic_far_from_usual_is_news():
    """Forty where ten are usual, for three minutes; thirteen are not."""
    many = stepped(an_engine(DEVIATION), counted("store", "footfall", [10, 40, 40, 40, 40], 10.0, 20.0), 300)
    usual = stepped(an_engine(DEVIATION), counted("store", "footfall", [13, 8, 15, 9, 12], 10.0, 20.0), 300)

    assert told(many) == [("unusual", "firing", 240)]
    assert "about 10 are usual" in many[0].text
    assert usual == ()


def test_only_the_side_that_was_asked_for():
    """Few people do not raise an alert about many."""
    engine = an_engine(DEVIATION + 'side = "high"\n')

    assert stepped(engine, counted("store", "footfall", [0] * 10, 10.0, 20.0), 600) == ()


def day(entered, left):
    return [Fact("store", "entered_last_day", entered, NOON), Fact("store", "left_last_day", left, NOON)]


@pytest.mark.parametrize(
    ("entered", "left", "states"),
    [(1000.0, 990.0, []), (1000.0, 700.0, ["firing"]), (1000.0, 3.0, ["firing"]), (30.0, 10.0, []), (60.0, 50.0, [])],
)
def test_a_day_whose_doors_disagree(entered, left, states):
    """More than a tenth, more than chance, and enough people to tell."""
    engine = an_engine('[[alert]]\nname = "doors"\nkind = "imbalance"\n')
    transitions = stepped(engine, day(entered, left), 60)

    assert [t.state for t in transitions] == states
    assert all(("hardly counted" in t.text) == (left < 50) for t in transitions)


def test_a_device_that_raises_its_own_alarm():
    """A flag that goes up is told with its name; that it is down again ends it."""
    facts = [Fact("door-1/sensor", f"alarm_{name}", 0.0, NOON) for name in ("counter", "region_in", "region_out")]
    facts += [
        Fact("door-1/sensor", "alarm_counter", 1.0, NOON + 60),
        Fact("door-1/sensor", "alarm_counter", 0.0, NOON + 180),
    ]
    transitions = stepped(an_engine('[[alert]]\nname = "device"\nkind = "device"\n'), facts, 600)

    assert told(transitions) == [("device", "firing", 60), ("device", "resolved", 240)]
    assert "alarm_counter" in transitions[0].text


def test_the_agent_itself():
    """Its own figures are a scope like any other, by night as by day."""
    engine = an_engine('[[alert]]\nname = "room"\nkind = "health"\nwhen = "buffer_ratio > 0.8"\n')
    transitions = stepped(engine, [Fact("agent", "buffer_ratio", 0.9, NOON)], 60)

    assert told(transitions) == [("room", "firing", 0)]
