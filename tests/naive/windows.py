"""Obvious twins of agent/kernels/windows.py, percentiles.py and trends.py: every window is looked at afresh."""

import statistics
from math import isnan, nan, sqrt


def known(values):
    return [v for v in values if not isnan(v)]


def tumble(values, width):
    return [known(values[i : i + width]) for i in range(0, len(values), width)]


def slide(values, width):
    return [known(values[max(0, i - width + 1) : i + 1]) for i in range(len(values))]


def tumbling(values, width):
    all_of = tumble(values, width)
    return [
        [len(w) for w in all_of],
        [sum(w) if w else nan for w in all_of],
        [statistics.fmean(w) if w else nan for w in all_of],
        [min(w, default=nan) for w in all_of],
        [max(w, default=nan) for w in all_of],
        [statistics.stdev(w) if len(w) > 1 else nan for w in all_of],
    ]


def sliding(values, width):
    all_of = slide(values, width)
    return [
        [len(w) for w in all_of],
        [sum(w) if w else nan for w in all_of],
        [statistics.fmean(w) if w else nan for w in all_of],
        [statistics.stdev(w) if len(w) > 1 else nan for w in all_of],
    ]


def sliding_extremes(values, width):
    all_of = slide(values, width)
    return [[min(w, default=nan) for w in all_of], [max(w, default=nan) for w in all_of]]


def sessions(values, idle):
    runs, run, quiet = [], None, 0
    for i, value in enumerate(values):
        if value > 0:
            if run is None or quiet >= idle:
                run = []
                runs.append(run)
            run.append((i, value))
            quiet = 0
        elif not isnan(value):
            quiet += 1
    return [
        [run[0][0] for run in runs],
        [run[-1][0] - run[0][0] + 1 for run in runs],
        [sum(v for _, v in run) for run in runs],
        [max(v for _, v in run) for run in runs],
    ]


def percentile(values, share):
    if not values:
        return nan
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    return low + (place - int(place)) * (high - low)


def tumbling_percentiles(values, width, shares):
    return [[percentile(w, share) for w in tumble(values, width)] for share in shares]


def sliding_percentile(values, width, share):
    return [percentile(w, share) for w in slide(values, width)]


def line(points):
    if len(points) < 3:
        return nan, nan
    xs, ys = zip(*points, strict=True)
    slope, intercept = statistics.linear_regression(xs, ys)
    errors = sum((y - slope * x - intercept) ** 2 for x, y in points)
    x_mean = statistics.fmean(xs)
    return slope, sqrt(errors / (len(points) - 2) / sum((x - x_mean) ** 2 for x in xs))


def sliding_slope(values, width):
    points = [(float(i), float(v)) for i, v in enumerate(values)]
    fits = [line([p for p in points[max(0, i - width + 1) : i + 1] if not isnan(p[1])]) for i in range(len(values))]
    return [[slope for slope, _ in fits], [error for _, error in fits]]


def theil_sen(values, z):
    points = [(i, v) for i, v in enumerate(values) if not isnan(v)]
    slopes = sorted((b - a) / (j - i) for n, (j, b) in enumerate(points) for i, a in points[:n])
    n, pairs = len(points), len(slopes)
    spread = z * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = max(0, int((pairs - spread) / 2)), min(pairs - 1, int((pairs + spread) / 2))
    return [statistics.median(slopes), slopes[low], slopes[high]]


def smoothed(values, share, start):
    levels = [start]
    for value in values:
        known_before = not isnan(levels[-1])
        levels.append(
            levels[-1] if isnan(value) else (1 - share) * levels[-1] + share * value if known_before else value
        )
    return levels[1:]
