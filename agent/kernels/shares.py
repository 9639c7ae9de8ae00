"""Shares that say how sure they are: Wilson's score interval (1927), and how complete a figure is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats


@kernel("float64[:,::1](float64[::1], float64[::1], float64, float64)")
def share_with_interval(hits: Floats, trials: Floats, z: float, fewest: float) -> Floats:
    """Share, lower and upper bound at normal quantile `z`; missing below `fewest` trials, which say nothing."""
    out = np.full((3, hits.size), np.nan)
    for i in range(hits.size):
        n = trials[i]
        if not n >= fewest or math.isnan(hits[i]) or n <= 0.0:
            continue
        p = hits[i] / n
        middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n)
        half = z / (1.0 + z * z / n) * math.sqrt(max(0.0, p * (1.0 - p) / n + z * z / (4.0 * n * n)))
        out[0, i] = p
        out[1, i] = min(p, max(0.0, middle - half))  # rounding puts the bound of 0 of 44 at 7e-18
        out[2, i] = max(p, min(1.0, middle + half))
    return out


@kernel("float64[::1](float64[::1], float64[::1], int64)")
def completeness(values: Floats, expected: Floats, width: int) -> Floats:
    """Of what was expected in each window of `width`, the share that fell into steps that were observed.

    A step expected at zero (closed) weighs nothing; without a baseline the caller expects 1 of every open step.
    """
    windows = (values.size + width - 1) // width
    out = np.full(windows, np.nan)
    for w in range(windows):
        known, whole = 0.0, 0.0
        for i in range(w * width, min(values.size, (w + 1) * width)):
            if not math.isnan(expected[i]):
                whole += expected[i]
                if not math.isnan(values[i]):
                    known += expected[i]
        if whole > 0.0:
            out[w] = known / whole
    return out
