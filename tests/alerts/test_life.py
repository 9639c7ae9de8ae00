"""An alert's life: it begins once, waits, is taken on, escalates, becomes unknown and ends, and never chatters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.alerts.engine import Acknowledgement
from agent.alerts.facts import Fact
from agent.alerts.state import of_document
from tests.alerts.conftest import NOON, OPENING, an_engine, queue, told

LONG = """
[[alert]]
name = "long-queue"
scope = "zone"
purposes = ["queue"]
when = "queue_length >= 8"
clear = "queue_length <= 5"
for = "2m"
clear_for = "1m"
cooldown = "5m"
escalate_after = "10m"
stale_after = "3m"
"""


def every_minute(*values):
    """Facts of the queue, one a minute from noon; None is a minute without an answer."""
    return [queue(value, NOON + 60 * i) for i, value in enumerate(values) if value is not None]


def lived(engine, facts, *, until: float, step: float = 1):
    """All transitions of facts that arrive as they happen, the engine being woken every `step` seconds."""
    state, transitions, now = engine.begin(NOON), [], NOON
    waiting = sorted(facts, key=lambda fact: fact.at)
    while now <= NOON + until:
        arrived = [fact for fact in waiting if fact.at <= now]
        waiting = [fact for fact in waiting if fact.at > now]
        state, some = engine.step(state, arrived, now)
        transitions += some
        now += step
    return transitions


def test_a_condition_must_hold_for_its_time():
    """It fires two minutes after the queue was long, not before, and once."""
    transitions = lived(an_engine(LONG), every_minute(3, 9, 9, 9, 9, 9), until=330)

    assert told(transitions) == [("long-queue", "firing", 180)]


def test_a_peak_that_does_not_last_is_no_news():
    """One long minute tells nobody anything."""
    assert lived(an_engine(LONG), every_minute(3, 9, 7, 9, 3), until=300) == []


def test_it_is_over_below_a_threshold_of_its_own():
    """Between clear and begin it goes on; it ends a minute after it came down to five."""
    transitions = lived(an_engine(LONG), every_minute(9, 9, 9, 7, 6, 7, 5, 5, 5), until=500)

    assert told(transitions) == [("long-queue", "firing", 120), ("long-queue", "resolved", 420)]


def test_after_it_is_over_it_rests():
    """Within the cooldown the same alert is not raised again; after it, it is."""
    facts = every_minute(9, 9, 9, 1, 1, *[9] * 10)
    transitions = lived(an_engine(LONG), facts, until=800)

    assert told(transitions) == [
        ("long-queue", "firing", 120),
        ("long-queue", "resolved", 240),
        ("long-queue", "firing", 540),
    ]


def test_it_escalates_until_somebody_takes_it_on():
    """Ten minutes open: escalated. Taken on: acknowledged. Taken on and ten minutes later still there: escalated."""
    engine = an_engine(LONG)
    state, first = engine.step(engine.begin(NOON), every_minute(*[9] * 15), NOON + 840)
    state, second = engine.step(state, [], NOON + 850, [Acknowledgement(first[0].id, "shift lead")])
    state, again = engine.step(state, [], NOON + 851, [Acknowledgement(first[0].id, "shift lead")])
    later = [queue(9, NOON + 840 + 60 * i) for i in range(1, 13)]
    state, third = engine.step(state, later, NOON + 1500)

    assert told(first) == [("long-queue", "firing", 120), ("long-queue", "escalated", 720)]
    assert told(second) == [("long-queue", "acknowledged", 850)]
    assert again == ()
    assert told(third) == [("long-queue", "escalated", 1450)]
    assert {t.id for t in (*first, *second, *third)} == {first[0].id}
    assert "shift lead" in second[0].text


def test_silence_resolves_nothing():
    """Without numbers an open alert is unknown and one data alert is raised; with numbers it is what it was."""
    facts = [*every_minute(9, 9, 9, 9), *[queue(9, NOON + 60 * i) for i in range(12, 16)]]
    transitions = lived(an_engine(LONG), facts, until=900)

    assert told(transitions) == [
        ("long-queue", "firing", 120),
        ("long-queue", "unknown", 360),
        ("data-gap", "firing", 360),
        ("long-queue", "firing", 720),
        ("long-queue", "escalated", 720),
        ("data-gap", "resolved", 780),
    ]
    assert len({t.id for t in transitions if t.rule == "long-queue"}) == 1


def test_a_figure_that_cannot_be_worked_out_says_nothing():
    """Absent is not zero: it neither ends the alert nor keeps it fresh."""
    facts = [*every_minute(9, 9, 9, 9), *[queue(None, NOON + 60 * i) for i in range(4, 9)]]
    transitions = lived(an_engine(LONG), facts, until=500)

    assert [(rule, state) for rule, state, _ in told(transitions)] == [
        ("long-queue", "firing"),
        ("long-queue", "unknown"),
        ("data-gap", "firing"),
    ]


def test_what_comes_and_goes_is_one_trouble():
    """The fourth time within an hour it is marked, and then it must be quiet for a quarter of an hour."""
    rule = LONG.replace('for = "2m"', 'for = "0s"').replace('cooldown = "5m"', 'cooldown = "0s"')
    rule = rule.replace('escalate_after = "10m"', "")
    transitions = lived(an_engine(rule), every_minute(*[9, 1, 1] * 8, *[1] * 20), until=2700)

    assert [t.state for t in transitions] == ["firing", "resolved"] * 4
    assert [t.flapping for t in transitions] == [False] * 6 + [True] * 2
    assert transitions[-1].at - NOON > 22 * 60 + 15 * 60 - 61


def test_nobody_is_told_more_often_than_agreed():
    """Above max_per_hour it waits for the hour to pass."""
    rule = LONG.replace('for = "2m"', 'for = "0s"\nmax_per_hour = 2\nflaps = 60').replace(
        'cooldown = "5m"', 'cooldown = "0s"'
    )
    transitions = lived(an_engine(rule), every_minute(*[9, 1, 1] * 22), until=3900)

    assert [at for _, state, at in told(transitions) if state == "firing"] == [0, 180, 3600, 3780]


def test_at_night_nobody_is_called():
    """Outside opening hours nothing begins, and what is open ends with the day."""
    closing = 8 * 3600  # 20:00 in Lisbon, where winter is UTC
    facts = [queue(9, NOON + closing - 300 + 60 * i) for i in range(15)]
    engine = an_engine(LONG, OPENING)
    _, transitions = engine.step(engine.begin(NOON + closing - 300), facts, NOON + closing + 540)

    assert told(transitions) == [("long-queue", "firing", closing - 180), ("long-queue", "resolved", closing)]
    assert "closed" in transitions[-1].text


def test_under_maintenance_nothing_begins():
    """What holds during a window is raised when it ends, if it still holds."""
    window = '[[maintenance]]\nfrom = 2026-03-02T11:00:00Z\nuntil = 2026-03-02T12:10:00Z\nscopes = ["till-1"]\n'
    transitions = lived(an_engine(LONG + window), every_minute(*[9] * 15), until=840)

    assert told(transitions) == [("long-queue", "firing", 720)]


def test_an_id_is_made_of_rule_scope_and_start():
    """Two agents that see the same raise the same id; another start is another alert."""
    once = lived(an_engine(LONG), every_minute(9, 9, 9, 9), until=200)
    again = lived(an_engine(LONG), every_minute(9, 9, 9, 9), until=200, step=7)
    later = lived(an_engine(LONG), every_minute(1, 9, 9, 9), until=200)

    assert once[0].id == again[0].id != later[0].id


def test_a_rule_that_is_taken_away_ends_its_alert():
    """Nobody waits for the end of an alert that nothing watches any more."""
    engine = an_engine(LONG)
    state, _ = engine.step(engine.begin(NOON), every_minute(9, 9, 9), NOON + 125)
    other = an_engine(LONG.replace("long-queue", "busy-queue"))
    state, transitions = other.step(state, every_minute(9, 9, 9, 9, 9, 9), NOON + 300)

    assert told(transitions) == [("long-queue", "resolved", 125), ("busy-queue", "firing", 245)]


MINUTES = st.lists(st.one_of(st.none(), st.integers(0, 12)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(values=MINUTES, seed=st.randoms(use_true_random=False), step=st.sampled_from([1, 7, 60, 611]))
def test_how_facts_arrive_changes_nothing(values, seed, step):
    """Shuffled, doubled, in one step or in many: the same transitions, byte for byte."""
    engine, facts = an_engine(LONG), every_minute(*values)
    end = 60 * len(values) + 600
    _, whole = engine.step(engine.begin(NOON), facts, NOON + end)
    shuffled = facts * 2
    seed.shuffle(shuffled)
    _, mixed = engine.step(engine.begin(NOON), shuffled, NOON + end)

    assert json.dumps(whole) == json.dumps(mixed)
    if step <= 60:
        pieces = lived(engine, facts, until=end, step=1) if step == 1 else None
        assert pieces is None or json.dumps(whole) == json.dumps(pieces)


@settings(max_examples=60, deadline=None)
@given(values=MINUTES, cut=st.integers(0, 3600))
def test_a_restart_in_the_middle_changes_nothing(values, cut):
    """State that went through JSON goes on exactly where it was."""
    facts, end = every_minute(*values), 60 * len(values) + 600
    engine = an_engine(LONG)
    _, whole = engine.step(engine.begin(NOON), facts, NOON + end)
    early = [fact for fact in facts if fact.at <= NOON + cut]
    state, first = engine.step(engine.begin(NOON), early, NOON + min(cut, end))
    restored = of_document(json.loads(json.dumps(state.document())))
    late = [fact for fact in facts if fact.at > NOON + cut]
    _, second = an_engine(LONG).step(restored, late, NOON + end)

    assert restored == state
    assert (*first, *second) == whole


@settings(max_examples=40, deadline=None)
@given(offsets=st.lists(st.floats(0, 9000), min_size=1, max_size=40))
def test_any_moment_comes_to_an_end(offsets):
    """Facts at fractions of a second, often more than may be told within an hour: every step ends."""
    rule = LONG.replace('for = "2m"', 'for = "0s"\nmax_per_hour = 1').replace('cooldown = "5m"', 'cooldown = "0s"')
    engine = an_engine(rule)
    facts = [queue(9.0 if i % 2 else 0.0, NOON + at) for i, at in enumerate(offsets)]
    state, _ = engine.step(engine.begin(NOON), facts, NOON + 20_000.0)

    assert engine.due(state) > state.now
    assert of_document(json.loads(json.dumps(state.document(), allow_nan=False))) == state


def test_a_step_changes_nothing_it_was_given():
    """The state before is the same after: a commit that fails can be tried again."""
    engine = an_engine(LONG)
    state, _ = engine.step(engine.begin(NOON), every_minute(9, 9), NOON + 60)
    before = json.dumps(state.document())
    engine.step(state, [queue(9, NOON + 120)], NOON + 1000)

    assert json.dumps(state.document()) == before


def test_a_late_fact_does_not_undo_a_newer_one():
    """What is older than what is known changes nothing."""
    engine = an_engine(LONG)
    state, _ = engine.step(engine.begin(NOON), every_minute(9, 9), NOON + 60)
    state, transitions = engine.step(state, [queue(0, NOON + 30)], NOON + 130)

    assert told(transitions) == [("long-queue", "firing", 120)]


def test_a_revision_of_the_same_moment_counts():
    """Of two facts of one moment the later number is right."""
    engine = an_engine(LONG)
    state, _ = engine.step(engine.begin(NOON), [queue(9, NOON, 1)], NOON)
    _, transitions = engine.step(state, [queue(2, NOON, 2)], NOON + 130)

    assert transitions == ()


def test_it_says_when_to_be_woken():
    """The engine is woken at the moment its condition has held, not at some tick."""
    engine = an_engine(LONG)
    state, _ = engine.step(engine.begin(NOON), every_minute(9), NOON + 1)
    assert engine.due(state) == NOON + 120

    _, transitions = engine.step(state, [], engine.due(state))
    assert told(transitions) == [("long-queue", "firing", 120)]


@pytest.mark.parametrize("at", [NOON + 3601.0 + 60, 4e9])
def test_a_fact_from_the_far_future_is_not_believed(at):
    """A clock that runs ahead must not make every later number look old."""
    engine = an_engine(LONG)
    state, _ = engine.step(engine.begin(NOON), [Fact("zone:checkout", "queue_length", 9.0, at)], NOON + 60)

    assert state.facts == {}
