"""Obvious twins of agent/kernels/stays.py (deconvolution), shares.py, expected.py and zones.py (flow, heat)."""

import statistics
from math import isnan, lgamma, log, nan, sqrt

import numpy as np


def stay_distribution(entered, left, edges, rounds):
    reach, bins = edges[-1], len(edges) - 1
    past = {
        t: [np.mean([entered[t - s] for s in range(edges[b], edges[b + 1])]) for b in range(bins)]
        for t in range(reach, len(left))
        if not isnan(left[t]) and not any(isnan(entered[t - s]) for s in range(reach))
    }
    shares = [1 / bins] * bins
    for _ in range(rounds):
        told = {
            t: left[t] / e for t, a in past.items() if (e := sum(x * f for x, f in zip(a, shares, strict=True))) > 0
        }
        shares = [
            f * sum(past[t][b] * told[t] for t in told) / sum(a[b] for a in past.values()) for b, f in enumerate(shares)
        ]
    return shares


def share_with_interval(hits, trials, z, fewest):
    out = []
    for x, n in zip(hits, trials, strict=True):
        if isnan(x) or not n >= fewest:
            out.append((nan, nan, nan))
            continue
        # The bounds are the shares p whose score (x/n - p)/sqrt(p(1-p)/n) is ±z.
        a, b, c = n + z * z, -(2 * x + z * z), x * x / n
        root = sqrt(max(0, b * b - 4 * a * c))
        out.append((x / n, max(0, (-b - root) / (2 * a)), min(1, (-b + root) / (2 * a))))
    return list(zip(*out, strict=True))


def completeness(values, expected, width):
    out = []
    for i in range(0, len(values), width):
        slots = [(v, e) for v, e in zip(values[i : i + width], expected[i : i + width], strict=True) if not isnan(e)]
        whole = sum(e for _, e in slots)
        out.append(sum(e for v, e in slots if not isnan(v)) / whole if whole > 0 else nan)
    return out


def slot_baseline(history, weight):
    told = [[v for v in column if not isnan(v)] for column in zip(*history, strict=True)]
    median = [statistics.median(t) if t else nan for t in told]
    mean = []
    for s, t in enumerate(told):
        around = [m for m in (median[s - 1], median[(s + 1) % len(told)]) if not isnan(m)]
        if not around:
            mean.append(median[s])
        else:
            pull = weight if t else 1
            mean.append((sum([median[s]] * len(t)) + pull * statistics.fmean(around)) / (len(t) + pull))
    terms = [
        (m * m, (v - m) ** 2 * len(t) / (len(t) - 1) - m)
        for m, t in zip(median, told, strict=True)
        for v in t
        if len(t) > 1
    ]
    square, excess = sum(a for a, _ in terms), sum(b for _, b in terms)
    r = min(1e6, max(0.1, square / excess)) if excess > 0 and square > 0 else 1e6
    return [mean, [r] * len(told)]


def log_negative_binomial(k, mean, r):
    return lgamma(k + r) - lgamma(r) - lgamma(k + 1) + r * log(r / (r + mean)) + k * log(mean / (r + mean))


def episodes(counts, expected, dispersion, persistence, lift, start):
    leave = (1 - persistence) / 2
    step = np.full((3, 3), leave) + np.eye(3) * (persistence - leave)
    state, out = np.array(start, float), []
    for k, mean in zip(counts, expected, strict=True):
        state = step @ state
        if not isnan(k) and mean > 0:
            state *= [np.exp(log_negative_binomial(k, m, dispersion)) for m in (mean, mean * lift, mean / lift)]
        state /= state.sum()
        out.append(state)
    return np.transpose(out)


def silence(counts, expected, dispersion, start):
    told, out = start, []
    for k, mean in zip(counts, expected, strict=True):
        if k > 0:
            told = 0.0
        elif k == 0 and mean > 0:
            told += log_negative_binomial(0, mean, dispersion)
        out.append(told)
    return out


def flow_matrix(present, entered, allowed, rounds):
    """Projected gradient on the same sum of squares, a different road to the only minimum there is."""
    zones = len(allowed)
    pairs = [
        (present[t], present[t + 1] - entered[t])
        for t in range(len(present) - 1)
        if not np.isnan([*present[t], *present[t + 1], *entered[t]]).any()
    ]
    before, after = np.array([b for b, _ in pairs]), np.array([a for _, a in pairs])
    out = np.zeros((zones, zones))
    for j in range(zones):
        weighted = before.T / (1 + before[:, j])
        normal, right = weighted @ before, weighted @ after[:, j]
        step, column = 1 / np.linalg.eigvalsh(normal)[-1], np.zeros(zones)
        for _ in range(10 * rounds):
            column = np.clip(column - step * (normal @ column - right), 0, 1) * (np.array(allowed)[:, j] > 0)
        out[:, j] = column
    return out / np.maximum(1, out.sum(axis=1))[:, None]


def bottleneck(inflow, outflow, slack, start):
    """A cumulative sum that is never below zero is the walk less its lowest point so far."""
    walk, lowest, out = start, 0.0, []
    for a, b in zip(inflow, outflow, strict=True):
        walk += 0.0 if isnan(a - b) else a - b - slack
        lowest = min(lowest, walk)
        out.append(walk - lowest)
    return out


def heat(values, slot, slots):
    told = [
        [[v for v, s in zip(row, slot, strict=True) if s == k and not isnan(v)] for k in range(slots)] for row in values
    ]
    return [[sum(t) if t else nan for t in row] for row in told]
