"""How a device with a wall clock cuts time: rows of an hour or less, named by what its clock shows at their start."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import utc_of
from agent.simulator.installation import Fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

MOST_ROWS = 10_000  # more than a year of hours; no question makes a larger answer
_ONCE = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock


class Run(NamedTuple):
    """A stretch of UTC seconds in which the clock shows times of one row, and is not set."""

    local: datetime
    start: int
    end: int


class Bucket(NamedTuple):
    """One row of the device: its local text and the runs that it adds up; more than one where the clock was set."""

    local: datetime
    runs: Sequence[Run]


def buckets(
    since: datetime, until: datetime, step: timedelta, zone: ZoneInfo, fold: Fold, shown: float
) -> list[Bucket]:
    """The rows that touch [since, until] of the wall clock, oldest first, when the device's own clock shows `shown`.

    No device tells of the second pass of a repeated hour before that has begun.
    """
    first = since - (since - _ONCE) % step
    # A time that the clock leaves out has two places in UTC, one on each side of the turn.
    start = min(utc_of(first, zone), utc_of(first, zone, fold=1))
    end = max(utc_of(until, zone), utc_of(until, zone, fold=1)) + 1
    named: dict[datetime, list[Run]] = {}
    for run in _runs(start, end, step, zone):
        if first <= run.local <= until:
            named.setdefault(run.local, []).append(run)
    found = [bucket for local, runs in named.items() for bucket in _folded(Bucket(local, runs), step, fold, shown)]
    return sorted(found, key=lambda bucket: (bucket.runs[0].start, bucket.local))


def _folded(bucket: Bucket, step: timedelta, fold: Fold, shown: float) -> Iterator[Bucket]:
    local, runs = bucket
    if fold is Fold.MERGED or sum(run.end - run.start for run in runs) <= step.total_seconds():
        yield bucket
        return
    begun = [run for run in runs if run.start <= shown] or runs[:1]
    for run in begun if fold is Fold.TWICE else begun[-1:]:
        yield Bucket(local, (run,))


def _runs(start: int, end: int, step: timedelta, zone: ZoneInfo) -> Iterator[Run]:
    """[start, end) cut where the wall clock comes to a whole step and where it is set."""
    length = int(step.total_seconds())
    for _ in range(MOST_ROWS):
        if start >= end:
            return
        offset = offset_at(start, zone)
        wall = start + offset
        whole = wall // length * length
        last = whole + length - offset
        if offset_at(last - 1, zone) != offset:
            last = _turn(start, last, zone)
        yield Run(_ONCE + timedelta(seconds=whole), start, last)
        start = last


def offset_at(moment: float, zone: ZoneInfo) -> int:
    """Seconds east of UTC."""
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _turn(early: int, late: int, zone: ZoneInfo) -> int:
    """The first moment after `early` that has another offset."""
    before = offset_at(early, zone)
    while late - early > 1:
        middle = (early + late) // 2
        early, late = (middle, late) if offset_at(middle, zone) == before else (early, middle)
    return late
