"""How long people stay, without knowing anybody: Little's law, a device's person-seconds, and deconvolution.

Deconvolution: D(t) = Σ A(t-s) f(s) with Poisson noise, by expectation maximisation (Richardson 1972, Lucy 1974).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats, Integers


@kernel("float64[::1](float64[::1], float64[::1], float64, int64)")
def mean_stay(present: Floats, passed: Floats, seconds: float, width: int) -> Floats:
    """∫N dt over the number that passed, by windows of `width`: a queue's wait per person left, a visit per entered.

    Only steps in which both are known; missing where nobody passed. Over less than three stays it is biased (metrics).
    """
    windows = (present.size + width - 1) // width
    out = np.full(windows, np.nan)
    for w in range(windows):
        total, persons = 0.0, 0.0
        for i in range(w * width, min(present.size, (w + 1) * width)):
            if not (math.isnan(present[i]) or math.isnan(passed[i])):
                total += present[i]
                persons += passed[i]
        if persons > 0.0:
            out[w] = total * seconds / persons
    return out


@kernel("float64[::1](float64[::1], float64[::1], float64)")
def stay_per_visit(person_seconds: Floats, visits: Floats, longest: float) -> Floats:
    """Seconds a visit; missing without visits, and where it is above `longest`, which no interval can hold."""
    out = np.full(visits.size, np.nan)
    for i in range(visits.size):
        if visits[i] > 0.0:
            stay = person_seconds[i] / visits[i]
            if stay <= longest:
                out[i] = stay
    return out


@kernel("float64[::1](float64[::1], float64[::1], int64[::1], int64)")
def stay_distribution(entered: Floats, left: Floats, edges: Integers, rounds: int) -> Floats:
    """The share of those who entered that stays from edges[b] up to edges[b+1] steps, for each b.

    The shares add up to the ratio of left to entered. Steps whose past has a gap are left out. O(n · bins · rounds).
    """
    bins, reach, steps = edges.size - 1, edges[-1], entered.size
    came = np.zeros(steps + 1)
    holes = np.zeros(steps + 1)
    for i in range(steps):
        gap = math.isnan(entered[i])
        came[i + 1] = came[i] + (0.0 if gap else entered[i])
        holes[i + 1] = holes[i] + gap
    usable = np.empty(steps, np.int64)
    uses = 0
    for t in range(reach, steps):
        known = not math.isnan(left[t]) and holes[t + 1] == holes[t + 1 - reach]
        if known and came[t + 1] > came[t + 1 - reach]:  # at night nobody is left who could leave: half of all steps
            usable[uses] = t
            uses += 1
    earlier = np.empty((uses, bins))  # persons a step who came so long ago
    weight = np.zeros(bins)
    for u in range(uses):
        for b in range(bins):
            width = edges[b + 1] - edges[b]
            earlier[u, b] = (came[usable[u] + 1 - edges[b]] - came[usable[u] + 1 - edges[b + 1]]) / width
            weight[b] += earlier[u, b]
    shares = np.full(bins, 1.0 / bins)
    gained = np.empty(bins)
    for _ in range(rounds):
        gained[:] = 0.0
        for u in range(uses):
            expected = 0.0
            for b in range(bins):
                expected += earlier[u, b] * shares[b]
            if expected > 0.0:
                told = left[usable[u]] / expected
                for b in range(bins):
                    gained[b] += earlier[u, b] * told
        for b in range(bins):
            shares[b] = shares[b] * gained[b] / weight[b] if weight[b] > 0.0 else np.nan
    return shares
