"""The oracle must see every kind of damage, or its zeros mean nothing."""

from __future__ import annotations

import pytest

from tests.rig.oracle import LIVE, LOG, Kept, Reconciliation, Served, reconcile, served_of

TEN, ELEVEN, NOON = 36_000, 39_600, 43_200
SERVED = (
    Served("door", "lines", "line:1", "in", TEN, ELEVEN, 7, NOON),
    Served("door", "lines", "line:1", "in", ELEVEN, NOON, 4, ELEVEN + 1800),
)
KEPT = (
    Kept("door", "line:1", "in", TEN, ELEVEN, 7, LOG, "d", "e", 1),
    Kept("door", "line:1", "in", ELEVEN, ELEVEN + 60, 3, LIVE, "d", "e", 2),
    Kept("door", "line:1", "in", ELEVEN + 60, ELEVEN + 120, 1, LIVE, "d", "e", 3),
)


def judged(*kept: Kept) -> Reconciliation:
    return reconcile(SERVED, kept, first_poll=ELEVEN + 10)


def test_a_faithful_database_is_all_zero():
    """Nothing is found where nothing is wrong, and the growing hour is not expected as a log row."""

    assert judged(*KEPT) == Reconciliation(1, 1, 0, 0, 0, 0)
    assert judged(*KEPT).ok


@pytest.mark.parametrize(
    ("kept", "damage"),
    [
        (KEPT[1:], {"lost": 1, "at_hq": 0}),
        ((KEPT[0]._replace(value=6.0), *KEPT[1:]), {"wrong": 1}),
        ((KEPT[0]._replace(end=ELEVEN - 60), *KEPT[1:]), {"wrong": 1}),
        ((KEPT[0]._replace(value=None), *KEPT[1:]), {"lost": 1, "at_hq": 0}),
        ((*KEPT, KEPT[0]._replace(sensor="attic", number=9)), {"invented": 1}),
        (KEPT[:2], {"lost": 1}),
        (KEPT[:1], {"lost": 4}),
        ((*KEPT, KEPT[2]._replace(start=ELEVEN + 120, end=ELEVEN + 180, value=5.0, number=9)), {"invented": 5}),
        ((*KEPT, KEPT[2]._replace(start=TEN, end=TEN + 60, number=9)), {"invented": 1}),
        ((*KEPT[:2], KEPT[2]._replace(start=ELEVEN + 30)), {"duplicated": 1}),
        ((*KEPT[:2], KEPT[2]._replace(number=2)), {"duplicated": 1}),
    ],
)
def test_each_damage_is_seen_as_what_it_is(kept: tuple[Kept, ...], damage: dict[str, int]):
    """Absent, altered, shortened, withdrawn, foreign, short, excess, overlapping and renumbered rows are all found."""

    found = judged(*kept)

    assert found.figures == {**judged(*KEPT).figures, **damage}
    assert not found.ok
    assert found.findings


def test_the_hour_that_just_ended_may_be_counted_live_as_well():
    """Whole and as the camera told it; a part of it, or more than it, is invented."""
    whole = Kept("door", "line:1", "in", TEN, ELEVEN, 7, LIVE, "d", "e", 4)

    assert judged(*KEPT, whole) == judged(*KEPT)
    assert judged(*KEPT, whole._replace(value=6.0)).invented == 6
    assert judged(*KEPT, whole._replace(value=8.0)).invented == 8
    assert judged(*KEPT, whole._replace(start=TEN - 3600, end=TEN)).invented == 7


def test_nothing_served_is_no_success():
    """An empty comparison is not a pass."""

    assert not reconcile((), (), 0).ok


def test_truth_is_read_as_the_simulator_tells_it():
    """Rows are lists by camera; the last field says when the camera last answered for the interval."""

    truth = {"now": NOON, "cameras": {"door": {"rows": [["lines", "line:1", "in", TEN, ELEVEN, 7, True, NOON]]}}}

    assert served_of(truth) == [SERVED[0]]
