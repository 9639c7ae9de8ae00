"""One store day as matrices of minutes, of which only the touched columns are worked out again. It never adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from agent.contract.layout import Role, Told
from agent.contract.observation import Origin
from agent.contract.times import HOUR, MINUTE
from agent.kernels.occupancy import occupancy_kalman, occupancy_reconciled
from agent.metrics.areas import NEVER, Area, Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from agent.contract.layout import Layout, Zone
    from agent.contract.observation import Observation
    from agent.kernels.registry import Floats
    from agent.metrics.expected import Usual
    from agent.metrics.history import Lesson, Minutes

T = TypeVar("T")
Key = tuple[str, str, str]  # sensor, place, metric

# Variance a crossing, a minute, and a minute without any count add to occupancy (reference: self-calibrated doors).
NOISE = np.array([0.1, 0.02, 1.0])
FLAGS = ("alarm_counter", "alarm_region_in", "alarm_region_out")  # written on change: no count of a stretch
WHOLE = 0.95  # completeness of a day from which its balance is believed


class Day:
    """What every sensor told of [start, end) by minutes; who came, left and is inside, by the doors' learned ratio."""

    def __init__(self, layout: Layout, start: int, end: int, ratio: float = 1.0) -> None:
        self.layout, self.start, self.end = layout, start, end
        self.length = (end - start) // MINUTE
        self._index: dict[Key, int] = {}
        self._finished: dict[int, dict[tuple[int, int], float]] = {}
        self._pushed: set[tuple[int, int]] = set()
        self._fine = np.full((16, self.length), np.nan)  # as told by differences and pushes
        self.counts = np.full((16, self.length), np.nan)  # with finished hours reconciled
        self.covered = np.zeros((16, self.length), dtype=np.bool_)
        self._touched: dict[int, set[int]] = {}
        self._covering: dict[int, set[int]] = {}  # minutes that a wide row tells of without placing anybody in them
        self._wide: dict[int, dict[int, int]] = {}  # by series: where wide rows end and where they begin
        self._wide_to = -1
        self._finished_to: dict[int, int] = {}  # the last minute of a series' finished intervals
        self.is_over = False  # looked back on from its end
        self.newest: dict[str, int] = {}  # the end of the newest row of each sensor
        self.staff: dict[str, dict[int, float]] = {}  # entered by hand: how many are in a zone from a moment on
        self.usual: dict[str, Usual] = {}  # what the day usually brings, by scope
        self.past: list[Lesson] = []  # of the days before, for what only a whole day tells, and so are these:
        self.past_minutes: list[Minutes] = []
        self.minutes: Minutes | None = None
        self._once: dict[str, object] = {}
        self._flows_of: dict[int, list[Flow]] = {}
        self._behind: dict[int, set[int]] = {}  # series that count only where none of these answered
        self.entered, self.left = (self._flow(keys) for keys in _by_role(layout, Role.ENTRANCE))
        self.passed = tuple(self._flow(keys) for keys in _by_role(layout, Role.PASSER_BY))
        self.areas = {"store": self._area(self.entered, self.left, [])}
        self.areas["store"].ratio = ratio
        for zone in layout.zone:
            into, out_of = (self._flow(keys) for keys in _around(zone))
            self.areas[f"zone:{zone.name}"] = self._area(into, out_of, _telling(layout, zone))
            if zone.share_of_store and self.areas[f"zone:{zone.name}"].told.size:
                self.store.share, self.store.seen = zone.share_of_store, self.areas[f"zone:{zone.name}"].told
        for area in self.areas.values():
            told = area.told if area.told.size else np.concatenate([area.inward.rows, area.outward.rows, area.seen])
            area.behind = frozenset(told.tolist())

    # ---- rows in

    def take(self, rows: Iterable[Observation]) -> None:
        """A row lands whole in the minute it ends in: a wide one is never spread, and a sum of minutes stays exact."""
        for row in rows:
            if row.origin is Origin.EDGE or not self.start < row.end <= self.end:
                continue
            if row.by_hand:
                self.staff.setdefault(row.place, {})[row.start] = np.nan if row.value is None else row.value
                continue
            i = self._row_of((row.sensor, row.place, row.metric))
            value = row.value if row.counted and row.value is not None else np.nan
            first, last = max(0, (row.start - self.start) // MINUTE), (row.end - 1 - self.start) // MINUTE
            if row.origin is Origin.LOG:
                if row.start < self.start:
                    continue
                self._finished.setdefault(i, {})[first, last] = value
                self._finished_to[i] = max(last, self._finished_to.get(i, 0))
            else:
                if row.origin is Origin.PUSH:
                    self._pushed.add((i, last))
                elif (i, last) in self._pushed:
                    continue
                self._fine[i, last] = value
            self.covered[i, first : last + 1] = row.counted
            self._touched.setdefault(i, set()).add(last)
            if first < last and i in self._flows_of:
                self._covering.setdefault(i, set()).update(range(first, last))
                wide = self._wide.setdefault(i, {})
                wide[last] = min(first, wide.get(last, last))
                self._wide_to = max(last, self._wide_to)
            if row.end > self.newest.get(row.sensor, 0):
                self.newest[row.sensor] = row.end

    def _row_of(self, key: Key) -> int:
        i = self._index.setdefault(key, len(self._index))
        if i == len(self._fine):
            more = np.full_like(self._fine, np.nan)
            self._fine, self.counts = np.vstack([self._fine, more]), np.vstack([self.counts, more])
            self.covered = np.vstack([self.covered, np.zeros_like(self.covered)])
        return i

    def _flow(self, keys: Iterable[Key]) -> Flow:
        rows = self._together(keys)
        flow = Flow(rows, np.full(self.length, np.nan), np.zeros(self.length), np.arange(self.length))
        for i in rows:
            self._flows_of.setdefault(int(i), []).append(flow)
        return flow

    def _together(self, keys: Iterable[Key]) -> NDArray[np.int64]:
        """The rows of series that are added up; of places that see the same people the earlier stands before the later.

        The series of one sum are given in one direction, so an inverted line overlaps with what it really counts.
        """
        rows = {f"{sensor}/{place}": self._row_of((sensor, place, metric)) for sensor, place, metric in keys}
        for overlap in self.layout.overlap:
            here = [rows[place] for place in overlap.places if place in rows]
            for at, i in enumerate(here[1:], 1):
                self._behind.setdefault(i, set()).update(here[:at])
        return np.array(list(rows.values()), dtype=np.int64)

    def _area(self, inward: Flow, outward: Flow, told: Iterable[Key]) -> Area:
        rows = self._together(told)
        level = np.full(self.length, np.nan if rows.size else 0.0)
        return Area(inward, outward, rows, level, level.copy(), np.zeros(self.length))

    # ---- what they mean

    def refresh(self, now: float) -> int | None:
        """Work out again what the rows taken since the last time touched; the first minute that changed, or None."""
        changed: dict[int, tuple[Flow, set[int]]] = {}
        moved_in: dict[int, set[int]] = {}
        for i, minutes in self._touched.items():
            if moved := self._reconcile(i, minutes):
                moved_in[i] = moved
            for flow in self._flows_of.get(i, ()):
                changed.setdefault(id(flow), (flow, set()))[1].update(minutes | moved | self._covering.get(i, set()))
        self._touched, self._covering = {}, {}
        for flow, touched in changed.values():
            columns = np.array(sorted(touched))
            flow.persons[columns] = self.total(flow.rows, columns)
            flow.told[columns] = self.covered[flow.rows[:, None], columns].mean(axis=0)
            if columns[0] <= self._wide_to:
                self._place(flow, touched)
        until = self.now_index(now) + 1
        for area in self.areas.values():
            self._occupy(area, moved_in, until)
        first = [min(moved) for moved in moved_in.values()]
        for flow, _ in changed.values():
            first += [flow.replaced] if flow.replaced < NEVER else []
            flow.replaced = NEVER
        return min(first, default=None)

    def _place(self, flow: Flow, touched: set[int]) -> None:
        """Where wide rows that touch these minutes are not told by finer ones: who crossed in them has no minute."""
        before = flow.back.copy()
        for i in map(int, flow.rows):
            for last, first in self._wide.get(i, {}).items():
                if not touched.isdisjoint(range(first, last + 1)):
                    flow.back[last] = last
        for i in map(int, flow.rows):
            for last, first in self._wide.get(i, {}).items():
                if flow.back[last] > first and np.isnan(self._fine[i, first:last]).any():
                    flow.back[last] = first
        flow.is_wide = bool((flow.back < np.arange(self.length)).any())
        moved = np.flatnonzero(before != flow.back)
        flow.replaced = min([flow.replaced, *np.minimum(before, flow.back)[moved].tolist()])

    def _reconcile(self, i: int, minutes: set[int]) -> set[int]:
        """Put what a finished interval says beyond its differences into its last minute; the minutes that changed.

        A finished interval wins over the differences made of it; where in it the remainder belongs is unknown, and for
        who is inside now it does not matter.
        """
        after = {minute: self._fine[i, minute] for minute in minutes}
        is_fresh = min(minutes) > self._finished_to.get(i, -1)  # as on nearly every tick
        intervals = {} if is_fresh else self._finished[i]
        for (first, last), value in intervals.items():
            if any(first <= minute <= last for minute in minutes):
                told = self._fine[i, first : last + 1]
                remainder = value - np.nansum(told)
                after[last] = told[-1]
                if remainder and not np.isnan(remainder):
                    after[last] = np.nan_to_num(told[-1]) + remainder
        before = self.counts[i]
        moved = {
            m for m, value in after.items() if not (before[m] == value or (np.isnan(before[m]) and np.isnan(value)))
        }
        for minute in moved:
            self.counts[i, minute] = after[minute]
        return moved

    def total(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
        """The sum of some series in some minutes, missing only where none of them told anything."""
        block = self.counts[rows[:, None], columns]
        for at, i in enumerate(map(int, rows)) if self._behind else ():
            if i in self._behind:
                block[at, self.covered[list(self._behind[i])][:, columns].any(axis=0)] = np.nan
        known = ~np.isnan(block)
        total: Floats = np.where(known.any(axis=0), np.where(known, block, 0.0).sum(axis=0), np.nan)
        return total

    def _occupy(self, area: Area, moved: dict[int, set[int]], until: int) -> None:
        touched = [min(minutes) for i, minutes in moved.items() if i in area.behind]
        since = min([area.known_to, area.inward.replaced, area.outward.replaced, *touched])
        if since >= until or not area.behind:
            return
        span = slice(since, until)
        if area.told.size:
            area.inside[span] = self.total(area.told, np.arange(since, until))
        else:
            x, p = (area.level[since - 1], area.variance[since - 1]) if since else (0.0, 0.0)
            seen = self.total(area.seen, np.arange(since, until))
            came, went = area.inward.persons[span], area.outward.persons[span]
            told = occupancy_kalman(came, went, seen, area.ratio, area.share, float(x), float(p), NOISE)
            area.level[span], area.variance[span] = told
            area.show(since, until)
        area.known_to = until

    def look_back(self, *, ends_empty: bool) -> None:
        """The day is over: where every line told and nobody stays, leaving is scaled so that each area ends empty.

        What a zone's count has corrected all day stays as it is: it was better (2.7 to 3.5 persons off, not 3.5 to 4).
        The doubt that crossings add is then bridged: it is nothing at both ends of the day and most in the middle.
        """
        self.is_over = True
        for area in self.areas.values():
            whole = float(min(area.inward.told.mean(), area.outward.told.mean()))
            if area.told.size or area.seen.size or not ends_empty or not area.inward.rows.size or whole < WHOLE:
                continue
            if not np.nansum(area.outward.persons) > 0.0:
                continue
            area.level[:] = occupancy_reconciled(area.inward.persons, area.outward.persons)
            area.show(0, self.length)
            most = float(area.variance[-1])
            if most > 0.0:
                area.variance *= 1.0 - area.variance / most

    def relearn(self, ratio: float, usual: dict[str, Usual]) -> bool:
        """Earlier days say something else now; whether this one has to be told again."""
        if ratio == self.store.ratio and str(usual) == str(self.usual):
            return False
        self.usual, self.store.ratio, self.store.known_to = usual, ratio, 0
        return True

    def now_index(self, now: float) -> int:
        """The minute of this day that a moment lies in."""
        return min(self.length - 1, max(0, int(now - self.start) // MINUTE))

    # ---- questions

    @property
    def store(self) -> Area:
        """The store as a whole."""
        return self.areas["store"]

    def rows_of(self, sensors_places: Iterable[tuple[str, str]], metric: str) -> NDArray[np.int64]:
        """The rows of the matrices that hold a metric of some places; those that never told it are left out."""
        found = [
            self._index[sensor, place, metric]
            for sensor, place in sensors_places
            if (sensor, place, metric) in self._index
        ]
        return np.array(found, dtype=np.int64)

    def rows_of_sensor(self, sensor: str) -> NDArray[np.int64]:
        """The rows of all crossings of a sensor's lines, both ways."""
        own = next((one for one in self.layout.sensor if one.id == sensor), None)
        lines = [(sensor, f"line:{line.number}") for line in own.line] if own else []
        return np.concatenate([self.rows_of(lines, "in"), self.rows_of(lines, "out")])

    def told_by(self, sensor: str) -> Floats:
        """Which share of a sensor's lines told of each minute; without lines, whether any of its other counts did."""
        rows = self.rows_of_sensor(sensor)
        others = [i for (own, _, metric), i in self._index.items() if own == sensor and metric not in FLAGS]
        if rows.size:
            share: Floats = self.covered[rows].mean(axis=0)
        else:
            share = np.any(self.covered[others], axis=0).astype(np.float64)
        return share

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What is made the first time and then kept, of a day that is over."""
        if name not in self._once:
            self._once[name] = make()
        return cast("T", self._once[name])

    def entered_and_left(self, sensor: str) -> tuple[int, int] | None:
        """Persons over a sensor's entrance lines so far, None where it has none."""
        own = {i for (name, _, _), i in self._index.items() if name == sensor}
        sides = [[int(i) for i in flow.rows if int(i) in own] for flow in (self.entered, self.left)]
        if not sides[0]:
            return None
        came, went = (int(np.nansum(self.counts[rows])) for rows in sides)
        return came, went

    def hours(self, sensor: str, now: float) -> tuple[float | None, ...]:
        """How many crossed a sensor's lines in each hour so far, None for an hour of which it told nothing.

        Where the layout gives it no lines, how many entered its regions.
        """
        own = next((one for one in self.layout.sensor if one.id == sensor), None)
        kind = "line" if own is None or own.line or not own.region else "region"
        rows = [i for (name, place, _), i in self._index.items() if name == sensor and place.startswith(kind)]
        minutes = self.counts[rows, : self.now_index(now) + 1]
        if np.isnan(minutes).all():
            return ()
        per_hour = HOUR // MINUTE
        return tuple(
            float(np.nansum(hour)) if not np.isnan(hour).all() else None
            for hour in (minutes[:, at : at + per_hour] for at in range(0, minutes.shape[1], per_hour))
        )


def _by_role(layout: Layout, role: Role) -> tuple[list[Key], list[Key]]:
    """What counts persons inwards and outwards over all lines of a role; a device's totals where they count instead."""
    totals = {sensor.id for sensor in layout.sensor if sensor.totals}
    ways = {
        key: ("out", "in") if line.inverted else ("in", "out")
        for key, line in layout.lines(role).items()
        if key[0] not in totals
    }
    if role is Role.ENTRANCE:
        ways |= {(sensor, "sensor"): ("in", "out") for sensor in sorted(totals)}
    return [(*key, way[0]) for key, way in ways.items()], [(*key, way[1]) for key, way in ways.items()]


def split(place: str) -> tuple[str, str]:
    """The sensor and the place of `SENSOR/line:N`."""
    sensor, _, own = place.partition("/")
    return sensor, own


def _around(zone: Zone) -> tuple[list[Key], list[Key]]:
    """What counts persons into and out of a zone: along the arrow of a line that joins one enters, and so on."""
    joins, leaves = ([split(place) for place in places] for places in (zone.joins, zone.leaves))
    into = [(*line, "in") for line in joins] + [(*line, "out") for line in leaves]
    out_of = [(*line, "out") for line in joins] + [(*line, "in") for line in leaves]
    return into, out_of


def _telling(layout: Layout, zone: Zone) -> list[Key]:
    """Where devices tell how many are present in a zone's regions; none where some region's does not."""
    tells = {sensor.id: sensor.tells for sensor in layout.sensor}
    keys: list[Key] = []
    for place in zone.places:
        sensor, region = split(place)
        if not region.startswith("region:"):
            continue
        told = next((one for one in (Told.OCCUPANCY, Told.QUEUE_LENGTH) if one in tells[sensor]), None)
        if told is None:
            return []
        keys.append((sensor, region, told.value))
    return keys
