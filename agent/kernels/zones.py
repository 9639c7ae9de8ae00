"""Areas: who is in them by the lines around, who goes from one to the other, where it jams, where the time is spent.

Flow: n(t+1) - entries = Pᵀ n(t) + noise, least squares conditional on n(t) (Lee, Judge, Zellner 1970).
Jam: Page's cumulative sum (1954).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats, Integers


@kernel("float64[:,::1](float64[:,::1], float64[:,::1], float64[::1])")
def zone_balance(counts: Floats, effects: Floats, start: Floats) -> Floats:
    """Persons in each zone after each step, never below zero: `effects` says how a count (row) moves a zone.

    Only for zones whose whole border is counted. A missing count is no movement of the zones it touches. One zone after
    the other: the sums of a zone are then plain vectors. With the zones inside the loop over time it takes three times
    as long.
    """
    zones, steps = effects.shape[0], counts.shape[1]
    out = np.zeros((zones, steps))
    for z in range(zones):
        for c in range(counts.shape[0]):
            effect = effects[z, c]
            if effect != 0.0:
                for i in range(steps):
                    out[z, i] += effect * counts[c, i]
        inside = start[z]
        for i in range(steps):
            if not math.isnan(out[z, i]):
                inside = max(0.0, inside + out[z, i])
            out[z, i] = inside
    return out


@kernel("float64[:,::1](float64[:,::1], float64[:,::1], float64[:,::1], int64)")
def flow_matrix(present: Floats, entered: Floats, allowed: Floats, rounds: int) -> Floats:
    """Share of those in a zone (row) that is in each zone (column) a step later; what a row lacks to 1 went out.

    `present` and `entered` have a row a step: persons at its start, and persons who came in from outside during it.
    Non-negative least squares by coordinate descent on the normal equations (1,000 rounds at most for 1e-9);
    `allowed` 0 keeps a pair at zero. Steps count with weight 1/(1+persons there), since more people mean more noise. A
    gap breaks the pair of steps it is in.
    """
    zones = present.shape[1]
    out = np.zeros((zones, zones))
    normal = np.zeros((zones, zones, zones))
    right = np.zeros((zones, zones))
    for t in range(present.shape[0] - 1):
        gap = False
        for k in range(zones):
            gap = gap or math.isnan(present[t, k]) or math.isnan(present[t + 1, k]) or math.isnan(entered[t, k])
        if gap:
            continue
        for j in range(zones):
            weight = 1.0 / (1.0 + present[t, j])
            target = present[t + 1, j] - entered[t, j]
            for i in range(zones):
                weighted = weight * present[t, i]
                right[j, i] += weighted * target
                for k in range(zones):
                    normal[j, i, k] += weighted * present[t, k]
    for j in range(zones):
        for _ in range(rounds):
            moved = 0.0
            for i in range(zones):
                if allowed[i, j] > 0.0 and normal[j, i, i] > 0.0:
                    off = right[j, i]
                    for k in range(zones):
                        off -= normal[j, i, k] * out[k, j]
                    share = min(1.0, max(0.0, out[i, j] + off / normal[j, i, i]))
                    moved = max(moved, abs(share - out[i, j]))
                    out[i, j] = share
            if moved < 1e-12:
                break
    for i in range(zones):
        total = 0.0
        for j in range(zones):
            total += out[i, j]
        if total > 1.0:
            for j in range(zones):
                out[i, j] /= total
    return out


@kernel("float64[::1](float64[::1], float64[::1], float64, float64)")
def bottleneck(inflow: Floats, outflow: Floats, slack: float, start: float) -> Floats:
    """How far inflow has outrun outflow beyond `slack` a step since it last did not; a jam where it stays high."""
    out = np.empty_like(inflow)
    piled = start
    for i in range(inflow.size):
        step = inflow[i] - outflow[i]
        if not math.isnan(step):
            piled = max(0.0, piled + (step - slack))  # without the parentheses each step waits for two sums, not one
        out[i] = piled
    return out


@kernel("float64[:,::1](float64[:,::1], int64[::1], int64)")
def heat(values: Floats, slot: Integers, slots: int) -> Floats:
    """Sum of each place (row) in each slot of the day (column); missing where the place told nothing in that slot."""
    places = values.shape[0]
    out = np.full((places, slots), np.nan)
    for p in range(places):
        for i in range(values.shape[1]):
            if not math.isnan(values[p, i]):
                so_far = out[p, slot[i]]
                out[p, slot[i]] = values[p, i] if math.isnan(so_far) else so_far + values[p, i]
    return out
