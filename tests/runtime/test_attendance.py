"""Staff entered by hand: kept and sent as a row, over socket and page; what the premium zone's rule makes of it."""

from __future__ import annotations

import asyncio
import tomllib

import pytest
from aiohttp import web

from agent.alerts.binding import bound
from agent.alerts.rules import Rules
from agent.buffer.buffer import Buffer
from agent.commands.count import ask
from agent.contract import wire
from agent.contract.layout import Layout
from agent.contract.observation import Observation, Origin, Quality
from agent.runtime import replay
from agent.runtime.alarms import Alarms
from agent.runtime.attendance import Attendance, may_enter
from agent.runtime.cycle import Cycle
from agent.runtime.outgoing import Outgoing
from agent.web.local import local_application
from tests.alerts.living import Hands, clock, read_alerts, recorded
from tests.buffer.samples import drained

SHOP = """
version = "1"
effective_from = 2026-03-01
time_zone = "Europe/Lisbon"
[staffing]
entered = true
[[sensor]]
id = "eye"
tells = ["occupancy"]
region = [{ number = 1 }]
[[sensor]]
id = "tags"
tells = ["occupancy", "staff"]
region = [{ number = 1 }]
[[zone]]
name = "watches"
purpose = "premium"
places = ["eye/region:1"]
[[zone]]
name = "rings"
purpose = "premium"
places = ["tags/region:1"]
"""
LAYOUT = Layout.model_validate(tomllib.loads(SHOP))
NOBODY = LAYOUT.model_copy(update={"staffing": LAYOUT.staffing.model_copy(update={"entered": False})})
RULES = """
[[alert]]
name = "unattended"
scope = "zone"
purposes = ["premium"]
places = ["watches"]
when = "staff == 0 and occupancy > 0"
for = "5m"
[[alert]]
name = "long-alone"
scope = "zone"
places = ["watches"]
when = "unattended_seconds > 480"
[[alert]]
name = "data-gap"
kind = "data"
"""


def rules(layout):
    return bound(Rules.model_validate(tomllib.loads(RULES)), layout)


@pytest.fixture
async def buffer(tmp_path):
    Hands.moment = float(clock("11:00"))
    opened = await Buffer.open(tmp_path / "buffer.db", Hands(), 10**8)
    yield opened
    await opened.close()


def customers(start, present):
    return [
        Observation(eye, "region:1", "occupancy", start, start + 60, present, Origin.LIVE, Quality.MEASURED)
        for eye in ("eye", "tags")
    ]


def entered(row):
    return row.place, row.metric, row.start, row.value


async def lived(buffer, script, first, last):
    """Minute by minute; `script` has the staff that is entered in the minute at a time. Returns the page's figure."""
    attendance = Attendance(buffer, (LAYOUT,), Hands())
    alarms = Alarms(buffer, LAYOUT, "test", Hands(), Outgoing(buffer, Hands(), "test", []))
    await alarms.load({})
    cycle = Cycle(buffer, (LAYOUT,), Hands(), alarms)
    await cycle.catch_up()
    alarms.use(rules)
    shown = {}
    for start in range(clock(first), clock(last), 60):
        for at, persons in script.items():
            if clock(at) == start:
                Hands.moment = start + 30.0
                await attendance.enter("watches", persons)
        Hands.moment = start + 60.4
        await buffer.append(customers(start, 2.0))
        await cycle.catch_up()
        await alarms.turn()
        staff = cycle.now.get(("staff", "zone:watches"))
        shown[start] = None if staff is None else staff.value
    return shown


async def test_an_entry_is_a_row_that_goes_to_headquarters(buffer):
    """Two in one second keep their order, and a lower number is an entry like any other, no device's second reading."""
    attendance = Attendance(buffer, (LAYOUT,), Hands())
    for persons in (3, 1, 0):
        await attendance.enter("watches", persons)
    sent = [
        row
        async for one in drained(buffer)
        if one.schema_ == wire.OBSERVATIONS
        for _, row in wire.read_observations(one)
    ]

    at = clock("11:00")
    assert [entered(row) for row in sent] == [("zone:watches", "staff", at + i, n) for i, n in enumerate((3, 1, 0))]
    assert {(row.sensor, row.origin, row.by_hand) for row in sent} == {("store", Origin.PUSH, True)}


async def test_customers_without_staff_are_told(buffer):
    """Nothing before an entry, five minutes after nobody is there, over once somebody is; kept over starts."""
    shown = await lived(buffer, {"11:10": 1, "11:20": 0}, "11:00", "11:22")
    assert (shown[clock("11:09")], shown[clock("11:10")], shown[clock("11:20")]) == (None, 1.0, 0.0)
    await lived(buffer, {"11:40": 1}, "11:22", "11:50")

    told = [(one.rule, one.state, one.at) for one in read_alerts(buffer.path)]
    assert told == [
        ("unattended", "firing", clock("11:25") + 31),
        ("long-alone", "firing", clock("11:29")),
        ("long-alone", "resolved", clock("11:41")),
        ("unattended", "resolved", clock("11:41") + 31),
    ]


async def test_a_recording_with_entries_tells_the_same(buffer):
    """Staff entered by hand is history like everything else."""
    await lived(buffer, {"11:10": 1, "11:20": 0, "11:40": 1}, "11:00", "11:50")
    rows = [row for row in await buffer.rows_since(0) if row.origin is not Origin.EDGE]
    found = await replay.lived(recorded(rows), (LAYOUT,), rules, since=0, until=clock("11:50"))

    assert [(step.rule, step.state) for step in found.transitions] == [
        (one.rule, one.state) for one in read_alerts(buffer.path)
    ]


async def test_the_next_day_nobody_is_to_blame_that_nothing_was_entered(buffer):
    """Yesterday's entry is no news of today: the rule is unknown, and no sensor is called silent for it."""
    await lived(buffer, {"11:10": 1}, "11:00", "11:15")
    Hands.moment = float(clock("11:00") + 86400)
    again = Attendance(buffer, (LAYOUT,), Hands())
    alarms = Alarms(buffer, LAYOUT, "test", Hands(), Outgoing(buffer, Hands(), "test", []))
    await alarms.load({})
    cycle = Cycle(buffer, (LAYOUT,), Hands(), alarms)
    await cycle.catch_up()
    alarms.use(rules)
    for minute in range(20):
        Hands.moment = clock("11:00") + 86400 + 60.4 + 60 * minute
        await buffer.append(customers(int(Hands.moment) - 60, 2.0))
        await cycle.catch_up()
        await alarms.turn()

    assert ("staff", "zone:watches") not in cycle.now
    assert {one.rule for one in read_alerts(buffer.path) if one.state == "firing"} <= {"data-gap"}
    assert [one.scope for one in read_alerts(buffer.path) if one.scope.startswith("zone:")] == []
    await again.enter("watches", 2)
    await cycle.catch_up()
    assert cycle.now["staff", "zone:watches"].value == 2.0


@pytest.mark.parametrize(
    ("layout", "zone", "staff", "told"),
    [
        (LAYOUT, "watchs", 1, "there is no zone watchs .*there is watches"),
        (LAYOUT, "rings", 1, "there is no zone rings"),  # its device tags staff
        (LAYOUT, "watches", -1, "whole number"),
        (LAYOUT, "watches", 101, "0 to 100"),
        (LAYOUT, "watches", 1.5, "whole number"),
        (NOBODY, "watches", 1, r"\[staffing\] entered = true"),
    ],
)
async def test_what_cannot_be_entered_is_refused(buffer, layout, zone, staff, told):
    """With what to write instead."""
    with pytest.raises(ValueError, match=told):
        await Attendance(buffer, (layout,), Hands()).wish({"zone": zone, "staff": staff})


def test_the_rule_is_refused_where_nobody_enters_staff():
    """With just that reason; and of a zone whose device tags staff nobody is asked."""
    (reason,) = {one.reason for one in rules(NOBODY).refused if one.scope == "zone:watches"}

    assert "no device here tags staff and nobody enters" in reason
    assert rules(LAYOUT).refused == ()
    assert [zone.name for zone in may_enter(LAYOUT)] == ["watches"]


async def test_the_command_line_enters_over_the_socket(buffer, tmp_path):
    """The running agent writes; who asks gets what it wrote."""
    attendance = Attendance(buffer, (LAYOUT,), Hands())
    runner = web.AppRunner(local_application(web.Application(), {"staff": attendance.wish}))
    await runner.setup()
    socket = tmp_path / "agent.sock"
    await web.UnixSite(runner, str(socket)).start()

    answer = await ask(socket, "staff", {"zone": "watches", "staff": 2})

    assert answer == {"zone": "watches", "staff": 2, "since": "2026-03-02T11:00:00Z"}
    assert [row.value for row in await buffer.rows_since(0)] == [2.0]
    await asyncio.wait_for(runner.cleanup(), 5)
