"""Obvious twins of agent/kernels/occupancy.py and of the balance of zones."""

from math import isnan, nan, sqrt


def occupancy_clamped(entered, left, start):
    inside, out = start, []
    for came, went in zip(entered, left, strict=True):
        inside = inside if isnan(came - went) else max(0.0, inside + came - went)
        out.append(inside)
    return out


def occupancy_calibrated(entered, left, ratio, start):
    return occupancy_clamped([a / sqrt(ratio) for a in entered], [d * sqrt(ratio) for d in left], start)


def door_ratios(entered, left, completeness, forget, prior):
    out = []
    for today in range(len(entered) + 1):
        good = [day for day in range(today) if completeness[day] >= 0.95]
        ages = {day: len(good) - 1 - n for n, day in enumerate(good)}
        came = sum(entered[day] * forget ** ages[day] for day in good)
        went = sum(left[day] * forget ** ages[day] for day in good)
        out.append((came + prior) / (went + prior))
    return out


def occupancy_kalman(entered, left, seen, ratio, share, start, variance, noise):
    x, p, out = start, variance, []
    for came, went, z in zip(entered, left, seen, strict=True):
        gap = isnan(came - went)
        x = x if gap else max(0.0, x + came / sqrt(ratio) - went * sqrt(ratio))
        p = p + noise[1] + (noise[2] if gap else noise[0] * (came + went))
        if not isnan(z):
            r = x * share * (1 - share) + 1
            k = p * share / (share**2 * p + r)
            x, p = max(0.0, x + k * (z - share * x)), (1 - k * share) * p
        out.append((x, p))
    return [[x for x, _ in out], [p for _, p in out]]


def occupancy_reconciled(entered, left):
    both = [(a, d) if not isnan(a - d) else (0, 0) for a, d in zip(entered, left, strict=True)]
    went = sum(d for _, d in both)
    ratio = sum(a for a, _ in both) / went if went else 0.0
    return [max(0.0, sum(a - ratio * d for a, d in both[: i + 1])) for i in range(len(both))]


def presence(occupancy, seconds, capacity):
    told = [v for v in occupancy if not isnan(v)]
    if not told:
        return [nan] * 8
    n, mean = len(told), sum(told) / len(told)
    return [
        sum(told) * seconds,
        mean,
        max(told),
        list(occupancy).index(max(told)),
        n / len(occupancy),
        mean / capacity,
        sum(v > 0 for v in told) / n,
        sum(v >= capacity for v in told) / n,
    ]


def zone_balance(counts, effects, start):
    out = []
    for effect, first in zip(effects, start, strict=True):
        inside, path = first, []
        for now in zip(*counts, strict=True):
            step = sum(e * c for e, c in zip(effect, now, strict=True) if e)
            inside = inside if isnan(step) else max(0.0, inside + step)
            path.append(inside)
        out.append(path)
    return out
