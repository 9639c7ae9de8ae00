"""From what a device says to what happened: gains of a running counter, and sums by bucket (metrics: delta rule)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats, Integers


@kernel("float64[:,::1](float64[::1], float64)")
def growth(readings: Floats, before: float) -> Floats:
    """What a counter gained at each reading, and 1 where it began again; the first reading ever is only a baseline."""
    out = np.zeros((2, readings.size))
    held = before
    for i in range(readings.size):
        now = readings[i]
        if math.isnan(now) or math.isnan(held):
            out[0, i] = np.nan
        elif now < held:
            out[0, i] = now
            out[1, i] = 1.0
        else:
            out[0, i] = now - held
        if not math.isnan(now):
            held = now
    return out


@kernel("float64[:,::1](int64[::1], float64[::1], int64)")
def bucket_sums(bucket: Integers, values: Floats, buckets: int) -> Floats:
    """The sum and the number of known values of each bucket; the sum is missing where nothing was known.

    Persons are whole numbers, so the order of the values does not matter, to the last bit. Grid cells are buckets too.
    """
    out = np.zeros((2, buckets))
    for i in range(values.size):
        if not math.isnan(values[i]):
            out[0, bucket[i]] += values[i]
            out[1, bucket[i]] += 1.0
    for b in range(buckets):
        if out[1, b] == 0.0:
            out[0, b] = np.nan
    return out
