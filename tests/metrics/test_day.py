"""A day's matrices say the same however its rows arrived."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract.layout import Overlap, Role
from agent.contract.observation import Origin, Quality
from agent.metrics.day import Day
from tests.metrics.days import END, HOUR, LAYOUT, START, hours, minutes, row

ROWS = minutes(240, 420)
NOON = START + 8 * HOUR


def told(*batches, now=NOON, ratio=1.0):
    day = Day(LAYOUT, START, END, ratio)
    for batch in batches:
        day.take(batch)
        day.refresh(now)
    return day


def says(day):
    return day.entered.persons, day.left.persons, day.entered.told, day.store.inside[: day.now_index(NOON)]


@given(seed=st.integers(0, 999), cuts=st.lists(st.integers(0, len(ROWS)), max_size=5))
@settings(max_examples=15, deadline=None)
def test_neither_order_nor_batches_nor_repetition_matter(seed, cuts):
    """Shuffled, cut anywhere and told twice, with memories before or after: the same to the last bit."""
    rows = [*ROWS, *hours(ROWS, extra=2.0)]
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = [rows[i] for i in order] + [rows[i] for i in order[: len(rows) // 2]]
    edges = [0, *sorted(cuts), len(shuffled)]

    pieces = told(*(shuffled[a:b] for a, b in pairwise(edges)))

    for mine, whole in zip(says(pieces), says(told(rows)), strict=True):
        np.testing.assert_array_equal(mine, whole)


def test_inversion_is_applied_when_read():
    """The arrow of the second door points out: its `in` left the store."""
    day = told(
        [row("door-2", "line:1", "in", START, START + 60, 3.0), row("door-2", "line:1", "out", START, START + 60, 5.0)]
    )

    assert (day.entered.persons[0], day.left.persons[0]) == (5.0, 3.0)


def test_one_silent_door_does_not_stop_the_other():
    """A minute is missing only where no door told anything, and says which share did."""
    day = told(minutes(0, 60, sensors=("door-1",)))

    assert not np.isnan(day.entered.persons[:60]).any()
    assert (day.entered.told[:60] == 0.5).all()
    assert np.isnan(day.entered.persons[60:]).all()


def test_a_finished_hour_wins_and_is_not_spread():
    """What the camera's memory knows beyond the differences goes into the hour's last minute."""
    day = told(ROWS, hours(ROWS, extra=2.0))
    live = told(ROWS)

    more = day.entered.persons - live.entered.persons
    assert {int(m): float(more[m]) for m in np.flatnonzero(np.nan_to_num(more))} == {299: 4.0, 359: 4.0, 419: 4.0}


def test_an_hour_that_nobody_watched_counts_once():
    """Only the memory tells of it: all of it stands in its last minute, and all its minutes are observed."""
    day = told(hours(minutes(0, 60)))

    assert np.isfinite(day.entered.persons).sum() == 1
    assert (day.entered.told[:60] == 1.0).all()


def test_a_withdrawn_and_an_unconfirmed_row_are_gaps():
    """A value taken back is absent, and a zero that may only be an outage is not observed."""
    rows = [
        row("door-1", "line:1", "in", START, START + 60, 3.0),
        row("door-1", "line:1", "in", START, START + 60, None),
    ]
    doubtful = [row("door-1", "line:1", "in", START, START + 60, 0.0, quality=Quality.UNCONFIRMED)]

    for day in (told(rows), told(doubtful)):
        assert np.isnan(day.entered.persons[0])
        assert day.entered.told[0] == 0.0


def test_a_push_wins_over_a_difference():
    """Both tell the same persons: the camera's own word counts, whichever came first."""
    pushed = row("door-1", "line:1", "in", START, START + 60, 4.0, origin=Origin.PUSH)
    live = row("door-1", "line:1", "in", START, START + 60, 3.0)

    for order in ([pushed, live], [live, pushed]):
        assert told(order).entered.persons[0] == 4.0


def test_what_we_worked_out_is_not_read_again():
    """Rows of origin edge never feed the metrics they came from."""
    assert np.isnan(
        told([row("store", "store", "entered", START, START + 60, 9.0, origin=Origin.EDGE)]).entered.persons
    ).all()


def test_learned_doors_do_not_drift():
    """A door that misses half of those who leave fills the store by a hundred, or by a few where the ratio is known."""
    rows = [
        one._replace(value=one.value * 0.5) if one.metric == "out" and one.sensor == "door-1" else one for one in ROWS
    ]
    ratio = np.nansum(told(rows).entered.persons) / np.nansum(told(rows).left.persons)

    plain, learned = (told(rows, ratio=r).store.inside[480] for r in (1.0, ratio))

    assert plain > 70
    assert learned < plain / 2


def test_the_interval_widens_with_every_crossing_and_gap():
    """Uncertainty of occupancy only grows while nothing but doors is known, faster where they are silent."""
    day = told(ROWS)

    assert (np.diff(day.store.variance[:480]) > 0).all()
    assert np.diff(day.store.variance)[470] > np.diff(day.store.variance)[239 - 100] * 0.99


def test_the_page_s_sums_are_the_rows():
    """Entered and left by sensor and hour add up to what was told."""
    day = told(ROWS)
    counted = [one for one in ROWS if one.sensor == "door-1"]

    assert day.entered_and_left("door-1") == tuple(
        int(sum(one.value for one in counted if one.place == "line:1" and one.metric == way)) for way in ("in", "out")
    )
    assert sum(x for x in day.hours("door-1", NOON) if x) == sum(one.value for one in counted)
    assert day.hours("door-1", NOON)[0] is None
    assert day.entered_and_left("nobody") is None
    assert day.hours("nobody", NOON) == ()


def test_sensors_that_count_by_their_totals():
    """Where the layout says so, the device's own totals stand for its lines, which are then not added."""
    layout = LAYOUT.model_copy(
        update={"sensor": (LAYOUT.sensor[0].model_copy(update={"totals": True}), LAYOUT.sensor[1])}
    )
    day = Day(layout, START, END)
    day.take(
        [row("door-1", "sensor", "in", START, START + 60, 7.0), row("door-1", "line:1", "in", START, START + 60, 3.0)]
    )
    day.refresh(NOON)

    assert day.entered.persons[0] == 7.0


@pytest.mark.parametrize("role", [Role.ENTRANCE, Role.PASSER_BY])
def test_more_series_than_there_was_room_for(role):
    """The matrices grow, and nothing told before is lost."""
    rows = [row(f"cam-{n}", "line:1", "in", START, START + 60, 1.0) for n in range(70)]
    sensors = tuple(
        LAYOUT.sensor[0].model_copy(
            update={"id": f"cam-{n}", "line": (LAYOUT.sensor[0].line[0].model_copy(update={"role": role}),)}
        )
        for n in range(70)
    )
    day = Day(LAYOUT.model_copy(update={"sensor": sensors, "zone": ()}), START, END)
    day.take(rows)
    day.refresh(NOON)

    flow = day.entered if role is Role.ENTRANCE else day.passed[0]
    assert flow.persons[0] == 70.0


def test_nobody_is_counted_twice():
    """Of two cameras over one door the first is counted, and the other where the first did not answer."""
    both = Overlap(places=("door-1/line:1", "door-2/line:1"))
    day = Day(LAYOUT.model_copy(update={"overlap": (both,)}), START, END)
    first = [row("door-1", "line:1", "in", START + 60 * m, START + 60 * m + 60, 3.0) for m in (0, 1)]
    other = [row("door-2", "line:1", "out", START + 60 * m, START + 60 * m + 60, 4.0) for m in (0, 1, 2)]
    for batch in (other, first):
        day.take(batch)
        day.refresh(NOON)

    assert list(day.entered.persons[:3]) == [3.0, 3.0, 4.0]
