"""Every kernel with its naive twin and arguments of any size: one table for correctness, properties and benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from agent.kernels import deltas, expected, occupancy, percentiles, queues, shares, stays, trends, windows, zones
from tests.naive import deltas as naive_deltas
from tests.naive import estimates as naive_estimates
from tests.naive import occupancy as naive_occupancy
from tests.naive import queues as naive_queues
from tests.naive import windows as naive_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.kernels.registry import Kernel

NORMAL_95 = 1.959964


class Row(NamedTuple):
    """`args(random, n)` makes arguments over n steps."""

    kernel: Kernel[..., Any]
    naive: Callable[..., Any]
    args: Callable[[np.random.Generator, int], tuple[Any, ...]]
    least: int = 1  # fewer steps than this it is not asked for


def persons(random: np.random.Generator, n: int, mean: float = 2.0, gaps: float = 0.03) -> np.ndarray:
    """Counts by step, some of them missing."""
    counts = random.poisson(mean, n).astype(np.float64)
    counts[random.random(n) < gaps] = np.nan
    return counts


def walk(random: np.random.Generator, n: int, start: float = 20.0) -> np.ndarray:
    """A level in quarters, so that sums of it are exact."""
    level = np.round(4 * np.abs(start + np.cumsum(random.normal(0, 1, n)))) / 4
    level[random.random(n) < 0.03] = np.nan
    return level


def doors(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    return persons(random, n, 0.5), persons(random, n, 0.5)


def rising(random: np.random.Generator, n: int) -> np.ndarray:
    """A running counter that starts over now and then."""
    readings = np.cumsum(random.poisson(1.0, n)).astype(np.float64) % 300
    readings[random.random(n) < 0.03] = np.nan
    return readings


def queue(random: np.random.Generator, n: int) -> np.ndarray:
    length = random.poisson(3.0, n).astype(np.float64)
    length[random.random(n) < 0.03] = np.nan
    return length


def several(random: np.random.Generator, rows: int, n: int, mean: float = 0.5) -> np.ndarray:
    return np.ascontiguousarray([persons(random, n, mean) for _ in range(rows)])


# Four areas one behind the other; each line is counted both ways: eight counts.
CHAIN = np.array(
    [
        [1, -1, -1, 1, 0, 0, 0, 0],
        [0, 0, 1, -1, -1, 1, 0, 0],
        [0, 0, 0, 0, 1, -1, -1, 1],
        [0, 0, 0, 0, 0, 0, 1, -1],
    ],
    dtype=np.float64,
)
EDGES = np.array([0, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60], dtype=np.int64)
EVENLY = np.array([1.0, 0.0, 0.0])

TABLE = (
    Row(deltas.growth, naive_deltas.growth, lambda r, n: (rising(r, n), 5.0)),
    Row(
        deltas.bucket_sums,
        naive_deltas.bucket_sums,
        lambda r, n: (r.integers(0, n // 60 + 1, n), persons(r, n), n // 60 + 1),
    ),
    Row(windows.tumbling, naive_windows.tumbling, lambda r, n: (walk(r, n), 15)),
    Row(windows.sliding, naive_windows.sliding, lambda r, n: (walk(r, n), 60)),
    Row(windows.sliding_extremes, naive_windows.sliding_extremes, lambda r, n: (walk(r, n), 60)),
    Row(windows.sessions, naive_windows.sessions, lambda r, n: (persons(r, n, 0.2), 5)),
    Row(
        percentiles.tumbling_percentiles,
        naive_windows.tumbling_percentiles,
        lambda r, n: (walk(r, n), 60, np.array([0.5, 0.9, 1.0])),
    ),
    Row(percentiles.sliding_percentile, naive_windows.sliding_percentile, lambda r, n: (walk(r, n), 60, 0.9)),
    Row(trends.sliding_slope, naive_windows.sliding_slope, lambda r, n: (walk(r, n), 15)),
    Row(trends.theil_sen, naive_windows.theil_sen, lambda r, n: (walk(r, min(n, 60)), NORMAL_95), 5),
    Row(trends.smoothed, naive_windows.smoothed, lambda r, n: (walk(r, n), 0.3, np.nan)),
    Row(occupancy.occupancy_clamped, naive_occupancy.occupancy_clamped, lambda r, n: (*doors(r, n), 3.0)),
    Row(occupancy.occupancy_calibrated, naive_occupancy.occupancy_calibrated, lambda r, n: (*doors(r, n), 1.03, 3.0)),
    Row(
        occupancy.door_ratios,
        naive_occupancy.door_ratios,
        lambda r, n: (
            r.poisson(900, n).astype(float),
            r.poisson(870, n).astype(float),
            r.random(n) * 0.2 + 0.85,
            0.9,
            2e3,
        ),
    ),
    Row(
        occupancy.occupancy_kalman,
        naive_occupancy.occupancy_kalman,
        lambda r, n: (*doors(r, n), persons(r, n, 6.0, 0.2), 1.03, 0.3, 3.0, 4.0, np.array([0.1, 0.02, 1.0])),
    ),
    Row(occupancy.occupancy_reconciled, naive_occupancy.occupancy_reconciled, doors),
    Row(occupancy.presence, naive_occupancy.presence, lambda r, n: (walk(r, n), 60.0, 25.0)),
    Row(
        queues.serving_rate,
        naive_queues.serving_rate,
        lambda r, n: (queue(r, n), persons(r, n), np.full(n, 1.5), 20, 5.0),
    ),
    Row(
        queues.wait_now,
        naive_queues.wait_now,
        lambda r, n: (queue(r, n), persons(r, n), np.array([0.5, 0.9])),
    ),
    Row(queues.abandoned_share, naive_queues.abandoned_share, lambda r, n: (persons(r, n), persons(r, n, 1.5), 4, 30)),
    Row(queues.erlang_c, naive_queues.erlang_c, lambda r, n: (r.integers(1, 30, n).astype(float), r.random(n) * 28)),
    Row(queues.lanes_needed, naive_queues.lanes_needed, lambda r, n: (persons(r, n, 2.5), 0.6, 2.0, 0.8, 12, 2)),
    Row(stays.mean_stay, naive_queues.mean_stay, lambda r, n: (walk(r, n), persons(r, n), 60.0, 15)),
    Row(stays.stay_per_visit, naive_queues.stay_per_visit, lambda r, n: (persons(r, n, 900.0), persons(r, n), 900.0)),
    Row(stays.stay_distribution, naive_estimates.stay_distribution, lambda r, n: (*doors(r, n), EDGES, 12), 200),
    Row(
        shares.share_with_interval,
        naive_estimates.share_with_interval,
        lambda r, n: (r.binomial(40, 0.1, n).astype(float), 40 - persons(r, n), NORMAL_95, 30.0),
    ),
    Row(shares.completeness, naive_estimates.completeness, lambda r, n: (persons(r, n), persons(r, n, 3.0, 0.01), 60)),
    Row(expected.slot_baseline, naive_estimates.slot_baseline, lambda r, n: (several(r, 8, n, 9.0), 2.0), 2),
    Row(
        expected.episodes,
        naive_estimates.episodes,
        lambda r, n: (persons(r, n, 9.0), 5 + 4 * r.random(n), 8.0, 0.94, 2.0, EVENLY),
    ),
    Row(expected.silence, naive_estimates.silence, lambda r, n: (persons(r, n, 0.3), r.random(n), 5.0, -2.0)),
    Row(zones.zone_balance, naive_occupancy.zone_balance, lambda r, n: (several(r, 8, n), CHAIN, np.zeros(4))),
    Row(
        zones.flow_matrix,
        naive_estimates.flow_matrix,
        lambda r, n: (
            np.ascontiguousarray(5 + several(r, 4, n, 9.0).T),
            np.ascontiguousarray(several(r, 4, n).T),
            1.0 - np.eye(4, k=2),
            1000,
        ),
        200,
    ),
    Row(zones.bottleneck, naive_estimates.bottleneck, lambda r, n: (*doors(r, n), 0.1, 2.0)),
    Row(zones.heat, naive_estimates.heat, lambda r, n: (several(r, 4, n), np.arange(n) // 60 % 24, 24)),
)
