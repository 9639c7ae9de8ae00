"""The seeded shop: the same seed and date always give the same day, whatever was asked before."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import utc_of
from agent.simulator.movement import SECOND, Movement, movement
from agent.simulator.scenario import MINUTES_A_DAY
from agent.simulator.shoppers import STEP, Group, Span, busyness, passers, visitors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.simulator.scenario import Scenario

IN_VIEW = 3 * SECOND  # how long somebody who crosses a line is in the picture
DAYS_KEPT_EXTRA = 8  # beyond the cameras' memory; a day of 1,100 visits takes about 0.2 MB


class Day(NamedTuple):
    """One local day of the shop, [start, end) in milliseconds, and what moved at each source."""

    start: int
    end: int
    movements: dict[str, Movement]


class Piece(NamedTuple):
    """A stretch within one local day, in milliseconds."""

    date: date
    start: int
    end: int


class Shop:
    """Days are generated when they are first asked for and kept."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.zone = scenario.store.zone
        self._days: dict[date, Day] = {}
        self._bounds: dict[date, tuple[int, int]] = {}

    def day(self, local: date) -> Day:
        """What happened, or will have happened, on a local day."""
        if local not in self._days:
            if len(self._days) > self.scenario.history_days + DAYS_KEPT_EXTRA:
                del self._days[next(iter(self._days))]
            self._days[local] = self._generate(local)
        return self._days[local]

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """[start, end) cut at the local midnights."""
        local = datetime.fromtimestamp(start / SECOND, tz=self.zone).date()
        while start < end:
            _, midnight = self.bounds(local)
            yield Piece(local, start, min(end, midnight))
            start, local = midnight, local + timedelta(days=1)

    def bounds(self, local: date) -> tuple[int, int]:
        """A local day as [start, end) in milliseconds: 23, 24 or 25 hours."""
        if local not in self._bounds:
            self._bounds[local] = (self._at(local, 0), self._at(local, MINUTES_A_DAY))
        return self._bounds[local]

    def _at(self, local: date, minute: int) -> int:
        naive = datetime.combine(local, time()) + timedelta(minutes=minute)
        return utc_of(naive, self.zone) * SECOND

    def _spans(self, local: date, weights: Sequence[float], opens: int, closes: int, total: float) -> list[Span]:
        """The day between two minutes, in hours of constant rate: an hour that comes twice is two hours long."""
        hours = range(opens // 60, -(-closes // 60))
        edges = [(hour, max(hour * 60, opens), min(hour * 60 + 60, closes)) for hour in hours]
        whole = sum(weights[hour] * (end - start) for hour, start, end in edges)
        per_ms = total / (whole * 60 * SECOND) if whole else 0.0
        return [
            Span(self._at(local, start), self._at(local, end), weights[hour] * per_ms) for hour, start, end in edges
        ]

    def _generate(self, local: date) -> Day:
        start, end = self.bounds(local)
        found = self._inside(local, end) | self._outside(local, end)
        nothing = movement((), ())
        return Day(start, end, {source: found.get(source, nothing) for source in self.scenario.sources})

    def _inside(self, local: date, end: int) -> dict[str, Movement]:
        rng = Random(f"{self.scenario.seed}:{local}:visitors")  # noqa: S311 - a simulation wants a seed
        plan = self.scenario.arrivals
        opens, closes = self.scenario.store.open_minutes(local)
        mean_size = sum(i * share for i, share in enumerate(plan.groups, 1)) / sum(plan.groups)
        groups_today = plan.visits_per_day * plan.by_weekday[local.weekday()] * busyness(rng) / mean_size
        spans = self._spans(local, plan.by_hour, opens, closes, groups_today)
        return _tracks(visitors(rng, self.scenario, spans, self._at(local, closes)), end)

    def _outside(self, local: date, end: int) -> dict[str, Movement]:
        corridor = self.scenario.corridor
        if corridor is None:
            return {}
        rng = Random(f"{self.scenario.seed}:{local}:corridor")  # noqa: S311 - a simulation wants a seed
        total = corridor.passers_per_day * self.scenario.arrivals.by_weekday[local.weekday()] * busyness(rng)
        spans = self._spans(local, corridor.by_hour, 0, MINUTES_A_DAY, total)
        ins: list[int] = []
        outs: list[int] = []
        stops = []
        for moment, inward, stop in passers(rng, corridor, spans, end - 1):
            (ins if inward else outs).append(moment)
            if stop > 0:
                stops.append((moment, moment + stop))
        return {"corridor": _crossings(ins, outs, end), "window": _stays(stops)}


def _tracks(groups: Sequence[Group], latest: int) -> dict[str, Movement]:
    """The movement at every door, zone and till of all members of all groups."""
    ins: defaultdict[str, list[int]] = defaultdict(list)
    outs: defaultdict[str, list[int]] = defaultdict(list)
    stays: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for group in groups:
        for member in range(group.size):
            later = member * STEP
            ins[f"door:{group.entrance}"].append(group.start + later)
            outs[f"door:{group.exit}"].append(group.end - later)
            for spot, start, end in group.stays:
                stays[spot].append((start, end))
    doors = {name: _crossings(ins[name], outs[name], latest) for name in ins.keys() | outs.keys()}
    return doors | {spot: _stays(found) for spot, found in stays.items()}


def _crossings(ins: list[int], outs: list[int], latest: int) -> Movement:
    stays = [(moment, min(moment + IN_VIEW, latest)) for moment in ins + outs]
    return movement(ins, outs, stays)


def _stays(found: list[tuple[int, int]]) -> Movement:
    return movement([start for start, _ in found], [end for _, end in found], found)
