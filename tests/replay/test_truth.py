"""What the replay tells, held against what is known: a real building, a simulated store, queue records, a table."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.kernels.worlds import DATA
from tests.replay.truth import building, inside, tills, waits

pytestmark = [pytest.mark.usefixtures("compiled"), pytest.mark.timeout(300)]


def test_a_real_building_never_holds_less_than_nobody(tmp_path):
    """CalIt2, 62 days: the plain sum ends 10.4 too high a day; what is told is never negative and ends nearer."""
    found = building(tmp_path)

    assert found.least >= 0.0
    assert found.drift == pytest.approx(10.35, abs=0.01)
    assert found.live_end[20:].mean() < 0.6 * found.drift  # clamped at nobody, so what is left is never below


def test_who_is_inside_while_doors_miss_people(tmp_path):
    """30 days at 3 % and 6 % missed, 42 inside: what is told live is off by a fraction of what the midnight sum is."""
    found = inside(tmp_path, (0.03, 0.06), days=30, step=15)

    assert found.live < 7.6
    assert found.live < 0.4 * found.midnight
    assert found.held >= 0.9


@pytest.mark.parametrize(("name", "now", "interval"), [("mm3_rho0.9", 1.5, 1.2), ("mm3_renege", 0.75, 0.25)])
def test_waits_against_each_customer_s_own(tmp_path, name, now, interval):
    """Minutes: nearer than the four formulas it replaces, for who joins now and for each quarter of an hour.

    Measured: 1.39 and 0.63 now (naive 2.01 4.67 3.32 4.06 and 1.24 1.59 1.27 0.78), 1.05 and 0.15 the quarter.
    """
    found = waits(tmp_path, name)

    assert found.now < now
    assert all(found.now < error for error in found.naive.values())
    assert found.interval < interval
    assert all(found.interval < error for error in found.interval_naive.values())
    assert 0.85 < found.below_ninety < 0.95
    assert found.by_little == pytest.approx(found.truth, rel=0.02)


def exact_table():
    with (DATA / "queue" / "erlang_c_table.csv").open() as file:
        rows = [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
    return [row for row in rows if row["P_Wq_gt_1"] > 1e-6 and row["offered_load_erlangs"] > 0.5][::6]


@pytest.mark.parametrize("row", exact_table(), ids=lambda row: f"{row['c']:.0f} tills at {row['rho']}")
def test_tills_are_those_of_the_exact_table(tmp_path, row):
    """Erlang C: where the table says that a share waits longer than a service, that share takes just those tills."""
    enough, too_few = tills(tmp_path, row["offered_load_erlangs"], row["P_Wq_gt_1"])

    assert enough == row["c"]
    assert too_few > row["c"]


def test_the_night_is_no_worse_than_the_day(tmp_path):
    """The rows that remain of a day err no more than what was told while it ran."""
    found = inside(tmp_path, (0.03, 0.06), days=10, step=15)

    assert found.night <= found.live * 1.01
    assert np.isfinite(found.night)
