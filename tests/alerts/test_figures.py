"""What rules look at: figures are as old as the slowest sensor behind them, and baselines reach down to one line."""

from __future__ import annotations

import numpy as np
import pytest

from agent.alerts.facts import Fact, Inputs
from agent.alerts.kinds.threshold import Rule
from agent.contract.layout import Layout, Line, Region, Sensor, Told, Zone
from agent.contract.measurable import names
from agent.contract.observation import Observation, Origin, Quality
from agent.metrics.day import Day
from agent.metrics.expected import Usual
from agent.metrics.measures import Estimate
from agent.runtime.cycle import Seen
from agent.runtime.days import Days
from agent.runtime.figures import Figures

START = 1_773_720_000  # 2026-03-17T04:00:00Z, when the day begins
LAYOUT = Layout(
    version="1",
    effective_from="2026-03-01",
    time_zone="Europe/Lisbon",
    sensor=(
        Sensor(id="one", line=(Line(number=1), Line(number=2, inverted=True))),
        Sensor(id="two", line=(Line(number=1),)),
    ),
)
NOW = {("occupancy", "store"): Estimate(40.0, 1.0)}


def row(sensor, place, metric, start, end, value):
    return Observation(sensor, place, metric, start, end, value, Origin.LIVE, Quality.MEASURED)


def minute(number, *sensors, each=2.0):
    start = START + 60 * number
    places = {"one": ("line:1", "line:2"), "two": ("line:1",)}
    return [
        row(sensor, place, metric, start, start + 60, each + (metric == "in"))
        for sensor in sensors
        for place in places[sensor]
        for metric in ("in", "out")
    ]


class Store:
    """A day that rows are told of, and what is made of each moment."""

    def __init__(self, lags=None, usual=None):
        self.day = Day(LAYOUT, START, START + 86400)
        self.days = Days(LAYOUT)
        self.figures = Figures(LAYOUT, self.days, lags or {})
        self.usual = usual or {}

    def saw(self, rows, number=1):
        moment = float(max(one.end for one in rows))
        self.day.take(rows)
        self.day.refresh(moment)
        facts = self.figures.of(Seen(moment, number, rows, self.day, NOW, self.usual))
        return {fact.key: fact for fact in facts}


def test_a_silent_door_leaves_the_store_unknown():
    """What is known of the store is as old as the newest that every door told: then rules say so by themselves."""
    store = Store()
    store.saw(minute(0, "one", "two"))
    for number in range(1, 6):
        facts = store.saw(minute(number, "one"))

    assert facts["store", "occupancy"].at == START + 60
    assert facts["one/sensor", "crossings"].at == START + 360
    assert ("two/sensor", "crossings") not in facts


def test_a_slow_sensor_is_not_silent():
    """One that is asked every five minutes is known for so much longer."""
    store = Store(lags={"two": 240.0})
    store.saw(minute(0, "one", "two"))
    facts = store.saw(minute(3, "one"))

    assert facts["store", "occupancy"].at == START + 240


def test_counts_are_those_of_lines_and_their_sum():
    """In and out as the layout means them, and all crossings of the sensor."""
    facts = Store().saw(minute(0, "one"))

    assert facts["one/line:1", "entered"].value == 3.0
    assert facts["one/line:2", "entered"].value == 2.0
    assert facts["one/line:2", "left"].value == 3.0
    assert facts["one/sensor", "crossings"].value == 10.0


def test_a_revised_minute_is_told_again_with_all_its_lines():
    """A reading after the hour changes one line of the minute before: the sum is still that of all."""
    store = Store()
    store.saw(minute(0, "one"))
    revised = [row("one", "line:1", "in", START, START + 60, 9.0), *minute(1, "one")]
    facts = store.figures.of(Seen(START + 120.0, 2, revised, _taken(store.day, revised), NOW, {}))

    crossings = {fact.at: fact.value for fact in facts if fact.metric == "crossings"}
    assert crossings == {START + 60.0: 16.0, START + 120.0: 10.0}


def _taken(day, rows):
    day.take(rows)
    day.refresh(float(max(one.end for one in rows)))
    return day


def test_what_is_usual_reaches_down_to_a_line():
    """By the share of its sensor's crossings that a line had on past days, with the same dispersion."""
    usual = Usual(np.full(24, 120.0), 7.0, np.full(1500, 2.0))
    store = Store(usual={"one/sensor": usual})
    for back in range(4, 0, -1):
        past = Day(LAYOUT, START - 86400 * back, START - 86400 * (back - 1))
        for number in range(1440):
            start = past.start + 60 * number
            past.take(
                [
                    row("one", place, metric, start, start + 60, 3.0 if (place, metric) == ("line:1", "in") else 1.0)
                    for place in ("line:1", "line:2")
                    for metric in ("in", "out")
                ]
            )
        past.refresh(float(past.end))
        store.days.add(past)
    facts = store.saw(minute(0, "one"))

    assert facts["one/sensor", "crossings_expected"].value == pytest.approx(2.0)
    assert facts["one/line:1", "entered_expected"].value == pytest.approx(1.0)
    assert facts["one/line:1", "left_expected"].value == pytest.approx(1 / 3)
    assert facts["one/line:1", "left_dispersion"].value == 7.0
    known = {(scope, name): value for scope, name, value in store.days.figures()}
    assert known["one/line:1", "entered_last_day"] == 4320.0
    assert known["one/line:1", "in_share_expected"] == pytest.approx(0.75)
    assert known["one/line:2", "in_share_expected"] == 0.5
    assert Days(LAYOUT, store.days.document()).share("one/line:1", "entered") == pytest.approx(0.5)


def test_flags_are_known_again_with_the_first_answer():
    """Flags are written on change: after a silence the unchanged ones are as fresh as the answer."""
    store = Store()
    flag = row("one", "sensor", "alarm_counter", START, START + 60, 1.0)
    store.saw([*minute(0, "one"), flag])
    quiet = store.saw(minute(1, "one"))
    back = store.saw(minute(30, "one"))

    assert ("one/sensor", "alarm_counter") not in quiet
    assert back["one/sensor", "alarm_counter"][2:4] == (1.0, START + 31 * 60.0)
    assert back["one/sensor", "alarm_region_in"].value == 0.0
    after = Figures(LAYOUT, store.days, {})
    after.remember([Fact("one/sensor", "alarm_counter", 1.0, START + 60.0)])
    told = after.of(
        Seen(START + 120.0, 3, [row("one", "sensor", "alarm_region_in", START, START + 60, 1.0)], store.day, NOW, {})
    )
    assert {fact.metric: fact.value for fact in told if fact.scope == "one/sensor" and fact.metric != "told"} == {
        "alarm_counter": 1.0,
        "alarm_region_in": 1.0,
        "alarm_region_out": 0.0,
    }


def _jewels(staff: float | None, present: float, at: int, figures: Figures) -> float | None:
    """What the zone's figure is at a minute with so many staff told and customers there."""
    end = START + 60 * (at + 1)
    told = [] if staff is None else [row("one", "region:1", "staff", end - 60, end, staff)]
    seen = Seen(
        end, at, told, Day(PREMIUM, START, START + 86400), {("occupancy", "zone:jewels"): Estimate(present, 1.0)}, {}
    )
    for one in told:
        seen.day.newest[one.sensor] = one.end
    facts = {fact.key: fact.value for fact in figures.of(seen)}
    return facts.get(("zone:jewels", "unattended_seconds"))


PREMIUM = Layout(
    version="1",
    effective_from="2026-03-01",
    time_zone="Europe/Lisbon",
    sensor=(Sensor(id="one", region=(Region(number=1),), tells=(Told.STAFF, Told.OCCUPANCY)),),
    zone=(Zone(name="jewels", purpose="premium", places=("one/region:1",)),),
)


def test_how_long_customers_stand_somewhere_without_staff():
    """It grows while somebody is there and no staff, ends when either changes, and goes on after a restart."""
    figures = Figures(PREMIUM, Days(PREMIUM), {})
    assert [_jewels(0.0, 2.0, at, figures) for at in range(3)] == [0.0, 60.0, 120.0]
    assert _jewels(None, 2.0, 3, figures) is None

    restarted = Figures(PREMIUM, Days(PREMIUM), {})
    restarted.remember([Fact("zone:jewels", "unattended_seconds", 120.0, START + 180.0)])
    assert _jewels(0.0, 2.0, 4, restarted) == 240.0
    assert _jewels(1.0, 2.0, 5, restarted) == 0.0
    assert _jewels(0.0, 1.0, 6, restarted) == 0.0
    assert _jewels(0.0, 0.0, 7, restarted) == 0.0


def test_rules_are_told_how_much_of_the_last_hour_a_sensor_told_of():
    """Also while it tells nothing; not in the first quarter of an hour of the day; a rule can use it by name."""
    store = Store()
    for number in range(90):
        facts = store.saw(minute(number, "one", *(["two"] if number < 40 or number >= 70 else [])), number)
        share = facts.get(("two/sensor", "completeness_ratio"))
        if number == 13:
            assert share is None
        elif number == 14:
            assert share.value == 1.0
        elif number == 69:
            assert share.value == pytest.approx(0.5)
            assert facts["one/sensor", "completeness_ratio"].value == 1.0
    assert share.value == pytest.approx(0.5)  # 30 to 40, and 70 to 90

    judged = Rule(name="patchy", scope="sensor", when="completeness_ratio < 0.9").ready(names("sensor"))
    assert judged.judge(Inputs({"completeness_ratio": share.value}, share.at), ()).holds
