"""What a counter should say now, and whether it is news: negative-binomial baseline, episodes, silence.

Counts spread more than Poisson's: a 90 % interval of Poisson held 42 % (metrics). Variance is μ + μ²/r here.
Episodes: Ihler, Hutchins, Smyth (KDD 2006). A state scales μ, and the binomial coefficient cancels between states, so
the likelihood ratio is exact without a gamma function; randomised residuals, the usual way, would need a random number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats


@kernel("float64[:,::1](float64[:,::1], float64)")
def slot_baseline(history: Floats, weight: float) -> Floats:
    """Expected count of each slot and the dispersion r (the same in each column), from weeks (rows) of slots (columns).

    The median of the weeks is drawn towards its neighbours' with a weight of `weight` weeks; r is by moments over all
    slots, where a slot's own weeks pull its median and n/(n-1) gives that back. Where nothing spreads, r is 1e6.
    """
    weeks, slots = history.shape
    out = np.full((2, slots), np.nan)
    medians = np.full(slots, np.nan)
    counts = np.zeros(slots)
    known = np.empty(weeks)
    for s in range(slots):
        n = 0
        for w in range(weeks):
            if not math.isnan(history[w, s]):
                at = n  # insertion keeps a handful of weeks in order in half the time of np.sort
                while at > 0 and known[at - 1] > history[w, s]:
                    known[at] = known[at - 1]
                    at -= 1
                known[at] = history[w, s]
                n += 1
        counts[s] = n
        if n:
            medians[s] = 0.5 * (known[(n - 1) // 2] + known[n // 2])
    square, excess = 0.0, 0.0
    for s in range(slots):
        total, around = 0.0, 0
        for other in ((s - 1) % slots, (s + 1) % slots):
            if not math.isnan(medians[other]):
                total += medians[other]
                around += 1
        if around and counts[s]:
            out[0, s] = (counts[s] * medians[s] + weight * total / around) / (counts[s] + weight)
        elif around:
            out[0, s] = total / around
        else:
            out[0, s] = medians[s]
        if counts[s] > 1.0:
            stretch = counts[s] / (counts[s] - 1.0)
            for w in range(weeks):
                if not math.isnan(history[w, s]):
                    off = history[w, s] - medians[s]
                    square += medians[s] * medians[s]
                    excess += off * off * stretch - medians[s]
    out[1, :] = min(1e6, max(0.1, square / excess)) if excess > 0.0 and square > 0.0 else 1e6
    return out


@kernel("float64[:,::1](float64[::1], float64[::1], float64, float64, float64, float64[::1])")
def episodes(
    counts: Floats, expected: Floats, dispersion: float, persistence: float, lift: float, start: Floats
) -> Floats:
    """Probability that things are normal, high (`lift` times what is expected) or low (a `lift`-th), at each step.

    A hidden Markov filter: a state stays with probability `persistence`; a missing count tells nothing.
    """
    out = np.empty((3, counts.size))
    state = start.copy()
    seen = np.empty(3)
    leave = 0.5 * (1.0 - persistence)
    for i in range(counts.size):
        total = state[0] + state[1] + state[2]
        for s in range(3):
            state[s] = persistence * state[s] + leave * (total - state[s])
        if not math.isnan(counts[i]) and expected[i] > 0.0:
            most = -np.inf
            for s in range(3):
                mean = expected[i] * lift if s == 1 else (expected[i] / lift if s == 2 else expected[i])
                spread = math.log(dispersion + mean)
                seen[s] = counts[i] * (math.log(mean) - spread) - dispersion * spread
                most = max(most, seen[s])
            for s in range(3):
                state[s] *= math.exp(seen[s] - most)
        total = state[0] + state[1] + state[2]
        for s in range(3):
            state[s] /= total
            out[s, i] = state[s]
    return out


@kernel("float64[::1](float64[::1], float64[::1], float64, float64)")
def silence(counts: Floats, expected: Floats, dispersion: float, start: float) -> Floats:
    """Logarithm of the probability that a working sensor counted nobody since it last counted: Σ r·ln(r/(r+μ)).

    An alarm at ln(1e-6) comes after about 14 expected visitors: minutes at noon, hours at night. A step that was not
    observed is no silence.
    """
    out = np.empty_like(counts)
    told = start
    for i in range(counts.size):
        if counts[i] > 0.0:
            told = 0.0
        elif not math.isnan(counts[i]) and expected[i] > 0.0:
            told -= dispersion * math.log1p(expected[i] / dispersion)
        out[i] = told
    return out
