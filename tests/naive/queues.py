"""Obvious twins of agent/kernels/queues.py, and of stays.py where it is one line."""

from math import exp, factorial, isnan, nan


def serving_rate(length, left, prior, width, weight):
    out = []
    for i in range(len(length)):
        window = range(max(0, i - width + 1), i + 1)
        busy = [j for j in window if length[j] > 0 and not isnan(left[j])]
        out.append((sum(left[j] for j in busy) + weight * prior[i]) / (len(busy) + weight))
    return out


def erlang_tail(stages, x):
    return exp(-x) * sum(x**k / factorial(k) for k in range(stages))


def erlang_quantile(stages, share):
    low, high = 0.0, 400.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - erlang_tail(stages, middle) < share else (low, middle)
    return middle


def wait_now(length, rate, shares):
    good = [not isnan(q) and mu > 0 for q, mu in zip(length, rate, strict=True)]
    mean = [(q + 0.5) / mu if ok else nan for ok, q, mu in zip(good, length, rate, strict=True)]
    rows = [
        [erlang_quantile(int(q) + 1, s) / mu if ok else nan for ok, q, mu in zip(good, length, rate, strict=True)]
        for s in shares
    ]
    return [mean, *rows]


def abandoned_share(joined, served, lag, width):
    out = []
    for i in range(len(joined)):
        pairs = [(joined[j - lag], served[j]) for j in range(max(lag, i - width + 1), i + 1)]
        pairs = [(came, got) for came, got in pairs if not isnan(came + got)]
        came = sum(c for c, _ in pairs)
        out.append(max(0.0, 1 - sum(g for _, g in pairs) / came) if came > 0 and i - width >= lag - 1 else nan)
    return out


def waits(c, a):
    top = a**c / factorial(c) * c / (c - a)
    return top / (sum(a**k / factorial(k) for k in range(c)) + top)


def erlang_c(lanes, load):
    ok = [0 < a < c for c, a in zip(lanes, load, strict=True)]
    pairs = [(int(c), a) for c, a in zip(lanes, load, strict=True)]
    chance = [waits(c, a) if good else nan for good, (c, a) in zip(ok, pairs, strict=True)]
    return [
        chance,
        [p * a / (c - a) for p, (c, a) in zip(chance, pairs, strict=True)],
        [p / (c - a) for p, (c, a) in zip(chance, pairs, strict=True)],
    ]


def lanes_needed(arrivals, rate, patience, level, most, hold):
    def needed(now):
        enough = [c for c in range(1, most + 1) if c > now / rate]
        return next((c for c in enough if waits(c, now / rate) * exp(-(c * rate - now) * patience) <= 1 - level), most)

    opened, lower, out = 0, [], []
    for now in arrivals:
        if isnan(now):
            out.append(opened or nan)
            continue
        want = needed(now)
        lower = [*lower, want] if want < opened else []
        if want >= opened:
            opened = want
        elif len(lower) >= hold:
            opened, lower = max(lower), []
        out.append(opened)
    return out


def mean_stay(present, passed, seconds, width):
    out = []
    for i in range(0, len(present), width):
        both = zip(present[i : i + width], passed[i : i + width], strict=True)
        told = [(n, p) for n, p in both if not isnan(n + p)]
        persons = sum(p for _, p in told)
        out.append(sum(n for n, _ in told) * seconds / persons if persons > 0 else nan)
    return out


def stay_per_visit(person_seconds, visits, longest):
    stays = [s / v if v > 0 else nan for s, v in zip(person_seconds, visits, strict=True)]
    return [stay if stay <= longest else nan for stay in stays]
