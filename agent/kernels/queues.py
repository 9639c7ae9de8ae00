"""Queues: service rate, wait now, abandonment, and how many lanes (Erlang 1917; Cooper, Introduction to Queueing)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from agent.kernels.registry import Floats


@kernel("float64[::1](float64[::1], float64[::1], float64[::1], int64, float64)")
def serving_rate(length: Floats, left: Floats, prior: Floats, width: int, weight: float) -> Floats:
    """Persons served a step, from the last `width` steps in which somebody waited, and `weight` steps of the prior.

    `length` is the queue at each step's start. An idle till serves nobody: its steps say nothing about its speed.
    """
    out = np.empty_like(length)
    busy, served = 0, 0.0
    for i in range(length.size):
        gone = i - width
        if gone >= 0 and length[gone] > 0.0 and not math.isnan(left[gone]):
            busy -= 1
            served -= left[gone]
        if length[i] > 0.0 and not math.isnan(left[i]):
            busy += 1
            served += left[i]
        out[i] = (served + weight * prior[i]) / (busy + weight)
    return out


@kernel("float64[:,::1](float64[::1], float64[::1], float64[::1])")
def wait_now(length: Floats, rate: Floats, shares: Floats) -> Floats:
    """The wait in steps of one who joins now: expected (Q+½)/μ, then a row a share from Erlang(Q+1, μ).

    The tail sum begins at its largest term and is scaled by it in logarithms, so that a queue of 1,000 does not
    underflow; the root is bracketed and bisected 60 times, which is exact to the last bits.
    """
    out = np.full((1 + shares.size, length.size), np.nan)
    for i in range(length.size):
        if math.isnan(length[i]) or not rate[i] > 0.0:
            continue
        out[0, i] = (length[i] + 0.5) / rate[i]
        stages = int(length[i]) + 1
        factorial = 0.0
        for k in range(2, stages):
            factorial += math.log(k)
        for s in range(shares.size):
            low, high = 0.0, stages + 12.0 * math.sqrt(stages) + 40.0
            for _ in range(60):
                x = 0.5 * (low + high)
                term, tail = 1.0, 1.0
                for k in range(stages - 1, 0, -1):
                    term *= k / x
                    tail += term
                if 1.0 - math.exp((stages - 1) * math.log(x) - x - factorial) * tail < shares[s]:
                    low = x
                else:
                    high = x
            out[1 + s, i] = 0.5 * (low + high) / rate[i]
    return out


@kernel("float64[::1](float64[::1], float64[::1], int64, int64)")
def abandoned_share(joined: Floats, served: Floats, lag: int, width: int) -> Floats:
    """The share of those who joined in `width` steps that was not served `lag` steps (the wait) later; never below 0.

    A step counts only where both are known.
    """
    out = np.full(joined.size, np.nan)
    came, got = 0.0, 0.0
    for i in range(lag, joined.size):
        if not (math.isnan(joined[i - lag]) or math.isnan(served[i])):
            came += joined[i - lag]
            got += served[i]
        gone = i - width
        if gone >= lag and not (math.isnan(joined[gone - lag]) or math.isnan(served[gone])):
            came -= joined[gone - lag]
            got -= served[gone]
        if came > 0.0 and gone >= lag - 1:
            out[i] = max(0.0, 1.0 - got / came)
    return out


@kernel("float64[:,::1](float64[::1], float64[::1])")
def erlang_c(lanes: Floats, load: Floats) -> Floats:
    """Probability of waiting, mean queue and mean wait in service times, for `load` erlangs on so many lanes.

    By the recursion for Erlang B, which neither over- nor underflows; missing where the load is not below the lanes.
    """
    out = np.full((3, lanes.size), np.nan)
    for i in range(lanes.size):
        servers, offered = int(lanes[i]), load[i]
        if not 0.0 < offered < servers:
            continue
        blocked = 1.0
        for k in range(1, servers + 1):
            blocked = offered * blocked / (k + offered * blocked)
        waits = blocked / (1.0 - offered / servers * (1.0 - blocked))
        out[0, i] = waits
        out[1, i] = waits * offered / (servers - offered)
        out[2, i] = waits / (servers - offered)
    return out


@kernel("float64[::1](float64[::1], float64, float64, float64, int64, int64)")
def lanes_needed(arrivals: Floats, rate: float, patience: float, level: float, most: int, hold: int) -> Floats:
    """The fewest lanes at which a share `level` waits at most `patience` steps; fewer only after `hold` steps in a row.

    `arrivals` a step (an upper quantile of the forecast), `rate` served a step and lane; `most` where none suffices.
    """
    out = np.full(arrivals.size, np.nan)
    opened, below, wanted = 0, 0, 0
    for i in range(arrivals.size):
        if math.isnan(arrivals[i]):
            if opened:
                out[i] = opened
            continue
        offered, blocked, needed = arrivals[i] / rate, 1.0, most
        for k in range(1, most + 1):
            blocked = offered * blocked / (k + offered * blocked)
            if k > offered:
                waits = blocked / (1.0 - offered / k * (1.0 - blocked))
                if waits * math.exp(-(k * rate - arrivals[i]) * patience) <= 1.0 - level:
                    needed = k
                    break
        if needed >= opened:
            opened, below, wanted = needed, 0, 0
        else:
            below += 1
            wanted = max(wanted, needed)
            if below >= hold:
                opened, below, wanted = wanted, 0, 0
        out[i] = opened
    return out
