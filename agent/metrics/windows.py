"""Which windows of a day are due, and the rows they make: final once every live sensor has told of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.observation import Observation, Origin, Quality
from agent.contract.times import HOUR, MINUTE
from agent.metrics.catalog import QUARTER, WHOLE_DAY, WITHHELD, Estimate, Metric, measured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.metrics.day import Day

DEAD = 3 * MINUTE  # a sensor whose newest row is this much older than the store's leaves the watermark
GRACE = 3 * MINUTE  # after which a window is published although a live sensor has not told of it yet, as provisional
NOTHING = Quality(0)

Key = tuple[str, str, int]  # metric, place, start


class Said(NamedTuple):
    """What was given out for a key; a value of NaN was taken back."""

    end: int
    value: float
    quality: Quality
    lower: float | None = None
    upper: float | None = None
    observed: float | None = None


UNSAID = Said(0, math.nan, NOTHING)


def watermark(day: Day) -> int:
    """Up to when every live sensor has told; the day's start where none has."""
    newest = max(day.newest.values(), default=day.start)
    return min((end for end in day.newest.values() if end > newest - DEAD), default=day.start)


class Windows:
    """A day by windows: what holds now, and the rows that were given out, so that only news is given out again."""

    def __init__(self, day: Day) -> None:
        self._day = day
        every = measured(day.layout)
        self._live = [(m, place) for m, place in every if m.live and not place.endswith("/sensor")]
        self._due = {width: [one for one in every if one[0].window == width] for width in (QUARTER, HOUR)}
        self._hourly = [one for one in self._due[QUARTER] if one[0].hourly]
        self._of_the_day = [one for one in every if one[0].window == WHOLE_DAY]
        self._said: dict[Key, Said] = {}
        self._looked_at: set[Key] = set()
        self._final_to = dict.fromkeys(self._due, day.start)  # by width: the end of the windows that are final

    def forget(self) -> None:
        """What was given out did not arrive."""
        self._said, self._final_to = {}, dict.fromkeys(self._due, self._day.start)

    def known(self, rows: Iterable[Observation]) -> None:
        """What was given out before, as it stands in the buffer: only what it does not say already is news."""
        for row in rows:
            place = row.place if row.sensor == "store" else f"{row.sensor}/{row.place}"
            value = math.nan if row.value is None else row.value
            self._said[row.metric, place, row.start] = Said(row.end, value, row.quality, row.lower, row.upper, row.n)

    def live(self, now: float) -> dict[tuple[str, str], Estimate]:
        """What holds now, by (metric, place): over the window of whole minutes up to now; states at this minute."""
        minute = self._day.now_index(now)
        found = {}
        for metric, place in self._live:
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
        day, rows, told = self._day, list[Observation](), None
        changed = day.start + changed_from * MINUTE if changed_from is not None else day.end
        for width, final_to in self._final_to.items():
            start = day.start + (min(final_to, changed) - day.start) // width * width
            while (end := start + width) <= min(now, day.end):
                told = watermark(day) if told is None else told  # asked of a hundred sensors only when a window ended
                if told < end and now < end + GRACE:
                    break
                rows += self._window(width, start, told)
                start = end
                if told >= end:
                    self._final_to[width] = max(self._final_to[width], end)
        return rows

    def whole(self) -> list[Observation]:
        """All rows of a day that is over, every window of it, and what only the whole day tells."""
        day = self._day
        before, self._looked_at = set(self._said), set()
        rows = self.due(day.end + GRACE, 0)
        for metric, place in self._of_the_day:
            rows += self._row(metric, place, day.start, day.end, day.end)
        for key in sorted(before - self._looked_at):  # of a layout that measured something else
            rows += self._taken_back(key)
        return rows

    def _window(self, width: int, start: int, told: int) -> list[Observation]:
        """The rows of one window. Persons whose quarter nobody knows are told by the hour, in place of its quarters."""
        rows = []
        unplaced = self._unplaced(start)
        for metric, place in self._due[width]:
            if not (metric.hourly and unplaced):
                rows += self._row(metric, place, start, start + width, told)
        for metric, place in self._hourly if width == HOUR and unplaced else ():
            for at in range(start + QUARTER, start + HOUR, QUARTER):  # the first one's key becomes the hour's
                rows += self._taken_back((metric.name, place, at))
            rows += self._row(metric, place, start, start + HOUR, told)
        return rows

    def _unplaced(self, at: int) -> bool:
        """Whether in this hour a row of the doors or the pavement lies across the edge of a quarter."""
        day, each = self._day, QUARTER // MINUTE
        hour = (at - day.start) // HOUR * HOUR // MINUTE
        ways = (day.entered, day.left, *day.passed)
        if not any(way.is_wide for way in ways):
            return False
        quarters = range(hour, hour + HOUR // MINUTE, each)
        return not all(way.placed(first, first + each) for way in ways for first in quarters)

    def _row(self, metric: Metric, place: str, start: int, end: int, told: int) -> list[Observation]:
        day = self._day
        first, last = (start - day.start) // MINUTE, (end - day.start) // MINUTE
        value, completeness, lower, upper = metric.compute(day, place, first, last)
        key = (metric.name, place, start)
        self._looked_at.add(key)
        if math.isnan(value) or completeness < WITHHELD:
            return self._taken_back(key)
        quality, observed = self._quality(metric, place, is_told=told >= end), round(completeness * (end - start))
        said = Said(end, value, quality, _known(lower), _known(upper), observed)
        if self._said.get(key) == said:
            return []
        self._said[key] = said
        return [_observation(key, said)]

    def _taken_back(self, key: Key) -> list[Observation]:
        """A row without a value in place of one that was given out and does not hold any more."""
        before = self._said.get(key, UNSAID)
        if math.isnan(before.value):
            return []
        self._said[key] = said = Said(before.end, math.nan, before.quality)
        return [_observation(key, said)]

    def _quality(self, metric: Metric, place: str, *, is_told: bool) -> Quality:
        """Final once all have told; what follows from a sum of crossings, once the day was looked back on."""
        area = self._day.areas.get(place)
        waits = metric.presence and area is not None and area.by_lines and not self._day.is_over
        return Quality.MEASURED | (NOTHING if is_told and not waits else Quality.PROVISIONAL)


def _observation(key: Key, said: Said) -> Observation:
    """What was worked out, as an observation: of the store and its zones, or of a sensor."""
    metric, place, start = key
    end, value, quality, *bounds = said
    sensor, slash, own = place.partition("/")
    where = (sensor, own) if slash else ("store", place)
    told = None if math.isnan(value) else value
    return Observation(*where, metric, start, end, told, Origin.EDGE, quality, *bounds)


def _known(bound: float | None) -> float | None:
    return None if bound is None or math.isnan(bound) else bound
