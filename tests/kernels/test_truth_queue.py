"""Queues against an exact table and against records of the independent simulator ciw."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from agent.kernels.queues import abandoned_share, erlang_c, lanes_needed, serving_rate, wait_now
from agent.kernels.stays import mean_stay
from tests.kernels.worlds import DATA, queue

# Compiling all of them takes 9 s of a core, on a busy machine a minute and more.
pytestmark = [pytest.mark.usefixtures("compiled"), pytest.mark.timeout(300)]


def erlang_table():
    with (DATA / "queue" / "erlang_c_table.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def test_erlang_c_is_the_exact_table():
    """120 pairs of lanes (1 to 30) and load (0.3 to 0.99), to 1e-9."""
    table = erlang_table()

    told = erlang_c(table["c"], table["offered_load_erlangs"])

    for row, name in zip(told, ("P_wait", "Lq", "Wq_in_service_times"), strict=True):
        np.testing.assert_allclose(row, table[name], rtol=1e-9)


def test_lanes_are_the_fewest_that_hold():
    """Where the table says that a share waits more than one service time, just that share needs just those lanes."""
    table = erlang_table()

    for lanes, load, late in zip(table["c"], table["offered_load_erlangs"], table["P_Wq_gt_1"], strict=True):
        arrivals = np.array([load])
        if late < 1e-9:  # too rare to be told from never in 1 - late
            continue
        assert lanes_needed(arrivals, 1.0, 1.0, 1 - late * 1.000001, 40, 1)[0] == lanes
        assert lanes_needed(arrivals, 1.0, 1.0, 1 - late * 0.999999, 40, 1)[0] > lanes


@pytest.mark.parametrize(("name", "most"), [("mm3_rho0.9", 1.5), ("mm3_renege", 0.75)])
def test_the_wait_of_who_joins_now(name, most):
    """The mean error in minutes beside the four formulas it replaces, and quantiles that hold what they say.

    Measured: 1.38 and 0.68; mean absolute change 2.00 and 1.23, 1.5 min a person 4.66 and 1.58, 0.8 a minute 3.31 and
    1.27, always the mean 4.05 and 0.77.
    """
    world = queue(name)
    steps = world.length.size
    joins = world.arrival < steps
    minute, truth = world.arrival[joins].astype(int), world.wait[joins]

    rate = serving_rate(world.length, world.left, np.full(steps, 1.5), 20, 5.0)
    mean, _, ninety = wait_now(world.length, rate, np.array([0.5, 0.9]))[:, minute]
    change = np.convolve(np.abs(np.diff(world.length, prepend=0)), np.full(20, 1 / 20))[:steps]
    length = world.length[minute]
    naive = {
        "length / mean absolute change": length / np.maximum(change[minute], 0.05),
        "1.5 min a person": 1.5 * length,
        "0.8 a minute": length / 0.8,
        "always the mean": np.full(truth.size, truth.mean()),
    }

    error = np.abs(mean - truth).mean()
    assert error < most
    assert all(error < np.abs(guess - truth).mean() for guess in naive.values())
    assert 0.88 < (truth <= ninety).mean() < 0.96


@pytest.mark.parametrize("name", ["mm3_rho0.9", "mm3_renege"])
def test_little_tells_the_wait_of_a_day(name):
    """∫Q dt over those who left: within 2 % of the mean wait of the records."""
    world = queue(name)
    middle = 0.5 * (world.length + np.append(world.length[1:], 0.0))

    assert mean_stay(middle, world.left, 1.0, middle.size)[0] == pytest.approx(world.wait.mean(), rel=0.02)


def test_who_gave_up_is_told():
    """Joined less served, a wait later: 21.7 % of the records reneged."""
    world = queue("mm3_renege")
    gave_up = 1 - world.served.sum() / world.joined.sum()

    told = abandoned_share(world.joined, world.served, 1, world.joined.size - 1)[-1]

    assert told == pytest.approx(gave_up, abs=0.005)
