from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from agent.simulator.store import serve
from tests.simulator.shops import (
    CAMERA,
    COUNTERS,
    HEAT,
    LINES,
    REGIONS,
    Hand,
    between,
    day,
    rows,
    running,
    scenario,
)

EVERYTHING = {
    **CAMERA,
    "heat": True,
    "line": [{"number": 1, "counts": "door:main", "miss_in": 0.1}, {"number": 4, "counts": "corridor"}],
    "region": [{"number": 1, "watches": "zone:shoes"}, {"number": 2, "watches": "window"}],
}
NOON = between(LINES, "2026-11-20-12:00:00", "2026-11-20-12:59:59")


def read(body, kind):
    """The rows as a plain client understands them, on a day when Lisbon is on UTC."""
    found = {}
    for row in rows(body):
        start = int(datetime.fromisoformat(row["StartTime"].replace("/", "-")).replace(tzinfo=UTC).timestamp())
        end = int(datetime.fromisoformat(row["EndTime"].replace("/", "-")).replace(tzinfo=UTC).timestamp()) + 1
        for name, value in row.items():
            if name not in ("StartTime", "EndTime") and not name.endswith("Sum"):
                found[kind, *place_of(name), start, end] = int(value)
    return found


def place_of(name):
    where, _, way = name.lower().partition(" - ")
    if where == "value(s)":
        return "sensor", "person_seconds"
    if where.startswith("region"):
        return f"region:{where[-1]}", "visits"
    return ("sensor" if where == "tolal" else f"line:{where[-1]}"), way


async def test_the_truth_is_what_a_client_read():
    """Every value of every answer, and nothing else: no Sum, no hour that has not begun."""
    async with running(scenario(EVERYTHING)) as store:
        expected = {}
        for kind, query in (("lines", LINES), ("regions", REGIONS), ("heat", HEAT)):
            for date in ("2026-11-19", "2026-11-20"):
                expected |= read((await store.get(day(query, date))).text, kind)
        truth = await store.truth()
        now = store.clock()

    told = {tuple(row[:5]): row[5] for row in truth["rows"]}
    assert told == {key: value for key, value in expected.items() if key[3] <= now}
    assert len(told) == len(truth["rows"]) == 39 * (10 + 4 + 1)
    assert all(row[6] == (row[4] <= now) and row[7] == now for row in truth["rows"])


async def test_a_running_hour_is_not_finished_until_it_is_read_again():
    """The truth keeps the last value served, and whether the hour was over by then."""
    async with running(scenario(), Hand("2026-11-20T12:30:00+00:00")) as store:
        await store.get(NOON)
        half = _in(await store.truth())
        store.clock.move(1801)
        unread = _in(await store.truth())
        await store.get(NOON)
        whole = _in(await store.truth())

    assert half == unread
    assert [half[6], whole[6]] == [False, True]
    assert half[5] < whole[5]
    assert whole[7] == half[7] + 1801


def _in(truth):
    (row,) = [row for row in truth["rows"] if row[1:3] == ["line:1", "in"]]
    return row


async def test_counters_are_kept_as_they_were_served():
    """The last answer, with its time."""
    async with running(scenario()) as store:
        assert (await store.truth())["counters"] == {}
        body = (await store.get(f"{COUNTERS}&format=inf")).text
        served_at = store.clock()
        store.clock.move(60)
        told = (await store.truth())["counters"]

    counters = dict(line.split("=") for line in body.splitlines())
    assert told["in"] == int(counters["current_in_count"])
    assert told["capacity"] == int(counters["current_capacity_count"])
    assert told["served_at"] == served_at


async def test_what_really_happened_is_told_on_request():
    """Before misses and inversion, each drawn line by the hour."""
    line = {"number": 1, "counts": "door:main", "inverted": True, "miss_in": 0.5, "miss_out": 0.5}
    async with running(scenario({**CAMERA, "line": [line]}, CAMERA | {"id": "exact"})) as store:
        await store.get(NOON)
        exact = read((await store.get(NOON, "exact")).text, "lines")
        happened = (await store.truth("?happened=1&camera=door"))["happened"]

    start = next(iter(exact))[3]
    for metric in ("in", "out"):
        assert [
            "line:1",
            metric,
            start,
            start + 3600,
            exact["lines", "line:1", metric, start, start + 3600],
        ] in happened
    assert len(happened) == 2 * (10 * 24 + 15)


@pytest.mark.parametrize(
    ("command", "body", "status"),
    [
        ("unplug", {"camera": "nobody"}, 404),
        ("unplug", {"camera": "door", "power": "perhaps"}, 400),
        ("fault", {"camera": "door", "kind": "fire", "on": True}, 400),
        ("fault", {"camera": "door", "on": True}, 400),
        ("plug", {"cable": "long"}, 400),
        ("clear", {"camera": "door"}, 200),
        ("fault", {"camera": "door", "kind": "unplugged", "on": True}, 200),
    ],
)
async def test_a_command_is_checked(command, body, status):
    """What it does not understand it says."""
    async with running(scenario()) as store:
        assert await store.tell(command, **body) == status


async def test_a_command_too_large_is_refused():
    """The control server reads 16 kB and no more."""
    async with running(scenario()) as store:
        assert await store.tell("plug", camera="x" * 20_000) == 413


async def test_a_store_serves_until_it_is_cancelled():
    """`ready` is told where everything listens, and afterwards nothing listens any more."""
    addresses = asyncio.get_running_loop().create_future()
    clock = Hand()
    task = asyncio.create_task(serve(scenario(), clock, clock.sleep, ready=addresses.set_result))
    host, _, port = (await addresses)["cameras"]["door"].partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    writer.close()

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
