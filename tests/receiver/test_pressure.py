"""A flood, and a database that stands still: what waits is bounded, nothing is lost, the others go on."""

from __future__ import annotations

import asyncio
import contextlib

import psutil
import pytest

from agent.contract import caps, wire
from cloud_receiver.ingest.inbox import MOST_OF_ONE
from tests.receiver.hq import START, row, rows

pytestmark = pytest.mark.timeout(120)

FLAT = 20_000_000  # bytes; 100 batches of 1,000 rows are 35 MB once read


@contextlib.contextmanager
def standing(hq):
    """PostgreSQL stopped in its tracks, every process of it."""
    postmaster = psutil.Process(hq.postmaster)
    stopped = [*postmaster.children(recursive=True), postmaster]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


async def test_a_database_that_stands_still_costs_time_and_no_memory(alone):
    """Nothing is acknowledged meanwhile, the broker holds back, and afterwards all is committed once."""
    hq, _ = alone(5)
    hq.start()
    receiver = psutil.Process(hq.process.pid)
    async with hq.device() as device:
        await device.send(device.batch([(1, 1000)], rows(1000)))
        before = receiver.memory_info().rss
        payloads = [
            device.batch([(1000 * k + 1, 1000 * k + 1000)], rows(1000, START + 60_000 * k)) for k in range(1, 101)
        ]
        with standing(hq):
            for payload in payloads:
                await device.publish("batch", payload)
            await asyncio.sleep(1)
            grown = receiver.memory_info().rss - before
            early = [await device.answer() for _ in range(device.waiting)]
        left = {wire.sha_of(payload): payload for payload in payloads}
        while left:  # one at a time, as who was told `retry` does once it waited
            sha, payload = next(iter(left.items()))
            if (await device.send(payload))["st"] in ("committed", "duplicate"):
                del left[sha]

        assert grown < FLAT
        assert {answer["st"] for answer in early} <= {"retry"}
        assert await device.coverage() == [(1, 101_000)]
        assert receiver.memory_info().rss - before < 2 * FLAT
    assert await asyncio.to_thread(hq.stop) == 0


async def test_a_flood_is_turned_away_at_once_and_the_others_are_served(alone):
    """`retry` with a pause, never held; what was turned away is committed when it is sent again in time."""
    hq, _ = alone(5)
    hq.configuration.write_text(hq.configuration.read_text() + "[limits]\ncredit_rows_s = 10\ncredit_bytes_s = 1000\n")
    hq.start()
    async with hq.device() as flood, hq.device() as normal:
        batches = [flood.batch([(k, k)], [row(1.0, start=START + 60 * k)]) for k in range(1, 201)]
        for payload in batches:
            await flood.publish("batch", payload)
        assert (await normal.send(normal.batch([(1, 1)], rows(1))))["st"] == "committed"
        sent = {wire.sha_of(payload): payload for payload in batches}
        while (first := await flood.answer())["st"] != "retry":
            assert first["st"] == "committed"
        turned_away = sent[first["sha"]]

        assert first["credit"]["pause_s"] >= 1
        assert first["id"] == caps.parse_json(turned_away)["id"]
        while (answer := await flood.send(turned_away))["st"] == "retry":  # noqa: ASYNC110 - a pause we are told
            await asyncio.sleep(answer["credit"]["pause_s"])  # what a device does
        assert answer["st"] == "committed"
    assert await asyncio.to_thread(hq.stop) == 0


async def test_of_a_flood_no_more_is_committed_before_the_others_than_one_device_may_have(alone):
    """Poured in while PostgreSQL stands still, ahead of ten normal devices, whose batches find a place all the same."""
    hq, _ = alone(5)
    hq.start()
    async with hq.device() as flood, contextlib.AsyncExitStack() as stack:
        normals = [await stack.enter_async_context(hq.device()) for _ in range(10)]
        await flood.send(flood.batch([(1, 1)], rows(1)))
        with standing(hq):
            for k in range(2, 1002):
                await flood.publish("batch", flood.batch([(k, k)], [row(1.0, start=START + 60 * k)]))
            for normal in normals:
                await normal.publish("batch", normal.batch([(1, 1)], rows(1)))
        answers = [await normal.answer() for normal in normals]
        committed = sum(last - first + 1 for first, last in await flood.coverage())

    assert {answer["st"] for answer in answers} == {"committed"}
    assert committed <= 1 + MOST_OF_ONE
    assert await asyncio.to_thread(hq.stop) == 0


async def test_a_batch_that_can_never_be_stored_does_not_take_its_group_with_it(device):
    """The group is halved until it stands alone; the others of the same transaction are committed."""
    poison = device.batch([(3, 3)], [row(metric="i\0n")])
    payloads = [device.batch([(1, 1)], [row(1.0)]), poison, device.batch([(2, 2)], [row(2.0, start=START + 60)])]
    for payload in payloads:
        await device.publish("batch", payload)
    fates = {(answer := await device.answer())["sha"]: answer["st"] for _ in payloads}
    assert fates == {
        wire.sha_of(payloads[0]): "committed",
        wire.sha_of(poison): "rejected",
        wire.sha_of(payloads[2]): "committed",
    }
    assert [r[7] for r in await device.rows()] == [1, 2]


async def test_backlog_beyond_its_credit_leaves_the_fresh_lane_alone(alone):
    """What a store catches up with is held back; what happens there now is committed."""
    hq, _ = alone(5)
    hq.configuration.write_text(hq.configuration.read_text() + "[limits]\ncredit_rows_s = 10\n")
    hq.start()
    async with hq.device() as device:
        assert (await device.send(device.batch([(1, 1000)], rows(1000)), "backlog"))["st"] == "committed"
        held = await device.send(device.batch([(1001, 1001)], [row(1.0, place="line:2")]), "backlog")
        fresh = await device.send(device.batch([(1002, 1002)], [row(1.0, place="line:3")]))
    assert (held["st"], held["err"], fresh["st"]) == ("retry", "over its credit", "committed")
    assert held["credit"]["pause_s"] > 0
    assert await asyncio.to_thread(hq.stop) == 0
