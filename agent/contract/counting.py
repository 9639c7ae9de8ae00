"""Which origin counts: one value a bucket from rows that tell the same persons twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.observation import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.contract.observation import Observation


class Count(NamedTuple):
    """What a bucket counts: the value (None where nothing was observed) and for how many of its seconds."""

    value: float | None
    observed: int


class Unplaced(NamedTuple):
    """What a finished interval that straddles buckets says beyond its finer rows: shown, never spread."""

    start: int
    end: int
    value: float


def count(rows: Iterable[Observation], buckets: Sequence[tuple[int, int]]) -> tuple[list[Count], list[Unplaced]]:
    """Count one (sensor, place, metric) into disjoint buckets [start, end), ascending.

    A finished `log` interval wins in every bucket it fits in whole. Elsewhere `push` counts, then `live` where there
    is no push; `edge` never counts here. Unconfirmed and withdrawn rows are not observed. Only for metrics that add
    up by sum.
    """
    told = [row for row in rows if row.counted]
    log = [row for row in told if row.origin is Origin.LOG]
    push = [row for row in told if row.origin is Origin.PUSH]
    live = [row for row in told if row.origin is Origin.LIVE and not _covered(row, push)]
    finer = [*push, *live]
    counts = [_count_bucket(bucket, log, finer) for bucket in buckets]
    straddling = [row for row in log if not any(a <= row.start and row.end <= b for a, b in buckets)]
    return counts, [
        Unplaced(row.start, row.end, remainder)
        for row in straddling
        if (remainder := (row.value or 0.0) - sum(f.value or 0.0 for f in finer if _within(f, row.start, row.end)))
    ]


def _count_bucket(bucket: tuple[int, int], log: list[Observation], finer: list[Observation]) -> Count:
    inside = [row for row in log if _within(row, *bucket)]
    inside += [row for row in finer if _within(row, *bucket) and not _covered(row, inside)]
    if not inside:
        return Count(None, 0)
    return Count(sum(row.value or 0.0 for row in inside), sum(row.end - row.start for row in inside))


def _within(row: Observation, start: int, end: int) -> bool:
    return start <= row.start and row.end <= end


def _covered(row: Observation, by: list[Observation]) -> bool:
    return any(row.start < other.end and other.start < row.end for other in by)
