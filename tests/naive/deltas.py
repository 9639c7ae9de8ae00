"""Obvious twins of agent/kernels/deltas.py."""

from math import isnan, nan


def growth(readings, before):
    gains, resets = [], []
    for i, now in enumerate(readings):
        known = [x for x in [before, *readings[:i]] if not isnan(x)]
        fell = bool(known) and now < known[-1]
        gains.append(nan if not known or isnan(now) else now if fell else now - known[-1])
        resets.append(float(fell))
    return [gains, resets]


def bucket_sums(bucket, values, buckets):
    told = [[v for b, v in zip(bucket, values, strict=True) if b == k and not isnan(v)] for k in range(buckets)]
    return [[sum(t) if t else nan for t in told], [len(t) for t in told]]
