"""The people of one day: who comes when, in what company, where they walk, how they queue, when they leave."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agent.simulator.movement import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from agent.simulator.scenario import BrowsingZone, Corridor, Scenario, Till

LAST_CALL = 120 * SECOND  # nobody is let in during the last two minutes
SHORTEST_STAY = 45 * SECOND
WALK = 8 * SECOND  # from one zone to the next
AFTER_TILL = 15 * SECOND  # packing up and walking to the door
STEP = 900  # ms between two members of a group


class Span(NamedTuple):
    """A stretch of the day in which so many come every millisecond."""

    start: int
    end: int
    rate: float


class Stay(NamedTuple):
    """Somebody at a spot from start to end."""

    spot: str
    start: int
    end: int


@dataclass(slots=True)
class Group:
    """People who came together: they enter one after the other, walk together and leave together."""

    size: int
    entrance: str
    exit: str
    start: int
    end: int
    buys: bool
    stays: list[Stay] = field(default_factory=list)


def arrivals(rng: Random, spans: Sequence[Span]) -> Iterator[int]:
    """Times of a Poisson process whose rate changes from span to span."""
    for span in spans:
        if span.rate <= 0:
            continue
        moment = span.start + rng.expovariate(span.rate)
        while moment < span.end:
            yield int(moment)
            moment += rng.expovariate(span.rate)


def visitors(rng: Random, scenario: Scenario, spans: Sequence[Span], closes: int) -> list[Group]:
    """The groups of a day in order of arrival; all have left when the shop closes."""
    sizes = range(1, len(scenario.arrivals.groups) + 1)
    doors = [door.name for door in scenario.door]
    shares = [door.share for door in scenario.door]
    mean_stay = scenario.arrivals.stay_minutes * 60 * SECOND
    groups = []
    for start in arrivals(rng, spans):
        size = rng.choices(sizes, scenario.arrivals.groups)[0]
        entrance, way_out = rng.choices(doors, shares, k=2)
        if start >= closes - LAST_CALL - size * STEP:
            continue
        stay = max(SHORTEST_STAY, int(rng.gammavariate(1.6, mean_stay / 1.6)))
        buys = scenario.till is not None and rng.random() < scenario.till.buyers
        group = Group(size, entrance, way_out, start, min(start + stay, closes - 1), buys)
        group.stays += browse(rng, scenario.zone, group)
        groups.append(group)
    if scenario.till:
        queue(rng, scenario.till, groups, closes)
    return groups


def browse(rng: Random, zones: Sequence[BrowsingZone], group: Group) -> Iterator[Stay]:
    """The zones a group walks through, one after the other, as far as its time allows."""
    moment = group.start + group.size * STEP + WALK
    for zone in rng.sample(zones, len(zones)):
        if rng.random() >= zone.pull:
            continue
        end = min(moment + SECOND + int(rng.expovariate(1 / (zone.dwell_seconds * SECOND))), group.end)
        if end <= moment:
            return
        yield Stay(f"zone:{zone.name}", moment, end)
        moment = end + WALK


def queue(rng: Random, till: Till, groups: Sequence[Group], closes: int) -> None:
    """Those who buy join the queue when they would have left; the desks serve them in that order."""
    free = [0] * till.desks
    patience = int(till.patience_seconds * SECOND)
    mean = till.service_seconds * SECOND
    for group in sorted((g for g in groups if g.buys), key=lambda g: g.end):
        joins, service = group.end, int(rng.gammavariate(3, mean / 3))
        begins = max(joins, free[0])
        if begins - joins > patience:
            done = joins + patience
        else:
            done = begins + service
            heapq.heapreplace(free, done)
        done = min(done, closes - 1)
        if done > joins:
            group.stays.append(Stay("till", joins, done))
        group.end = min(done + AFTER_TILL, closes - 1)


class Crossing(NamedTuple):
    """Somebody walked past the shop; `stops` is for how many milliseconds they looked into the window."""

    moment: int
    inward: bool
    stops: int


def passers(rng: Random, corridor: Corridor, spans: Sequence[Span], last: int) -> Iterator[Crossing]:
    """Those who pass without entering, until `last`."""
    for moment in arrivals(rng, spans):
        inward = rng.random() < corridor.inward_share
        looks = rng.random() < corridor.window_share
        stops = 1 + int(rng.expovariate(1 / (corridor.window_seconds * SECOND))) if looks else 0
        yield Crossing(moment, inward, min(stops, last - moment))


def busyness(rng: Random) -> float:
    """How much busier than usual a day is: mean 1, one day in three is more than 12 % off."""
    return math.exp(rng.gauss(-0.0072, 0.12))
