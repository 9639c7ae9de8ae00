"""Where people are and where they jam: person-seconds by place and hour, and what piles up in a zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.contract.times import MINUTE
from agent.kernels.zones import bottleneck, heat
from agent.metrics.measures import Estimate, present_told, regions, sum_of, told_of

if TYPE_CHECKING:
    from agent.metrics.day import Day

SLACK = 0.5  # persons a minute by which a zone may fill without being a jam
LOOK_BACK = 60  # minutes: what piled up before has long been served or is somebody else's crowd


def person_seconds(day: Day, scope: str, first: int, last: int) -> Estimate:
    """Heat: time that all persons together spent there; as devices tell it, else from who was there each minute."""
    if scope != "store":
        rows = regions(day, scope, "person_seconds")
        if rows.size:
            return Estimate(sum_of(day.counts[rows, first:last]), told_of(day, rows, first, last))
    inside = np.ascontiguousarray(day.areas[scope].inside[None, first:last]) * MINUTE
    return Estimate(
        float(heat(inside, np.zeros(last - first, np.int64), 1)[0, 0]), present_told(day, scope, first, last)
    )


def staffed(day: Day, now: float) -> dict[tuple[str, str], Estimate]:
    """Staff in each zone as entered last, by (metric, place): it holds until the next entry, or the day's end."""
    newest = {place: max((at for at in told if at <= now), default=None) for place, told in day.staff.items()}
    return {
        ("staff", place): Estimate(day.staff[place][at], 1.0)
        for place, at in newest.items()
        if at is not None and not np.isnan(day.staff[place][at])
    }


def piled_up(day: Day, scope: str, _first: int, last: int) -> Estimate:
    """Persons by which those who came in have outrun those who left, beyond what a zone takes in its stride."""
    area, since = day.areas[scope], max(0, last - LOOK_BACK)
    told = min(float(area.inward.told[since:last].mean()), float(area.outward.told[since:last].mean()))
    return Estimate(
        float(bottleneck(area.inward.persons[since:last], area.outward.persons[since:last], SLACK, 0.0)[-1]), told
    )


def piled_up_now(day: Day, scope: str, at: int) -> Estimate:
    """The same up to the minute that runs."""
    return piled_up(day, scope, at, at + 1)
