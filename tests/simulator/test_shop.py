from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest

from agent.simulator.movement import movement
from agent.simulator.scenario import Till
from agent.simulator.shop import Shop
from agent.simulator.shoppers import Group, queue
from tests.simulator.shops import ALL_DAY, scenario

MONDAY = date(2026, 11, 16)
DAYS = [MONDAY + timedelta(days=n) for n in range(7)]
SHORT_DAYS = {"name": "Test", "time_zone": "Europe/Lisbon", "hours": {**ALL_DAY, "monday": "09:30-20:15"}}


def test_a_day_depends_on_seed_and_date_alone():
    """What was asked before changes nothing."""
    forwards, backwards = Shop(scenario()), Shop(scenario())

    first = [forwards.day(day) for day in DAYS]
    second = [backwards.day(day) for day in reversed(DAYS)][::-1]

    assert first == second


def test_another_seed_makes_another_day():
    """The seed is what makes a shop."""
    assert Shop(scenario()).day(MONDAY) != Shop(scenario(seed=2)).day(MONDAY)


@pytest.mark.parametrize("local", DAYS)
def test_whoever_enters_leaves(local):
    """Over all doors as many go out as came in, and never more than are inside."""
    doors = [m for name, m in Shop(scenario()).day(local).movements.items() if name.startswith("door:")]
    steps = sorted([(t, 1) for m in doors for t in m.ins] + [(t, -1) for m in doors for t in m.outs])
    inside, least = 0, 0
    for _, step in steps:
        inside += step
        least = min(least, inside)

    assert len(steps) > 1000
    assert (inside, least) == (0, 0)


def test_nobody_moves_inside_a_closed_shop():
    """Nobody comes before the opening and nobody remains after closing; the corridor has its own hours."""
    shop = Shop(scenario(store=SHORT_DAYS))
    start, _ = shop.bounds(MONDAY)
    opens, closes = start + int(9.5 * 3_600_000), start + int(20.25 * 3_600_000)
    found = shop.day(MONDAY).movements
    inside = [m for name, m in found.items() if name not in ("corridor", "window")]

    assert min(m.starts[0] for m in inside) >= opens
    assert max(m.outs[-1] for m in inside) < closes
    assert found["corridor"].ins[0] < opens
    assert found["corridor"].outs[-1] > closes


def test_a_closed_day_is_empty():
    """A day without opening hours has no visitor."""
    shop = Shop(scenario(store={**SHORT_DAYS, "hours": {**ALL_DAY, "monday": "closed"}}))
    found = shop.day(MONDAY).movements

    assert {name for name, m in found.items() if m.starts} == {"corridor", "window"}


def test_as_many_come_as_the_scenario_says():
    """The mean of three weeks is within a tenth of visits_per_day."""
    shop = Shop(scenario())
    days = [shop.day(MONDAY + timedelta(days=n)).movements for n in range(21)]
    visits = sum(len(found[door].ins) for found in days for door in ("door:main", "door:side")) / 21

    assert visits == pytest.approx(900, rel=0.1)


@pytest.mark.parametrize("local", [date(2026, 3, 29), date(2026, 10, 25)])
def test_a_day_may_have_23_or_25_hours(local):
    """The day the clocks are changed is as long as it is, and everything of it happens within."""
    shop = Shop(scenario())
    start, end, found = shop.day(local)

    assert (end - start) // 3_600_000 == (23 if local.month == 3 else 25)
    assert all(start <= t < end for m in found.values() for times in (m.ins, m.outs) for t in times)
    assert [piece.date for piece in shop.pieces(start - 1, end + 1)] == [local + timedelta(days=n) for n in (-1, 0, 1)]


def test_the_till_serves_in_order():
    """At one desk with endless patience nobody overtakes, and nobody is served beside another."""
    groups = [Group(1, "main", "main", 0, second * 20_000, buys=True) for second in range(1, 40)]
    till = Till(buyers=1, service_seconds=60, patience_seconds=7200)

    rng = Random(3)  # noqa: S311 - the same numbers each time
    queue(rng, till, groups, closes=10**9)
    stays = [group.stays[0] for group in groups]

    assert [stay.end for stay in stays] == sorted(stay.end for stay in stays)
    assert stays[-1].end - stays[-1].start > 60_000


def test_whoever_waits_too_long_leaves_unserved():
    """Nobody stays in the queue longer than their patience and their service."""
    groups = [Group(1, "main", "main", 0, second * 1000, buys=True) for second in range(1, 40)]

    rng = Random(3)  # noqa: S311 - the same numbers each time
    queue(rng, Till(buyers=1, service_seconds=60, patience_seconds=120), groups, closes=10**9)
    waits = [group.stays[0].end - group.stays[0].start for group in groups]

    assert waits.count(120_000) > 20


def test_person_seconds_are_exact():
    """The two bisections give what a slow sum over all stays gives."""
    rng = Random(5)  # noqa: S311 - the same numbers each time
    starts = [rng.randrange(10_000) for _ in range(300)]
    stays = [(start, start + rng.randrange(1, 900)) for start in starts]
    moved = movement([], [], stays)

    for _ in range(50):
        since = rng.randrange(9000)
        until = since + rng.randrange(3000)
        slow = sum(max(0, min(end, until) - max(start, since)) for start, end in stays)
        assert moved.person_ms(since, until) == slow
