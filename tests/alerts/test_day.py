"""A scripted day, with the rules of the sample, raises exactly the alerts it should, each once and in time."""

from __future__ import annotations

import json
import random
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.alerts.binding import bound
from agent.alerts.engine import Engine
from agent.alerts.facts import Fact, facts_of
from agent.alerts.replay import replayed, summaries
from agent.alerts.rules import Rules
from agent.alerts.state import of_document
from agent.contract.happenings import Alert
from agent.contract.layout import Layout
from agent.contract.observation import Numbered, Observation, Origin, Quality
from agent.foundation.toml import load

CONFIG = Path(__file__).parents[2] / "config"
OPENING = 1772445600  # 2026-03-02T10:00:00Z, when the fashion store opens
HOURS = 11
SENSORS = ("door", "stairs", "women", "fitting", "jewels", "tills")


def an_engine() -> Engine:
    layout = load(CONFIG / "stores" / "fashion.toml", Layout)
    return Engine("lisboa-01", layout, bound(load(CONFIG / "alerts.toml", Rules), layout))


def between(minute, first, last):
    return first * 60 <= minute < last * 60


def a_day(silent=()):
    """Full from 14 to 15, a queue and a wait from 17 to 17:30, jewellery without staff from 12 to 12:20."""
    facts = []
    for minute in range(HOURS * 60):
        at, clock = OPENING + 60.0 * minute, minute + 600
        full, queue = between(clock, 14, 15), between(clock, 17, 17.5)
        figures = {
            ("store", "occupancy_ratio"): 0.95 if full else 0.4,
            ("store", "footfall"): 6.0,
            ("store", "footfall_expected"): 6.0,
            ("store", "footfall_dispersion"): 20.0,
            ("zone:checkout", "queue_length"): 11.0 if queue else 3.0,
            ("zone:checkout", "wait_time"): 700.0 if queue else 90.0,
            ("zone:jewellery", "staff"): 0.0 if between(clock, 12, 12.5) else 1.0,
            ("zone:jewellery", "occupancy"): 3.0 if between(clock, 11.9, 12 + 1 / 3) else 0.0,
            ("agent", "buffer_ratio"): 0.1,
        }
        for sensor in SENSORS:
            figures[f"{sensor}/sensor", "alarm_counter"] = 0.0
            figures[f"{sensor}/sensor", "alarm_region_in"] = 0.0
            figures[f"{sensor}/sensor", "alarm_region_out"] = 0.0
        if any(first <= clock < last for first, last in silent):
            figures = {key: value for key, value in figures.items() if key[0] == "agent"}
        facts += [Fact(scope, name, value, at) for (scope, name), value in figures.items()]
    return facts


def clock_of(transitions, *states):
    """Rule, state and minute of the day of what happened."""
    return [(t.rule, t.state, (t.at - OPENING) / 60 + 600) for t in transitions if t.state in states]


DAY = [
    ("unattended", "firing", 12 * 60 + 5),
    ("unattended", "resolved", 12 * 60 + 21),
    ("overcrowding", "firing", 14 * 60 + 1),
    ("overcrowding", "resolved", 15 * 60 + 1),
    ("long-queue", "firing", 17 * 60 + 2),
    ("long-wait", "firing", 17 * 60 + 2),
    ("long-queue", "resolved", 17 * 60 + 31),
    ("long-wait", "resolved", 17 * 60 + 31),
]
END = OPENING + HOURS * 3600 - 60


def test_a_day_raises_exactly_its_alerts():
    """Each once, in the second in which its condition has held, and each resolves; queue and wait are one incident."""
    transitions = replayed(an_engine(), a_day(), END)

    assert clock_of(transitions, "firing", "resolved") == DAY
    assert {t.incident for t in transitions if t.rule == "long-wait"} == {
        t.id for t in transitions if t.rule == "long-queue"
    }


def test_a_day_with_silent_cameras_resolves_nothing_falsely():
    """From 14:30 to 16:15 nothing answers: the store is unknown, not empty; one incident of missing data is told."""
    transitions = replayed(an_engine(), a_day(silent=((14.5 * 60, 16.25 * 60),)), END)
    crowd = clock_of([t for t in transitions if t.rule == "overcrowding"], "firing", "unknown", "resolved")
    gaps = [t for t in transitions if t.rule == "data-gap" and t.state == "firing"]

    assert crowd == [
        ("overcrowding", "firing", 14 * 60 + 1),
        ("overcrowding", "unknown", 14 * 60 + 32),
        ("overcrowding", "resolved", 16 * 60 + 16),
    ]
    assert {t.scope for t in gaps} == {"door/sensor", "tills/sensor", "jewels/sensor"}
    assert len({t.incident for t in gaps}) == 1
    assert {t.rule for t in transitions if t.state == "firing"} == {rule for rule, _, _ in DAY} | {"data-gap"}


def test_a_restart_at_any_hour_changes_nothing():
    """State and facts go on where they were, byte for byte."""
    facts = a_day(silent=((14.5 * 60, 16.25 * 60),))
    whole = replayed(an_engine(), facts, END)
    state, told = an_engine().begin(OPENING), []
    for hour in range(1, HOURS + 1):
        cut = min(OPENING + 3600 * hour, END)
        part = [fact for fact in facts if state.now < fact.at <= cut or (hour == 1 and fact.at <= cut)]
        state, some = an_engine().step(of_document(json.loads(json.dumps(state.document()))), part, cut)
        told += some

    assert json.dumps(told) == json.dumps(whole)


def test_shuffled_and_doubled_history_replays_the_same():
    """Byte for byte."""
    facts = a_day()
    mixed = facts * 2
    random.Random(7).shuffle(mixed)  # noqa: S311 - an order, not a secret

    assert json.dumps(replayed(an_engine(), mixed, END)) == json.dumps(replayed(an_engine(), facts, END))


def test_a_summary_says_how_often_how_long_and_when():
    """What a manager needs to see of last month before switching a threshold on."""
    found = {s.rule: s for s in summaries(replayed(an_engine(), a_day(), END), END, ZoneInfo("Europe/Lisbon"))}

    assert found["overcrowding"][2:] == (1, 3600, {14: 1})
    assert found["long-queue"][2:] == (1, 29 * 60, {17: 1})


def test_transitions_are_rows_of_the_contract():
    """What is told goes into the buffer and over the wire as it is, with the words for people."""
    first = replayed(an_engine(), a_day(), END)[0]

    assert first.row == Alert(first.id, "unattended", "zone:jewellery", "firing", "warning", first.at, 0.0, first.text)
    assert first.text == "Customers at jewellery and no staff for 5 minutes"
    assert first.advice.startswith("Send somebody")
    assert not first.explained


def test_facts_are_read_from_rows():
    """Figures of the edge stand at their place, a device's own at the sensor."""
    edge = Observation("store", "zone:checkout", "queue_length", 60, 120, 4.0, Origin.EDGE, Quality.MEASURED)
    own = Observation("door", "sensor", "alarm_counter", 60, 120, 1.0, Origin.LIVE, Quality.MEASURED)

    assert facts_of([Numbered(7, edge), Numbered(8, own)]) == [
        Fact("zone:checkout", "queue_length", 4.0, 120.0, 7),
        Fact("door/sensor", "alarm_counter", 1.0, 120.0, 8),
    ]
