"""What the replay tells, held against what is known: a real building, a simulated store, queue records, a table."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.kernels.worlds import DATA, store
from tests.replay.people import flow, stays, true_median
from tests.replay.truth import DOOR, MIDNIGHT, building, inside, moment, replayed, rows_of, tills, waits

pytestmark = [pytest.mark.usefixtures("compiled"), pytest.mark.timeout(300)]


def test_a_real_building_never_holds_less_than_nobody(tmp_path):
    """CalIt2, 62 days: the plain sum ends 10.4 too high a day; what is told is never negative and ends nearer."""
    found = building(tmp_path)

    assert found.least >= 0.0
    assert found.drift == pytest.approx(10.35, abs=0.01)
    assert found.live_end[20:].mean() < 0.6 * found.drift  # clamped at nobody, so what is left is never below
    assert abs(found.night_end.mean()) < 0.2
    assert np.abs(found.night_end).max() < 2


def test_who_is_inside_while_doors_miss_people(tmp_path):
    """20 days at 3 % and 6 % missed, 42 inside: off by a fraction of the midnight sum, by less at night."""
    found = inside(tmp_path, (0.03, 0.06), days=20, step=15)

    assert found.live < 7.6
    assert found.live < 0.4 * found.midnight
    assert found.night < 3.5
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


@pytest.mark.parametrize("missed", [(0.0, 0.0)])
def test_how_long_people_stay_is_told_by_counts_alone(tmp_path, missed):
    """Four weeks of minutes: the share that leaves within three minutes (truth 5.9 %), and the median stay."""
    found = stays(tmp_path, missed)

    assert found.bounce == pytest.approx(0.059, abs=0.015)
    assert found.median == pytest.approx(true_median(), rel=0.1)


def test_who_goes_where_is_told_by_counts_alone(tmp_path):
    """Four zones, three days by minutes: the share of all moves that is put in the wrong place."""
    assert flow(tmp_path, 3) < 0.2


def test_counts_by_hand_teach_where_days_do_not(tmp_path):
    """A door that misses 20 % of those who leave, and days too full of gaps to learn from: hands say so instead."""
    world = store(0.0, 0.2, days=3)
    rows, counts = [], []
    for way, counted in (("in", world.entered), ("out", world.left)):
        gappy = counted.copy()
        gappy[:2, :180] = np.nan  # nothing is told until three in the morning
        rows += list(rows_of("door", "line:1", way, gappy.reshape(-1, 15).sum(axis=1), 900))
    for day in range(2):
        for hour in (12, 15, 18):
            at = MIDNIGHT + 86400 * day + 3600 * hour
            minutes = slice(60 * hour, 60 * hour + 240)
            came, went = world.entered[day, minutes].sum(), world.left[day, minutes].sum() / 0.8
            counts.append(f"door,1,{moment(at)},{moment(at + 4 * 3600)},{came:.0f},{went:.0f}")
    by_hand = tmp_path / "counts.csv"
    by_hand.write_text("\n".join(["sensor,line,from,to,in,out", *counts]))

    def off(*options):
        live = replayed(tmp_path, DOOR.format(zone="UTC", reset=0), rows, "--live", *options).live("occupancy")
        at = ((live.at - MIDNIGHT) // 60).astype(int) - 1
        last = (at >= 2 * 1440 + 540) & (at < 2 * 1440 + 1330)
        return np.abs(live.value[last] - world.inside.ravel()[at[last]]).mean()

    plain, taught = off(), off("--counts", str(by_hand))
    assert taught < 0.6 * plain
