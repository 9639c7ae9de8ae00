"""What must hold of the kernels whatever the numbers are: chunks, order, scale, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.kernels.deltas import bucket_sums, growth
from agent.kernels.expected import episodes, silence, slot_baseline
from agent.kernels.occupancy import (
    door_ratios,
    occupancy_calibrated,
    occupancy_clamped,
    occupancy_kalman,
    occupancy_reconciled,
    presence,
)
from agent.kernels.percentiles import sliding_percentile, tumbling_percentiles
from agent.kernels.queues import abandoned_share, erlang_c, lanes_needed, serving_rate, wait_now
from agent.kernels.registry import KERNELS
from agent.kernels.shares import completeness, share_with_interval
from agent.kernels.stays import mean_stay, stay_distribution, stay_per_visit
from agent.kernels.trends import sliding_slope, smoothed, theil_sen
from agent.kernels.windows import sessions, sliding, sliding_extremes, tumbling
from agent.kernels.zones import bottleneck, flow_matrix, heat, zone_balance
from tests.kernels.table import CHAIN, EVENLY, persons, several

STEPS, WIDTH = 240, 30


def made(seed: int, mean: float, gaps: float) -> np.ndarray:
    return persons(np.random.default_rng(seed), STEPS, mean, gaps)


# By seed: arrays drawn element by element are mostly zeros and ten times slower to draw than the loops take.
COUNTS = st.builds(made, st.integers(0, 2**32), st.sampled_from([0.1, 2.0, 40.0]), st.sampled_from([0.0, 0.05, 0.6]))
NOISE = np.array([0.1, 0.02, 1.0])

# Uncompiled loops on a busy machine keep no deadline.
settings.register_profile("kernels", deadline=None, max_examples=10)
settings.load_profile("kernels")

# The last state of the first chunk starts the second. out, of the first chunk -> what `start` becomes.
CARRIED = {
    "clamped": lambda a, b, out: occupancy_clamped(a, b, 2.0 if out is None else out[-1]),
    "calibrated": lambda a, b, out: occupancy_calibrated(a, b, 1.04, 2.0 if out is None else out[-1]),
    "kalman": lambda a, b, out: occupancy_kalman(
        a, b, a, 1.04, 0.3, *((2.0, 1.0) if out is None else out[:, -1]), NOISE
    ),
    "smoothed": lambda a, _, out: smoothed(a, 0.3, np.nan if out is None else out[-1]),
    "silence": lambda a, b, out: silence(a, np.nan_to_num(b), 5.0, 0.0 if out is None else out[-1]),
    "episodes": lambda a, b, out: episodes(
        a, 1 + np.nan_to_num(b), 5.0, 0.94, 2.0, EVENLY if out is None else out[:, -1].copy()
    ),
    "bottleneck": lambda a, b, out: bottleneck(a, b, 0.5, 0.0 if out is None else out[-1]),
    "zones": lambda a, b, out: zone_balance(
        np.vstack([a, b] * 4), CHAIN, np.zeros(4) if out is None else out[:, -1].copy()
    ),
}
# The second chunk is given `width` steps of the first to look back on, which are cut off again.
LOOKING_BACK = {
    "sliding": lambda a, _: sliding(a, WIDTH),
    "sliding_extremes": lambda a, _: sliding_extremes(a, WIDTH),
    "sliding_percentile": lambda a, _: sliding_percentile(a, WIDTH, 0.9),
    "sliding_slope": lambda a, _: sliding_slope(a, WIDTH),
    "serving_rate": lambda a, b: serving_rate(a, b, np.ones(a.size), WIDTH, 5.0),
    "abandoned_share": lambda a, b: abandoned_share(a, b, 5, WIDTH - 5),
}
# Whole windows stand for themselves.
BY_WINDOW = {
    "tumbling": lambda a, _: tumbling(a, WIDTH),
    "tumbling_percentiles": lambda a, _: tumbling_percentiles(a, WIDTH, np.array([0.5, 0.95])),
    "mean_stay": lambda a, b: mean_stay(a, b, 60.0, WIDTH),
    "completeness": lambda a, b: completeness(a, b, WIDTH),
}


@pytest.mark.parametrize("name", CARRIED)
@given(a=COUNTS, b=COUNTS, cut=st.integers(1, STEPS - 1))
def test_chunks_with_carried_state_make_the_whole(name, a, b, cut):
    """A restart in the middle of a day changes nothing, to the last bit."""
    run = CARRIED[name]
    first = run(a[:cut], b[:cut], None)

    parts = np.concatenate([first, run(a[cut:], b[cut:], first)], axis=-1)
    np.testing.assert_array_equal(parts, run(a, b, None))


@pytest.mark.parametrize("name", LOOKING_BACK)
@given(a=COUNTS, b=COUNTS, cut=st.integers(WIDTH, STEPS - 1))
def test_chunks_that_look_back_make_the_whole(name, a, b, cut):
    """A window that begins in the last chunk needs its width of it, no more."""
    run, back = LOOKING_BACK[name], cut - WIDTH

    parts = np.concatenate([run(a[:cut], b[:cut]), run(a[back:], b[back:])[..., WIDTH:]], axis=-1)
    np.testing.assert_allclose(parts, run(a, b), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", BY_WINDOW)
@given(a=COUNTS, b=COUNTS, window=st.integers(1, STEPS // WIDTH - 1))
def test_chunks_of_whole_windows_make_the_whole(name, a, b, window):
    """A day cut at a window's edge is the same day."""
    run, cut = BY_WINDOW[name], window * WIDTH

    parts = np.concatenate([run(a[:cut], b[:cut]), run(a[cut:], b[cut:])], axis=-1)
    np.testing.assert_array_equal(parts, run(a, b))


@given(a=COUNTS, cut=st.integers(1, STEPS - 1))
def test_a_counter_is_followed_across_chunks(a, cut):
    """The last known reading is all that is carried."""
    known = a[:cut][~np.isnan(a[:cut])]

    parts = np.concatenate([growth(a[:cut], 3.0), growth(a[cut:], known[-1] if known.size else 3.0)], axis=-1)
    np.testing.assert_array_equal(parts, growth(a, 3.0))


@given(values=COUNTS, seed=st.integers(0, 2**32))
def test_late_rows_fall_where_they_belong(values, seed):
    """In whatever order rows arrive, each bucket's sum is the same to the last bit."""
    random = np.random.default_rng(seed)
    order, bucket = random.permutation(STEPS), random.integers(0, 10, STEPS)

    np.testing.assert_array_equal(bucket_sums(bucket[order], values[order], 10), bucket_sums(bucket, values, 10))


@given(a=COUNTS, b=COUNTS, k=st.sampled_from([0.5, 2.0, 8.0]))
def test_counting_in_other_units_changes_the_unit_alone(a, b, k):
    """Persons, pairs or dozens: what is linear scales, what is a share stays."""
    linear = [
        lambda x, y: occupancy_clamped(x, y, 0.0),
        lambda x, y: occupancy_calibrated(x, y, 1.04, 0.0),
        lambda x, y: bottleneck(x, y, 0.0, 0.0),
        lambda x, _: sliding(x, WIDTH)[1:3],
        lambda x, _: sliding_percentile(x, WIDTH, 0.9),
        lambda x, _: sliding_slope(x, 15)[0],
        lambda x, _: smoothed(x, 0.25, np.nan),
        lambda x, _: sessions(x, 5)[2:],
        lambda x, _: theil_sen(x[:60], 1.96) if np.isfinite(x[:60]).sum() > 1 else np.zeros(3),
    ]
    shares = [
        lambda x, y: mean_stay(x, y, 60.0, WIDTH),
        lambda x, y: abandoned_share(x, y, 4, 30),
        lambda x, y: completeness(x, y, WIDTH),
        lambda x, _: presence(x, 60.0, 0.0)[[3, 4, 6]],
    ]

    for run in linear:
        np.testing.assert_allclose(run(k * a, k * b), k * run(a, b), rtol=1e-9, atol=1e-6)
    for run in shares:
        np.testing.assert_allclose(run(k * a, k * b), run(a, b), rtol=1e-9, atol=1e-9)


@given(a=COUNTS, b=COUNTS)
def test_nobody_is_ever_missing_inside(a, b):
    """Occupancy is never negative and never missing once it was known, and a day looked back on ends at zero."""
    for inside in (
        occupancy_clamped(a, b, 0.0),
        occupancy_calibrated(a, b, 1.04, 0.0),
        occupancy_kalman(a, b, b, 1.0, 0.3, 0.0, 1.0, NOISE)[0],
        occupancy_reconciled(a, b),
    ):
        assert (inside >= 0).all()
    if np.nansum(b[~np.isnan(a)]) > 0:
        assert occupancy_reconciled(a, b)[-1] == pytest.approx(0, abs=1e-6)


@given(length=st.integers(0, 3000), rate=st.floats(0.05, 20))
def test_wait_is_ordered_and_near_its_mean(length, rate):
    """Quantiles rise, and the median of Erlang(k, μ) lies between (k-1)/μ and k/μ, for any length of queue."""
    mean, low, middle, high = wait_now(np.array([float(length)]), np.array([rate]), np.array([0.1, 0.5, 0.9]))[:, 0]

    assert low < middle < high
    assert length / rate - 1e-9 <= middle <= (length + 1) / rate
    assert mean == pytest.approx((length + 0.5) / rate)


@given(load=st.floats(0.01, 25), lanes=st.integers(1, 30))
def test_one_lane_more_never_makes_waiting_likelier(load, lanes):
    """Erlang C falls with every lane; below the load there is no steady state and so no number."""
    both = erlang_c(np.array([lanes, lanes + 1.0]), np.array([load, load]))

    assert np.isnan(both[:, 0]).all() == (load >= lanes)
    if load < lanes:
        assert 0 < both[0, 1] < both[0, 0] <= 1


def test_lanes_close_slowly():
    """A lane opens at once and closes only after the stretch it was told to wait."""
    arrivals = np.array([1.0, 5.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0])

    lanes = lanes_needed(arrivals, 1.0, 1.0, 0.8, 20, 3)
    alone = [lanes_needed(arrivals[i : i + 1], 1.0, 1.0, 0.8, 20, 3)[0] for i in range(arrivals.size)]

    assert (lanes >= alone).all()
    assert list(lanes[:4]) == [alone[0], alone[1], alone[1], alone[1]]
    assert lanes[4] == alone[4]


@given(hits=st.integers(0, 400), more=st.integers(30, 400))
def test_an_interval_holds_its_share_and_narrows(hits, more):
    """Wilson's bounds lie around the share, inside 0 and 1, and ten times the trials narrow them."""
    n = float(hits + more)
    share, low, high = share_with_interval(np.array([hits, 10.0 * hits]), np.array([n, 10 * n]), 1.96, 30.0)

    assert 0 <= low[0] <= share[0] <= high[0] <= 1
    assert high[1] - low[1] < high[0] - low[0]


def test_a_gap_teaches_a_distribution_nothing():
    """Minutes missing at random move the shares by noise only; the steps after a gap are left out."""
    random = np.random.default_rng(5)
    entered = persons(random, 6000, 2.0, gaps=0.0)
    left = np.concatenate([np.zeros(4), entered[:-4]])
    entered[2000:2010] = np.nan

    shares = stay_distribution(entered, left, np.arange(9), 400)

    assert shares[4] == pytest.approx(1.0, abs=1e-3)


def test_zones_of_a_chain_hold_who_came_in():
    """While none is clamped, all zones together hold who crossed the outer lines."""
    counts = several(np.random.default_rng(2), 8, 300)
    counts = np.nan_to_num(counts)

    inside = zone_balance(counts, CHAIN, np.full(4, 500.0)).sum(axis=0) - 2000

    np.testing.assert_array_equal(inside, np.cumsum(counts[0] - counts[1]))


@given(a=COUNTS, b=COUNTS, seed=st.integers(0, 2**32))
def test_heat_does_not_ask_when_it_was_told(a, b, seed):
    """Minutes in any order fall into their slots, and two halves of a day add up to it, to the last bit."""
    random = np.random.default_rng(seed)
    order, slot, values = random.permutation(STEPS), random.integers(0, 24, STEPS), np.vstack([a, b])
    whole = heat(values, slot, 24)
    halves = [heat(np.ascontiguousarray(values[:, part]), slot[part], 24) for part in (slice(0, 99), slice(99, STEPS))]
    known = ~np.isnan(halves)

    np.testing.assert_array_equal(heat(np.ascontiguousarray(values[:, order]), slot[order], 24), whole)
    np.testing.assert_array_equal(np.where(known.any(axis=0), np.nansum(halves, axis=0), np.nan), whole)


@given(seed=st.integers(0, 2**32), days=st.integers(1, 30), cut=st.integers(0, 30))
def test_a_ratio_knows_only_the_days_before(seed, days, cut):
    """The first days teach the same whatever comes later, incomplete days teach nothing, and both ways are alike."""
    random = np.random.default_rng(seed)
    came, left = random.poisson(900, (2, days)).astype(float)
    told = np.where(random.random(days) < 0.2, 0.5, 1.0)
    whole = told >= 0.95

    ratios = door_ratios(came, left, told, 0.9, 250.0)
    np.testing.assert_array_equal(door_ratios(came[:cut], left[:cut], told[:cut], 0.9, 250.0), ratios[: cut + 1])
    np.testing.assert_allclose(door_ratios(left, came, told, 0.9, 250.0), 1 / ratios)
    assert door_ratios(came[whole], left[whole], told[whole], 0.9, 250.0)[-1] == ratios[-1]


@given(seed=st.integers(0, 2**32), k=st.sampled_from([2.0, 8.0]))
def test_a_baseline_does_not_ask_for_the_order_of_weeks(seed, k):
    """Weeks in any order make the same expectation, and k times as many people make it k times as high."""
    random = np.random.default_rng(seed)
    history = np.vstack([persons(random, 168, 9.0, 0.1) for _ in range(6)])
    mean, spread = slot_baseline(history, 1.0)

    again = slot_baseline(np.ascontiguousarray(history[random.permutation(6)]), 1.0)
    np.testing.assert_allclose(again, [mean, spread], rtol=1e-9)
    np.testing.assert_allclose(slot_baseline(k * history, 1.0)[0], k * mean, rtol=1e-9)


@given(a=COUNTS, b=COUNTS, k=st.sampled_from([2.0, 8.0]), cut=st.integers(1, STEPS - 1))
def test_seconds_a_visit_are_a_quotient(a, b, k, cut):
    """Interval by interval, whatever lies beside it, and in any unit of persons."""
    stays = stay_per_visit(60 * a, b, 900.0)

    parts = np.concatenate([stay_per_visit(60 * a[p], b[p], 900.0) for p in (slice(0, cut), slice(cut, STEPS))])
    np.testing.assert_array_equal(parts, stays)
    np.testing.assert_array_equal(stay_per_visit(60 * k * a, k * b, 900.0), stays)


@given(seed=st.integers(0, 2**32))
def test_flow_does_not_ask_for_the_order_of_days_or_zones(seed):
    """Days with a gap between them may be swapped, zones renamed; no row sends on more than there were."""
    random = np.random.default_rng(seed)
    days = [(5 + several(random, 3, 80, 9.0).T, several(random, 3, 80).T) for _ in range(2)]
    gap = np.full((1, 3), np.nan)

    def told(days, zones):
        present, entered = (np.vstack([part for one in days for part in (one[i][:, zones], gap)]) for i in (0, 1))
        return flow_matrix(np.ascontiguousarray(present), np.ascontiguousarray(entered), np.ones((3, 3)), 1000)

    flow = told(days, [0, 1, 2])
    np.testing.assert_allclose(told(days[::-1], [0, 1, 2]), flow, atol=1e-6)
    np.testing.assert_allclose(told(days, [2, 0, 1]), flow[np.ix_([2, 0, 1], [2, 0, 1])], atol=1e-6)
    assert (flow >= 0).all()
    assert (flow.sum(axis=1) <= 1 + 1e-12).all()


def test_every_kernel_has_a_property():
    """A kernel that none of these tests runs is not one of ours."""
    here = globals()

    assert [one.name for one in KERNELS if one.name not in here] == []
