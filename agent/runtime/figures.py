"""What alert rules look at, from what the cycle saw: figures in their places, counts of each interval, baselines.

A figure is known up to the moment up to which every sensor behind it has told: while one door is silent, nobody knows
how full the store is, and what was known grows old until the rules that read it say so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from agent.alerts.facts import STORE, Fact
from agent.contract.observation import Origin
from agent.contract.times import HOUR, MINUTE
from agent.metrics.day import FLAGS
from agent.metrics.measures import observed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from agent.contract.layout import Layout
    from agent.contract.observation import Observation
    from agent.metrics.day import Day
    from agent.metrics.expected import Usual
    from agent.runtime.cycle import Seen
    from agent.runtime.days import Days

TOLD = "told"  # that a sensor told something at all, whatever it was
AWAY = 3 * MINUTE  # without an answer for longer, a sensor was away

Series = tuple[str, str, str]  # sensor, place, metric
Line = tuple[str, Series, Series]  # its scope, and what counts persons in and what out
Span = tuple[int, int]  # of a row: start and end


class Figures:
    """Makes facts of moments.

    `lags` are the seconds beyond a minute between a slow sensor's answers: so much longer what it told is all there is.

    `wanted` are the (scope, name) that some rule reads; until they are known everything is made.
    """

    def __init__(self, layout: Layout, days: Days, lags: Mapping[str, float]) -> None:
        self._layout, self._lags, self.days = layout, lags, days
        self.wanted: Collection[tuple[str, str]] | None = None
        self._lines = {sensor.id: list(_ways(layout, sensor.id)) for sensor in layout.sensor}
        self._known: dict[str, int] = {}  # the newest row of each sensor, over the days
        self._behind = {
            scope: [(sensor, lags.get(sensor, 0.0)) for sensor in layout.sensors_of(scope)] for scope in _scopes(layout)
        }
        self._of: Day | None = None  # the day whose rows are known
        self._rows: dict[Series, int] = {}
        self._raised: dict[str, dict[str, float]] = {}  # flags by scope
        self._staff: dict[str, float] = {}  # by place
        self._alone: dict[str, float] = {}  # since when customers are in a zone without staff

    def remember(self, facts: Iterable[Fact]) -> None:
        """What was known before a restart: flags are written on change, so not all of them are told again soon."""
        for fact in facts:
            if fact.metric in FLAGS and fact.value is not None:
                self._raised.setdefault(fact.scope, {})[fact.metric] = fact.value
            elif fact.metric == "unattended_seconds" and fact.value:
                self._alone[fact.scope] = fact.at - fact.value

    def of(self, seen: Seen) -> list[Fact]:
        """The facts of a moment."""
        back, newest = [], seen.day.newest
        for sensor in dict.fromkeys(row.sensor for row in seen.rows) if self._of is seen.day else list(newest):
            if (end := newest.get(sensor, 0)) > (before := self._known.get(sensor, 0)):
                self._known[sensor] = end
                back += [(sensor, end)] if before and end - before > AWAY else []
        staffed = list(self._staffed(seen))
        facts = [*self._places(seen), *self._devices(seen), *staffed, *self._still(back, seen.number)]
        facts += self._unattended(seen, staffed)
        facts += self._observed(seen)
        if (wanted := self.wanted) is None:
            return facts
        return [fact for fact in facts if fact.metric == TOLD or (fact.scope, fact.metric) in wanted]

    def whole_days(self, at: float) -> list[Fact]:
        """What the last whole day was like, as known from now on."""
        return [Fact(scope, name, value, at) for scope, name, value in self.days.figures()]

    # ---- the store and its zones

    def _places(self, seen: Seen) -> Iterator[Fact]:
        fresh: dict[str, float] = {}
        for (metric, place), estimate in seen.now.items():
            if place not in fresh:
                fresh[place] = self._fresh(place, seen.moment)
            at = seen.moment if metric == "staff" else fresh[place]  # what a person has entered waits for no sensor
            yield Fact(place, metric, estimate.value, at, seen.number)

    def _fresh(self, place: str, moment: float) -> float:
        """Up to when every sensor behind a place has told."""
        known = self._known
        return min([moment, *[known.get(sensor, 0) + lag for sensor, lag in self._behind.get(place, ())]])

    def _staffed(self, seen: Seen) -> Iterator[Fact]:
        """Staff in a zone, where devices tag it and no metric says it."""
        rows = {f"{row.sensor}/{row.place}": row for row in seen.rows if row.metric == "staff" and row.counted}
        self._staff |= {place: row.value or 0.0 for place, row in rows.items()}
        for zone in self._layout.zone:
            regions = [place for place in zone.places if "/region:" in place]
            if not any(place in rows for place in regions) or ("staff", f"zone:{zone.name}") in seen.now:
                continue
            if all(place in self._staff for place in regions):
                there = sum(self._staff[place] for place in regions)
                yield Fact(f"zone:{zone.name}", "staff", there, min(seen.moment, rows[regions[0]].end), seen.number)

    def _unattended(self, seen: Seen, staffed: Iterable[Fact]) -> Iterator[Fact]:
        """How long somebody has been in a zone without staff, where both are told."""
        staff = {fact.scope: fact.value for fact in staffed}
        for zone in self._layout.zone:
            scope = f"zone:{zone.name}"
            told, present = seen.now.get(("staff", scope)), seen.now.get(("occupancy", scope))
            there = told.value if told else staff.get(scope)
            if there is None or present is None or math.isnan(there) or math.isnan(present.value):
                continue
            at = self._fresh(scope, seen.moment)
            if there >= 1 or present.value < 1:
                self._alone.pop(scope, None)
                since = at
            else:
                since = self._alone.setdefault(scope, seen.moment if told else at)
            yield Fact(scope, "unattended_seconds", max(0.0, at - since), at, seen.number)

    # ---- sensors, lines and regions

    def _devices(self, seen: Seen) -> Iterator[Fact]:
        spans: dict[str, dict[int, int]] = {}
        for row in seen.rows:
            if row.origin is Origin.LOG:
                continue
            if row.metric in FLAGS:
                yield from self._flags(row, seen.number)
            elif row.metric in ("in", "out"):
                ends = spans.setdefault(row.sensor, {})
                ends[row.end] = min(row.start, ends.get(row.end, row.start))
            elif row.metric == "visits" and row.counted:
                yield Fact(f"{row.sensor}/{row.place}", "visits", row.value, float(row.end), seen.number)
        for sensor in {row.sensor for row in seen.rows} - {STORE}:
            at = min(seen.moment, float(seen.day.newest.get(sensor, 0))) + self._lags.get(sensor, 0.0)
            yield Fact(f"{sensor}/sensor", TOLD, 1.0, at, seen.number)
        for sensor, ends in spans.items():
            for end, start in sorted(ends.items()):
                yield from self._crossings(seen, sensor, (start, end))

    def _observed(self, seen: Seen) -> Iterator[Fact]:
        """How much of the last hour each sensor told of, also of those that tell nothing now."""
        for sensor in self._layout.sensor:
            scope = f"{sensor.id}/sensor"
            if self.wanted is not None and (scope, "completeness_ratio") not in self.wanted:
                continue
            share = observed(seen.day, sensor.id, seen.day.now_index(seen.moment - self._lags.get(sensor.id, 0.0)))
            if share is not None:
                yield Fact(scope, "completeness_ratio", share, seen.moment, seen.number)

    def _flags(self, row: Observation, number: int) -> Iterator[Fact]:
        """A device's alarm flag; those that it does not have are down, so that a rule can look at all of them."""
        scope = f"{row.sensor}/{row.place}"
        own = self._raised.setdefault(scope, {})
        own[row.metric] = row.value or 0.0
        for flag in FLAGS:
            yield Fact(scope, flag, own.get(flag, 0.0), float(row.end), number)

    def _still(self, back: Iterable[tuple[str, int]], number: int) -> Iterator[Fact]:
        """The flags of sensors that answer again: one that had changed meanwhile is told with the first answer."""
        for sensor, end in back:
            own = self._raised.get(f"{sensor}/sensor", {})
            for flag in FLAGS if own else ():
                yield Fact(f"{sensor}/sensor", flag, own.get(flag, 0.0), float(end), number)

    def _crossings(self, seen: Seen, sensor: str, span: Span) -> Iterator[Fact]:
        """Counts of one interval of a sensor and its lines, each with what is usual for just that interval."""
        number, total, day = seen.number, 0.0, seen.day
        at = span[1] + self._lags.get(sensor, 0.0)
        known = seen.usual.get(f"{sensor}/sensor")
        usual = _expected(known, day, span) if known else None
        told = False
        for scope, inward, outward in self._lines.get(sensor, ()):
            for name, series in (("entered", inward), ("left", outward)):
                count = self._count(day, series, span[1])
                if math.isnan(count):
                    continue
                told, total = True, total + count
                if self.wanted is not None and (scope, name) not in self.wanted:
                    continue
                yield Fact(scope, name, count, at, number)
                share = self.days.share(scope, name) if known else None
                if share is not None and usual is not None and known is not None:
                    # Each crossing falls to one line and way by chance, which leaves r as it is and scales the mean.
                    yield Fact(scope, f"{name}_expected", usual * share, at, number)
                    yield Fact(scope, f"{name}_dispersion", known.dispersion, at, number)
        if told:
            yield Fact(f"{sensor}/sensor", "crossings", total, at, number)
            if usual is not None and known is not None:
                yield Fact(f"{sensor}/sensor", "crossings_expected", usual, at, number)
                yield Fact(f"{sensor}/sensor", "crossings_dispersion", known.dispersion, at, number)

    def _count(self, day: Day, series: Series, end: int) -> float:
        """What a series told in the minute in which an interval ended."""
        if self._of is not day:
            self._of, self._rows = day, {}
        row = self._rows.get(series)
        if row is None:
            found = day.rows_of([series[:2]], series[2])
            if not found.size:
                return math.nan
            row = self._rows[series] = int(found[0])
        minute = (end - 1 - day.start) // MINUTE
        return float(day.counts[row, minute]) if 0 <= minute < day.length else math.nan


def _scopes(layout: Layout) -> Sequence[str]:
    return ["store", *(f"zone:{zone.name}" for zone in layout.zone)]


def _ways(layout: Layout, sensor: str) -> Iterator[Line]:
    own = next(one for one in layout.sensor if one.id == sensor)
    for line in own.line:
        place = f"line:{line.number}"
        ways = [(sensor, place, metric) for metric in ("in", "out")]
        yield (f"{sensor}/{place}", *((ways[1], ways[0]) if line.inverted else (ways[0], ways[1])))


def _expected(usual: Usual, day: Day, span: Span) -> float:
    """Persons that are usual from one moment of the day to another."""
    total, at = 0.0, max(span[0] - day.start, 0)
    until = min(span[1], day.end) - day.start
    while at < until:
        hour = min(at // HOUR, len(usual.hours) - 1)
        step = min(until, (at // HOUR + 1) * HOUR) - at
        total += float(usual.hours[hour]) * step / HOUR
        at += step
    return total
