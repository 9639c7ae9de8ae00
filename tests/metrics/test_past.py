"""A day that is over: looked back on, learned from, and the same however often and in whatever order it is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agent.contract.layout import Layout, Line, Region, Role, Sensor, Told, Zone
from agent.contract.observation import Quality
from agent.metrics.day import Day
from agent.metrics.history import MINUTES_OF, History, dumped, loaded, slot
from agent.metrics.past import Past, fingerprint
from tests.kernels.worlds import store
from tests.metrics.days import END, HOUR, LAYOUT, START, hours, minutes, row
from tests.metrics.test_windows import named

DAY = 86400
ONE_DOOR = Layout(
    version="1",
    effective_from="2026-03-01",
    time_zone="Europe/Lisbon",
    capacity=60,
    area_m2=200,
    sensor=(Sensor(id="door", line=(Line(number=1),)),),
)
WORLD = store(0.03, 0.06, days=3, visits=700)


def of_the_door(day, *, start=START):
    """What one door of the simulated store told in a day, from midnight on taken as the store's day."""
    return [
        row("door", "line:1", way, start + 60 * m, start + 60 * m + 60, float(counts[day, m]))
        for way, counts in (("in", WORLD.entered), ("out", WORLD.left))
        for m in range(1440)
    ]


def worked(rows, layout=LAYOUT, history=None, start=START, chunks=1, ours=()):
    past = Past(layout, start, start + DAY, history or History())
    rows = [*rows, *ours]
    for n in range(chunks):
        past.take(rows[n::chunks])
    return past.worked_out()


def test_order_and_cuts_of_a_day_change_nothing():
    """In one piece or in seven, backwards or shuffled: the same rows and the same lesson to the last bit."""
    rows = [*minutes(240, 900), *hours(minutes(300, 420), extra=2.0)]
    shuffled = [rows[i] for i in np.random.default_rng(2).permutation(len(rows))]

    first = worked(rows)

    assert first.rows
    assert worked(rows[::-1], chunks=7) == first
    assert worked(shuffled, chunks=3) == first


def test_what_stands_is_not_said_again():
    """Worked out a second time over its own rows, a day has no news; with a late row, only what that changes."""
    rows = minutes(240, 900)
    first = worked(rows)
    late = row("door-1", "line:1", "in", START + 60 * 600, START + 60 * 601, 40.0)
    corrected = [*(one for one in rows if one[:4] != late[:4]), late]

    again = worked(corrected, ours=first.rows)

    assert worked(rows, ours=first.rows).rows == []
    assert named(again.rows, "footfall").keys() == {START + 600 * 60}
    assert again.lesson.came > first.lesson.came


def test_a_day_looked_back_on_ends_empty_and_is_final():
    """Live sums of crossings are provisional; after the night they are final, near the truth, and nobody stayed."""
    told = worked(of_the_door(0), ONE_DOOR).rows

    mean = named(told, "occupancy_mean")
    truth = WORLD.inside[0].reshape(-1, 15).mean(axis=1)
    off = [abs(one.value - truth[(one.start - START) // 900]) for one in mean.values()]
    assert {one.quality for one in told} == {Quality.MEASURED}
    assert np.mean(off) < 2.5
    assert mean[END - 900].value == pytest.approx(0.0, abs=0.01)
    assert all(one.lower <= one.value <= one.upper for one in mean.values())


def test_what_a_whole_day_tells():
    """The length of a visit, the busiest sixty minutes, how the doors balance, and the quality made of that."""
    told = {one.metric: one for one in worked(of_the_door(0), ONE_DOOR).rows if one.end - one.start == DAY}
    counted = WORLD.entered[0].sum(), WORLD.left[0].sum()
    busiest = np.convolve(WORLD.entered[0], np.ones(60), "valid")

    assert told["visit_seconds"].value / 60 == pytest.approx(22.5, rel=0.1)
    assert told["peak_hour_footfall"].value == busiest.max()
    assert told["peak_hour_start"].value == busiest.argmax() / 60
    assert told["door_ratio"].value == pytest.approx(counted[0] / counted[1])
    assert told["balance_error"].value == pytest.approx(abs(counted[0] - counted[1]) / counted[0])
    assert told["data_quality"].value == pytest.approx(1 - 5 * told["balance_error"].value)
    assert told["busy_spells"].value >= 1
    assert "bounce_share" not in told  # four weeks are not there yet


def test_a_row_over_an_hour_is_told_by_the_hour():
    """Nobody knows in which quarter they came: no quarter is told, the hour is, and who is inside only at its end."""
    told = worked(hours(minutes(0, 1440))).rows

    footfall = named(told, "footfall")
    assert {(one.start - START) % HOUR for one in footfall.values()} == {0}
    assert {one.end - one.start for one in footfall.values()} == {HOUR}
    assert sum(one.value for one in footfall.values()) == sum(
        one.value
        for one in minutes(0, 1440)
        if one.place == "line:1" and (one.metric == "in") == (one.sensor == "door-1")
    )
    assert {(one.start - START) % HOUR for one in named(told, "occupancy").values()} == {0}
    assert named(told, "occupancy_mean") == {}


def test_an_outage_across_a_quarter_takes_its_hour_back():
    """A difference over twenty minutes lies across two quarters: what was told of them goes, the hour stands whole."""
    rows = minutes(0, 120)
    first = worked(rows)
    gap = [one for one in rows if not (one.sensor == "door-1" and START + 600 <= one.start < START + 1800)]
    wide = [
        row("door-1", place, way, START + 600, START + 1800, 7.0)
        for place in ("line:1", "line:2")
        for way in ("in", "out")
    ]

    after = worked([*gap, *wide], ours=first.rows).rows
    footfall = named(after, "footfall")

    assert footfall[START].end == START + HOUR
    assert [footfall[START + at].value for at in (900, 1800, 2700)] == [None] * 3
    assert START + HOUR not in footfall
    assert worked([*gap, *wide], ours=[*first.rows, *after]).rows == []


def test_a_corrected_layout_takes_back_what_it_does_not_measure():
    """The pavement line was no pavement: passers-by are withdrawn, and with them the capture rate."""
    rows = minutes(0, 120)
    first = worked(rows)
    door = LAYOUT.sensor[0].model_copy(update={"line": (Line(number=1), Line(number=2, role=Role.IGNORE))})
    corrected = LAYOUT.model_copy(update={"version": "1b", "sensor": (door, LAYOUT.sensor[1])})

    again = worked(rows, corrected, ours=first.rows)

    gone = {one.metric for one in again.rows if one.value is None}
    assert gone == {"passers_by", "capture_rate", "draw_ratio"}
    assert again.lesson.layout == fingerprint(corrected) != first.lesson.layout


def test_a_lesson_survives_its_json():
    """Kept as JSON under one of a few dozen names, it is the lesson it was; what is none is worked out again."""
    lesson = worked(minutes(240, 900)).lesson

    back = loaded(json.loads(json.dumps(dumped(lesson))))
    np.testing.assert_array_equal(back.unpacked().entered, lesson.unpacked().entered)
    assert back == lesson
    assert loaded({"start": 3}) is loaded(None) is None
    assert slot(START) != slot(START + DAY)


def test_a_ratio_is_learned_from_the_days_before():
    """The day itself and later ones teach it nothing."""
    history = History()
    for day in range(3):
        history.put(worked(of_the_door(day, start=START + DAY * day), ONE_DOOR, start=START + DAY * day).lesson)

    assert history.ratio(START) == 1.0
    assert 1.0 < history.ratio(START + DAY) < history.ratio(START + 3 * DAY) < 1.04


def four_weeks():
    """A shop of seven hundred visits a day over four weeks, and its last day."""
    world, history = store(0.0, 0.0, days=MINUTES_OF, visits=700), History()
    first = START - (START + DAY // 2) // DAY % 7 * DAY  # so that the last of them ends a week
    for day in range(MINUTES_OF + 1):
        start = first + DAY * day
        n = min(day, MINUTES_OF - 1)
        rows = [
            row("door", "line:1", way, start + 60 * m, start + 60 * m + 60, float(counts[n, m]))
            for way, counts in (("in", world.entered), ("out", world.left))
            for m in range(1440)
        ]
        found = worked(rows, ONE_DOOR, history, start)
        history.put(found.lesson)
    return found.rows


@pytest.mark.usefixtures("compiled")
def test_four_weeks_tell_who_turned_around():
    """The share that left within three minutes (5.9 % in truth), the median stay, a weekday's trend, what is usual."""
    told = {one.metric: one for one in four_weeks()}

    assert told["bounce_share"].value == pytest.approx(0.059, abs=0.02)
    assert told["stay_median_seconds"].value / 60 == pytest.approx(18, abs=2.5)
    assert told["footfall_trend"].lower <= told["footfall_trend"].value <= told["footfall_trend"].upper
    assert {"footfall_expected", "footfall_dispersion", "unusually_busy", "silent_log10"} <= told.keys()
    assert told["silent_log10"].sensor == "door"


def test_a_zone_that_is_counted_corrects_the_doors():
    """Doors that miss 3 and 6 % and a zone that holds three of ten: nearer to the truth than the doors alone, live."""
    tells = (Told.CROSSINGS, Told.OCCUPANCY)
    sensors = (*ONE_DOOR.sensor, Sensor(id="hall", region=(Region(number=1),), tells=tells))
    off = {}
    for share in (None, 0.3):
        zone = Zone(name="hall", purpose="browsing", places=("hall/region:1",), share_of_store=share)
        day = Day(ONE_DOOR.model_copy(update={"sensor": sensors, "zone": (zone,)}), START, END)
        day.take(of_the_door(1))
        day.take(
            row("hall", "region:1", "occupancy", START + 60 * m, START + 60 * m + 60, float(WORLD.seen[1, m]))
            for m in range(1440)
        )
        day.refresh(END)
        off[share] = np.abs(day.store.inside - WORLD.inside[1]).mean()

    assert off[0.3] < 0.6 * off[None]
