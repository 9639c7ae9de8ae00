"""The simulated store's cameras over HTTP, polled, counted and watched: alerts against a naive reading of the rows."""

from __future__ import annotations

import asyncio
import tomllib
from typing import TYPE_CHECKING

import pytest

from agent.alerts.binding import bound
from agent.alerts.rules import Rules
from agent.buffer.buffer import Buffer
from agent.contract.layout import Layout
from agent.contract.observation import Origin
from agent.foundation.clock import Clock
from agent.runtime.alarms import Alarms
from agent.runtime.cycle import Cycle
from agent.runtime.outgoing import Outgoing
from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store
from tests.alerts.living import read_alerts
from tests.runtime.test_collecting import NOON, SCENARIO, Hands, agent, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = """
[[alert]]
name = "crowd"
when = "occupancy >= 14"
clear = "occupancy <= 12"
for = "2m"
clear_for = "1m"
cooldown = "5m"
max_per_hour = 60
flaps = 60
[[alert]]
name = "data-gap"
kind = "data"
"""
LAYOUT = Layout.model_validate(
    tomllib.loads("""
version = "1"
effective_from = 2026-03-02
time_zone = "Europe/Lisbon"
[[sensor]]
id = "door"
line = [{ number = 1 }]
""")
)
MINUTES = 150


@pytest.fixture
def clock():
    Hands.moment = [float(NOON)]
    return Hands()


def naive(changes: dict[int, float]) -> Iterator[tuple[str, int]]:
    """What the rule says of a number that changes at these moments, written as plainly as it can be."""
    inside, quiet = 0.0, 0
    pending: int | None = None
    clear: int | None = None
    firing = False
    for at, change in sorted(changes.items()):
        if not firing and pending is not None and at >= max(pending + 120, quiet):
            yield "firing", max(pending + 120, quiet)
            firing, clear = True, None
        elif firing and clear is not None and at >= clear + 60:
            yield "resolved", clear + 60
            firing, pending, quiet = False, None, clear + 360
        inside = max(0.0, inside + change)
        if firing:
            clear = None if inside > 12 else clear or at
        else:
            pending = None if inside < 14 else pending or at


async def test_a_simulated_store_is_told_in_time(tmp_path, clock):
    """Two and a half hours of shoppers: a crowd is raised and over at just the seconds that its rows say."""
    async with open_store(Scenario.model_validate(SCENARIO), clock.now) as store, agent(tmp_path, store, clock) as made:
        collector, _, buffer = made
        watching = await watch(buffer, clock)
        for _ in range(MINUTES):
            await ticks(collector, clock, 1)
            await watching()
        rows = [row for row in await buffer.rows_since(NOON) if row.origin is Origin.LIVE and row.place == "line:1"]
    changes: dict[int, float] = {}
    for row in rows:
        changes[row.end] = changes.get(row.end, 0.0) + (row.value if row.metric == "in" else -row.value)
    told = [(alert.state, alert.at) for alert in read_alerts(tmp_path / "buffer.db") if alert.rule == "crowd"]

    assert len(told) >= 2
    assert told == list(naive(changes))


async def test_a_silent_camera_is_told_and_ends_nothing(tmp_path, clock):
    """Unplugged for twenty minutes: its silence is an alert, what was open is unknown, and neither ends by itself."""
    async with open_store(Scenario.model_validate(SCENARIO), clock.now) as store, agent(tmp_path, store, clock) as made:
        collector, _, buffer = made
        watching = await watch(buffer, clock)
        while not [one for one in read_alerts(buffer.path) if one.rule == "crowd"]:
            await ticks(collector, clock, 1)
            await watching()
        silent_from = int(clock.now())
        await store.cameras["door"].unplug(power=False)
        for _ in range(20):
            await ticks(collector, clock, 1)
            await watching()
        silent_to = int(clock.now())
        await store.cameras["door"].plug()
        for _ in range(4):
            await ticks(collector, clock, 1)
            await watching()
    alerts = [alert for alert in read_alerts(tmp_path / "buffer.db") if alert.at > silent_from]
    gap = [(alert.state, alert.at) for alert in alerts if alert.rule == "data-gap"]
    crowd = [(alert.state, alert.at) for alert in alerts if alert.rule == "crowd"]

    assert gap[0] == ("firing", silent_from + 180)
    assert gap[1][0] == "resolved"
    assert gap[1][1] > silent_to
    assert crowd[0] == ("unknown", silent_from + 180)
    assert [at for state, at in crowd if state == "resolved" and at <= silent_to] == []


async def watch(buffer, clock):
    """The stages behind the rows; the returned function lets them take in what was appended."""
    alarms = Alarms(buffer, LAYOUT, "test", clock, Outgoing(buffer, clock, "test", []))
    await alarms.load({})
    cycle = Cycle(buffer, (LAYOUT,), clock, alarms)
    await cycle.catch_up()
    alarms.use(lambda layout: bound(Rules.model_validate(tomllib.loads(RULES)), layout))

    async def step():
        await cycle.catch_up()
        await alarms.turn()
        await asyncio.sleep(0)

    return step


async def test_between_two_looks_the_stage_sleeps(tmp_path):
    """Under a clock that goes by itself it looks at the agent at once, then once a minute: it never did, and spun."""
    clock, looks, looked, turns = Clock(), [], asyncio.Event(), 0
    buffer = await Buffer.open(tmp_path / "buffer.db", clock, 1 << 30)
    alarms = Alarms(buffer, LAYOUT, "store", clock, Outgoing(buffer, clock, "store", []))
    await alarms.load({})

    async def vitals(now):
        looks.append(now)
        looked.set()
        return []

    async def counted(turn=alarms.turn):
        nonlocal turns
        turns += 1
        await turn()

    alarms.vitals, alarms.turn = vitals, counted
    rules = Rules.model_validate(tomllib.loads(RULES))
    running = asyncio.create_task(alarms.run(lambda: (lambda layout: bound(rules, layout), "")))
    try:
        async with asyncio.timeout(30):
            await looked.wait()
        await asyncio.sleep(0.2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await buffer.close()

    assert 1 <= len(looks) <= 2
    assert turns < 10
