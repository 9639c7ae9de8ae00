"""Cameras that send: nothing is forgotten while nobody takes it, and what was taken is what the oracle says."""

import asyncio
import json
from contextlib import asynccontextmanager

from aiohttp import web

from agent.simulator.store import open_store
from tests.simulator.shops import CAMERA, Hand, scenario

PUSHED = {**CAMERA, "driver": "milesight", "family": "vs125"}
NOON = "2026-11-20T12:00:00+00:00"


class Inbox:
    """Takes messages over HTTP, or answers 503 while it is full."""

    def __init__(self):
        self.taken, self.refused, self.full = [], [], False
        self._came = asyncio.Event()

    async def answer(self, request):
        found = json.loads(await request.read())
        (self.refused if self.full else self.taken).append(found)
        self._came.set()
        return web.Response(status=503 if self.full else 200)

    async def until(self, claim):
        async with asyncio.timeout(20):
            while not claim():
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def sending(**push):
    """A store whose camera sends to an inbox every minute."""
    inbox, clock = Inbox(), Hand(NOON)
    runner = web.ServerRunner(web.Server(inbox.answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    plan = scenario({**PUSHED, "push": {"url": f"http://{host}:{port}/push/door/secret", **push}})
    async with open_store(plan, clock) as store:
        plans = asyncio.create_task(store.follow_plans(clock.sleep))
        await settled()
        try:
            yield inbox, clock, store.cameras["door"]
        finally:
            plans.cancel()
            await asyncio.wait([plans])
            await runner.cleanup()


async def settled():
    """Whoever can go on has gone on and waits for the clock again."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def minutes(clock, count):
    """Let so many minutes pass, one by one."""
    for _ in range(count):
        clock.move(60)
        await settled()


def starts(messages):
    return [message["time_info"]["start_time"][11:16] for message in messages]


async def test_every_period():
    """A message a minute, and the oracle has the counts of each."""
    async with sending() as (inbox, clock, camera):
        await minutes(clock, 3)
        await inbox.until(lambda: len(inbox.taken) == 3)
        served = camera.served.rows()

    told = [line["total"]["in"] for message in inbox.taken for line in message["line_periodic_data"]]
    assert starts(inbox.taken) == ["12:00", "12:01", "12:02"]
    assert [row[5] for row in served if row[2] == "in"] == told


async def test_nobody_takes_it():
    """What is refused is kept, sent again in its order, and says that it is sent again."""
    async with sending() as (inbox, clock, _):
        inbox.full = True
        for tries in range(1, 4):
            await minutes(clock, 1)
            await inbox.until(lambda tries=tries: len(inbox.refused) == tries)
        inbox.full = False
        await minutes(clock, 1)
        await inbox.until(lambda: len(inbox.taken) == 4)

    assert set(starts(inbox.refused)) == {"12:00"}
    assert starts(inbox.taken) == ["12:00", "12:01", "12:02", "12:03"]
    assert [message.get("isRetransmission", False) for message in inbox.taken] == [True, False, False, False]


async def test_cable_and_power():
    """Without a network it keeps counting and tells later; of the time without power it tells nothing."""
    async with sending() as (inbox, clock, camera):
        await camera.unplug()
        await minutes(clock, 2)
        await camera.plug()
        await minutes(clock, 1)
        await inbox.until(lambda: len(inbox.taken) == 3)
        await camera.unplug(power=True)
        await minutes(clock, 2)
        await camera.plug()
        await minutes(clock, 1)
        await inbox.until(lambda: len(inbox.taken) == 4)

    assert starts(inbox.taken) == ["12:00", "12:01", "12:02", "12:05"]


async def test_a_lost_answer():
    """A message that arrived is sent again where its answer was lost."""
    async with sending(twice=1.0) as (inbox, clock, _):
        await minutes(clock, 1)
        await inbox.until(lambda: len(inbox.taken) == 2)

    first, again = inbox.taken
    assert again.pop("isRetransmission") is True
    assert first == again
