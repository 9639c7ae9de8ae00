"""Percentiles of windows, interpolated between order statistics (Hyndman and Fan's type 7, as numpy does)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats


@kernel("float64[:,::1](float64[::1], int64, float64[::1])")
def tumbling_percentiles(values: Floats, width: int, shares: Floats) -> Floats:
    """A row for each share (0 to 1), a column for each window of `width`, over the values known in it."""
    windows = (values.size + width - 1) // width
    out = np.full((shares.size, windows), np.nan)
    known = np.empty(width)
    for w in range(windows):
        count = 0
        for i in range(w * width, min(values.size, (w + 1) * width)):
            if not math.isnan(values[i]):
                known[count] = values[i]
                count += 1
        if count:
            ordered = np.sort(known[:count])
            for s in range(shares.size):
                place = (count - 1) * shares[s]
                low = int(place)
                high = min(low + 1, count - 1)
                out[s, w] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return out


@kernel("float64[::1](float64[::1], int64, float64)")
def sliding_percentile(values: Floats, width: int, share: float) -> Floats:
    """A percentile of the last `width` values at each step; they are kept in order, one goes and one comes."""
    out = np.full(values.size, np.nan)
    ordered = np.empty(width)
    count = 0
    for i in range(values.size):
        if i >= width and not math.isnan(values[i - width]):
            at = 0
            while ordered[at] < values[i - width]:
                at += 1
            count -= 1
            for j in range(at, count):
                ordered[j] = ordered[j + 1]
        if not math.isnan(values[i]):
            at = count
            while at > 0 and ordered[at - 1] > values[i]:
                ordered[at] = ordered[at - 1]
                at -= 1
            ordered[at] = values[i]
            count += 1
        if count:
            place = (count - 1) * share
            low = int(place)
            high = min(low + 1, count - 1)
            out[i] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return out
