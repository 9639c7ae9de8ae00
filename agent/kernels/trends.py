"""Where a number is going: least-squares slope, Theil-Sen slope with Sen's interval (1968), exponential smoothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats


@kernel("float64[:,::1](float64[::1], int64)")
def sliding_slope(values: Floats, width: int) -> Floats:
    """Least-squares slope a step over the last `width` values, and its standard error; missing below three values."""
    out = np.full((2, values.size), np.nan)
    for i in range(values.size):
        first = max(0, i - width + 1)
        count, x_mean, y_mean = 0, 0.0, 0.0
        for j in range(first, i + 1):
            if not math.isnan(values[j]):
                count += 1
                x_mean += j - first
                y_mean += values[j]
        if count < 3:
            continue
        x_mean /= count
        y_mean /= count
        xx, xy, yy = 0.0, 0.0, 0.0
        for j in range(first, i + 1):
            if not math.isnan(values[j]):
                x, y = j - first - x_mean, values[j] - y_mean
                xx += x * x
                xy += x * y
                yy += y * y
        out[0, i] = xy / xx
        out[1, i] = math.sqrt(max(0.0, yy - xy * xy / xx) / (count - 2) / xx)
    return out


@kernel("float64[::1](float64[::1], float64)")
def theil_sen(values: Floats, z: float) -> Floats:
    """The median of all pairwise slopes, its lower and upper bound at normal quantile `z`; O(n²), for few values."""
    out = np.full(3, np.nan)
    slopes = np.empty(values.size * (values.size - 1) // 2)
    count, pairs = 0, 0
    for i in range(values.size):
        if math.isnan(values[i]):
            continue
        count += 1
        for j in range(i):
            if not math.isnan(values[j]):
                slopes[pairs] = (values[i] - values[j]) / (i - j)
                pairs += 1
    if pairs == 0:
        return out
    ordered = np.sort(slopes[:pairs])
    out[0] = 0.5 * (ordered[(pairs - 1) // 2] + ordered[pairs // 2])
    spread = z * math.sqrt(count * (count - 1) * (2 * count + 5) / 18.0)
    out[1] = ordered[max(0, int((pairs - spread) / 2))]
    out[2] = ordered[min(pairs - 1, int((pairs + spread) / 2))]
    return out


@kernel("float64[::1](float64[::1], float64, float64)")
def smoothed(values: Floats, share: float, start: float) -> Floats:
    """Exponential smoothing: each value moves the level by `share` of the difference; a missing one moves nothing."""
    out = np.empty_like(values)
    level = start
    for i in range(values.size):
        if not math.isnan(values[i]):
            level = values[i] if math.isnan(level) else level + share * (values[i] - level)
        out[i] = level
    return out
