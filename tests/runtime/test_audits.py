"""Counts by hand on a real buffer and over the real socket: kept, sent, compared, told."""

from __future__ import annotations

import asyncio

import pytest
import typer
from aiohttp import web

from agent.buffer.buffer import Buffer
from agent.commands.count import ask
from agent.contract.happenings import MANUAL, ManualCount, read_manual
from agent.contract.times import rfc3339
from agent.runtime.audits import Audits
from agent.web.local import local_application
from tests.buffer.samples import drained
from tests.metrics.days import LAYOUT, START, Hands, minutes

COUNT = ManualCount("door-1", "line:1", START + 600, START + 1500, 15, 12)
ASKED = {
    "sensor": "door-1",
    "place": "line:1",
    "from": rfc3339(START + 600),
    "to": rfc3339(START + 1500),
    "in": 15,
    "out": 12,
    "by": "manager",
}


@pytest.fixture
async def buffer(tmp_path):
    Hands.moment = START + 1800.0
    opened = await Buffer.open(tmp_path / "buffer.db", Hands(), 10**8)
    yield opened
    await opened.close()


async def test_a_count_is_kept_sent_and_compared(buffer):
    """In one commit with what it says of the line; a batch of its own kind takes it to headquarters."""
    rows = minutes(0, 30)
    await buffer.append(rows)
    told = sum(r.value for r in rows if r[:3] == ("door-1", "line:1", "in") and 10 <= (r.start - START) // 60 < 25)

    found = await Audits(buffer, (LAYOUT,), Hands()).enter(COUNT)

    assert found.entered == told
    sent = [read_manual(one) async for one in drained(buffer) if one.schema_ == MANUAL]
    assert [count for ((_, count),) in sent] == [COUNT]


async def test_what_the_line_tells_later_is_compared_later(buffer):
    """A count just ended: the camera's minutes come after it, and a restart in between loses nothing."""
    await Audits(buffer, (LAYOUT,), Hands()).enter(COUNT)
    again = Audits(buffer, (LAYOUT,), Hands())
    assert await again.accuracies() == []

    await buffer.append(minutes(0, 30))
    Hands.moment += 61

    assert [one.way for one in await again.accuracies()] == ["in", "out"]
    assert await Audits(buffer, (LAYOUT,), Hands()).accuracies() == await again.accuracies()


async def test_a_count_entered_twice_counts_once(buffer):
    """The second mends the first."""
    await buffer.append(minutes(0, 30))
    audits = Audits(buffer, (LAYOUT,), Hands())
    await audits.enter(COUNT._replace(entered=99))
    await audits.enter(COUNT)

    assert [one.by_hand for one in await audits.accuracies()] == [15, 12]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sensor": "door-9"}, "no line door-9 line:1; it has door-1 line:1, door-1 line:2, door-2 line:1"),
        ({"to": rfc3339(START + 600)}, "no stretch that somebody counts"),
        ({"to": rfc3339(START + 3600)}, "still to come"),
        ({"from": "2026-03-17T04:10:00"}, "has no zone"),
        ({"in": -1}, "in and out are whole numbers"),
        ({"out": 1.5}, "in and out are whole numbers"),
    ],
)
async def test_what_cannot_be_is_refused(buffer, wrong, told):
    """With what to write instead."""
    with pytest.raises(ValueError, match=told):
        await Audits(buffer, (LAYOUT,), Hands()).wish(ASKED | wrong)


async def test_the_command_line_asks_over_the_socket(buffer, tmp_path, capsys):
    """The answer comes back, a refusal ends the command with its reason, and so does an agent that is not there."""
    await buffer.append(minutes(0, 30))
    audits = Audits(buffer, (LAYOUT,), Hands())
    runner = web.AppRunner(local_application(web.Application(), {"count": audits.wish}))
    await runner.setup()
    socket = tmp_path / "agent.sock"
    await web.UnixSite(runner, str(socket)).start()

    answer = await ask(socket, "count", ASKED)
    assert answer["told"]["in"] is not None
    assert {one["way"] for one in answer["accuracy"]} == {"in", "out"}

    with pytest.raises(typer.Exit):
        await ask(socket, "count", ASKED | {"place": "line:7"})
    await asyncio.wait_for(runner.cleanup(), 5)
    with pytest.raises(typer.Exit):
        await ask(socket, "count", ASKED)
    said = capsys.readouterr().err
    assert "there is no line" in said or "no line door-1 line:7" in said
    assert "the agent does not answer" in said
