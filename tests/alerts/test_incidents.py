"""Many symptoms of one trouble are one incident, and a trouble of another kind is another."""

from __future__ import annotations

from agent.alerts.facts import Fact
from tests.alerts.conftest import NOON, an_engine, queue

RULES = """
[[alert]]
name = "long-queue"
scope = "zone"
purposes = ["queue"]
when = "queue_length >= 8"
[[alert]]
name = "crowded-queue"
scope = "zone"
purposes = ["queue"]
when = "occupancy >= 8"
[[alert]]
name = "full"
when = "occupancy_ratio > 0.9"
[[alert]]
name = "device"
kind = "device"
flags = ["alarm_counter"]
"""


def test_three_silent_sensors_are_one_incident():
    """A switch that fails silences all of them: a data alert each, one incident, and nothing is resolved."""
    engine = an_engine(RULES)
    facts = [
        queue(9.0, NOON),
        Fact("store", "occupancy_ratio", 0.95, NOON),
        *(Fact(f"{name}/sensor", "alarm_counter", 0.0, NOON) for name in ("door-1", "till-1", "jewels-1")),
    ]
    _, transitions = engine.step(engine.begin(NOON), facts, NOON + 900)
    gaps = [t for t in transitions if t.rule == "data-gap"]

    assert [t.scope for t in gaps] == ["door-1/sensor", "till-1/sensor"]
    assert len({t.incident for t in gaps}) == 1
    assert {t.state for t in transitions if t.rule in ("long-queue", "full")} == {"firing", "unknown"}


def test_two_rules_about_one_queue_are_one_incident():
    """The second alert of a place joins the first."""
    engine = an_engine(RULES)
    facts = [queue(9.0, NOON), Fact("zone:checkout", "occupancy", 9.0, NOON + 30)]
    _, transitions = engine.step(engine.begin(NOON), facts, NOON + 60)

    assert [(t.rule, t.incident == transitions[0].id) for t in transitions] == [
        ("long-queue", True),
        ("crowded-queue", True),
    ]


def test_a_trouble_of_the_sensor_explains_what_its_zone_says():
    """What a zone shows while its sensor raises an alarm belongs to the sensor's incident; another zone's does not."""
    engine = an_engine(RULES)
    facts = [
        Fact("till-1/sensor", "alarm_counter", 1.0, NOON),
        queue(9.0, NOON + 60),
        Fact("store", "occupancy_ratio", 0.95, NOON + 60),
    ]
    _, transitions = engine.step(engine.begin(NOON), facts, NOON + 61)
    incident = {t.rule: t.incident == transitions[0].id for t in transitions}

    assert incident == {"device": True, "long-queue": True, "full": False}


def test_a_sensor_that_never_answered_is_told_of():
    """A store that starts with a dead camera hears of it, once."""
    engine = an_engine(RULES)
    _, transitions = engine.step(engine.begin(NOON), [], NOON + 3000)

    assert {(t.rule, t.scope, t.state) for t in transitions} == {
        ("data-gap", "door-1/sensor", "firing"),
        ("data-gap", "till-1/sensor", "firing"),
    }
    assert len(transitions) == 2


def test_a_baseline_that_is_not_there_yet_is_no_gap():
    """A new store has no history: rules that need it wait, and nobody is told that data is missing."""
    engine = an_engine('[[alert]]\nname = "unusual"\nkind = "deviation"\n')
    facts = [
        fact
        for i in range(20)
        for fact in (
            Fact("store", "footfall", 3.0, NOON + 60 * i),
            Fact("door-1/sensor", "crossings", 5.0, NOON + 60 * i),
        )
    ]
    _, transitions = engine.step(engine.begin(NOON), facts, NOON + 1200)

    assert transitions == ()
