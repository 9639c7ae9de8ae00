"""Tumbling, sliding and session windows: count, sum, mean, extremes, standard deviation of the values known in each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats


@kernel("float64[:,::1](float64[::1], int64)")
def tumbling(values: Floats, width: int) -> Floats:
    """Of each window of `width`: count, sum, mean, least, greatest, sample standard deviation (two passes)."""
    windows = (values.size + width - 1) // width
    out = np.full((6, windows), np.nan)
    for w in range(windows):
        count, total, least, greatest = 0, 0.0, np.inf, -np.inf
        end = min(values.size, (w + 1) * width)
        for i in range(w * width, end):
            value = values[i]
            if not math.isnan(value):
                count += 1
                total += value
                least = min(least, value)
                greatest = max(greatest, value)
        out[0, w] = count
        if count:
            mean = total / count
            out[1, w], out[2, w], out[3, w], out[4, w] = total, mean, least, greatest
            squares = 0.0
            for i in range(w * width, end):
                if not math.isnan(values[i]):
                    squares += (values[i] - mean) * (values[i] - mean)
            if count > 1:
                out[5, w] = math.sqrt(squares / (count - 1))
    return out


@kernel("float64[:,::1](float64[::1], int64)")
def sliding(values: Floats, width: int) -> Floats:
    """Of the last `width` values at each step: count, sum, mean, sample standard deviation.

    Sums run along about a pivot and are taken afresh every `width` steps: O(n), and rounding cannot pile up over a
    year. Without the pivot the squares lose eight digits at a mean of 10,000; a whole one keeps sums of persons exact.
    """
    out = np.full((4, values.size), np.nan)
    count, pivot, total, squares = 0, 0.0, 0.0, 0.0
    for i in range(values.size):
        if i % width == 0:
            first = max(0, i - width + 1)
            count, pivot, total, squares = 0, 0.0, 0.0, 0.0
            for j in range(first, i):
                if not math.isnan(values[j]):
                    count += 1
                    pivot += values[j]
            pivot = float(math.floor(pivot / count)) if count else 0.0
            for j in range(first, i):
                if not math.isnan(values[j]):
                    total += values[j] - pivot
                    squares += (values[j] - pivot) * (values[j] - pivot)
        elif i >= width and not math.isnan(values[i - width]):
            gone = values[i - width] - pivot
            count -= 1
            total -= gone
            squares -= gone * gone
        if not math.isnan(values[i]):
            came = values[i] - pivot
            count += 1
            total += came
            squares += came * came
        out[0, i] = count
        if count:
            out[1, i] = count * pivot + total
            out[2, i] = pivot + total / count
            if count > 1:
                out[3, i] = math.sqrt(max(0.0, squares - total * total / count) / (count - 1))
    return out


@kernel("float64[:,::1](float64[::1], int64)")
def sliding_extremes(values: Floats, width: int) -> Floats:
    """The least and the greatest of the last `width` values at each step, by monotonic queues: O(n) for any width."""
    out = np.full((2, values.size), np.nan)
    queue = np.empty(values.size, np.int64)
    for row in range(2):
        sign = 1.0 if row == 0 else -1.0
        head, tail = 0, 0
        for i in range(values.size):
            if not math.isnan(values[i]):
                while tail > head and sign * values[queue[tail - 1]] >= sign * values[i]:
                    tail -= 1
                queue[tail] = i
                tail += 1
            if tail > head and queue[head] <= i - width:
                head += 1
            if tail > head:
                out[row, i] = values[queue[head]]
    return out


@kernel("float64[:,::1](float64[::1], int64)")
def sessions(values: Floats, idle: int) -> Floats:
    """Runs of activity that `idle` steps without anybody end: first step, length, sum, peak of each, in columns.

    A missing step is no activity, and no proof of the end either: it does not count as idle.
    """
    out = np.zeros((4, values.size))
    found, quiet, is_open = 0, 0, False
    for i in range(values.size):
        value = values[i]
        if value > 0.0:
            if not is_open:
                out[0, found] = i
                is_open = True
                found += 1
            quiet = 0
            out[1, found - 1] = i + 1 - out[0, found - 1]
            out[2, found - 1] += value
            out[3, found - 1] = max(out[3, found - 1], value)
        elif is_open and not math.isnan(value):
            quiet += 1
            is_open = quiet < idle
    return out[:, :found].copy()
