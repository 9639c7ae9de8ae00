"""Which windows of a day are due, and the rows they make: final once every live sensor has told of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from agent.contract.observation import Observation, Origin, Quality
from agent.contract.times import MINUTE
from agent.metrics.catalog import WITHHELD, Estimate, Metric, measured

if TYPE_CHECKING:
    from agent.metrics.day import Day

DEAD = 3 * MINUTE  # a sensor whose newest row is this much older than the store's leaves the watermark
GRACE = 3 * MINUTE  # after which a window is published although a live sensor has not told of it yet, as provisional

Key = tuple[str, str, int]  # metric, place, start


def watermark(day: Day) -> int:
    """Up to when every live sensor has told; the day's start where none has."""
    newest = max(day.newest.values(), default=day.start)
    return min((end for end in day.newest.values() if end > newest - DEAD), default=day.start)


class Windows:
    """A day by windows: what holds now, and the rows that were given out, so that only news is given out again."""

    def __init__(self, day: Day) -> None:
        self._day, self._measured = day, measured(day.layout)
        self._said: dict[Key, tuple[float, Quality]] = {}
        self._final_to: dict[tuple[str, str], int] = {}  # by metric and place: the end of the windows that are final

    def forget(self) -> None:
        """What was given out did not arrive."""
        self._said, self._final_to = {}, {}

    def live(self, now: float) -> dict[tuple[str, str], Estimate]:
        """What holds now, by (metric, place): over the window of whole minutes up to now; states at this minute."""
        minute = self._day.now_index(now)
        found = {}
        for metric, place in self._measured:
            if metric.now is not None:
                estimate = metric.now(self._day, place, minute)
            else:
                first, last = max(0, minute - metric.window // MINUTE), max(1, minute)
                estimate = metric.compute(self._day, place, first, last)
            if not math.isnan(estimate.value):
                found[metric.name, place] = estimate
        return found

    def due(self, now: float, changed_from: int | None) -> list[Observation]:
        """The rows of windows that ended, newly or because minutes from `changed_from` on say something else.

        Windows count from the day's start, so that a zone of 45 minutes' offset has whole ones.
        """
        day, rows = self._day, []
        told = watermark(day)
        changed = day.start + changed_from * MINUTE if changed_from is not None else day.end
        for metric, place in self._measured:
            final_to = self._final_to.get((metric.name, place), day.start)
            start = day.start + (min(final_to, changed) - day.start) // metric.window * metric.window
            while (end := start + metric.window) <= min(now, day.end) and (told >= end or now >= end + GRACE):
                rows += self._row(metric, place, start, end, told)
                start = end
                if told >= end:
                    final_to = max(final_to, end)
            self._final_to[metric.name, place] = final_to
        return rows

    def _row(self, metric: Metric, place: str, start: int, end: int, told: int) -> list[Observation]:
        day = self._day
        first, last = (start - day.start) // MINUTE, (end - day.start) // MINUTE
        value, completeness, lower, upper = metric.compute(day, place, first, last)
        quality = Quality.MEASURED if told >= end else Quality.MEASURED | Quality.PROVISIONAL
        key = (metric.name, place, start)
        withheld = math.isnan(value) or completeness < WITHHELD
        if withheld and key not in self._said:
            return []
        said = (math.nan if withheld else value, quality)
        before = self._said.get(key)
        if before and before[1] == quality and (before[0] == said[0] or (withheld and math.isnan(before[0]))):
            return []
        self._said[key] = said
        observed = round(completeness * (end - start))
        if withheld:
            lower = upper = None
        return [
            Observation(
                "store",
                place,
                metric.name,
                start,
                end,
                None if withheld else value,
                Origin.EDGE,
                quality,
                lower,
                upper,
                observed,
            )
        ]
