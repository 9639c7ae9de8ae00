"""Several machines share the work: one of them killed again and again strands nothing."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from agent.contract import wire
from cloud_receiver.database.server import Server
from tests.receiver.hq import START, row
from tests.receiver.mosquitto import Mosquitto, free_port
from tests.receiver.test_desk import get
from tests.receiver.test_life import configure
from tests.receiver.test_workers import until_answered

pytestmark = pytest.mark.timeout(90)

BATCHES = 120
KILLS = 5


def committed(port: int) -> float:
    """How many batches a receiver committed in this life."""
    counted = [line for line in get(port, "/metrics")[1].splitlines() if 'fate="committed"' in line and "total" in line]
    return sum(float(line.rpartition(" ")[2]) for line in counted)


@pytest.fixture
async def hosts(folder):
    """Two receivers with a name and a folder each, on one broker and one database that is neither's."""
    beside = folder / "hosts"
    beside.mkdir()
    server, broker = Server(beside / "pg"), Mosquitto(beside)
    broker.start()
    await server.start()
    made = []
    for name in ("berlin", "porto"):
        (beside / name).mkdir()
        made.append(configure(beside / name, broker.port, server.url, free_port(), name))
    yield made
    for host in made:
        if host.process and host.process.poll() is None:
            host.kill()
    await server.stop()
    broker.kill()


async def test_a_host_killed_again_and_again_strands_nothing(hosts):
    """Each batch is committed once, also those that the broker had given to the dead one; both did their share."""
    steady, dying = hosts
    await asyncio.gather(*(asyncio.to_thread(host.start) for host in hosts))
    assert sorted(await steady.ask("SELECT worker FROM workers")) == [("berlin",), ("porto",)]
    async with steady.device() as device:
        batches = [device.batch([(n, n)], [row(float(n), start=START + 60 * n)]) for n in range(1, BATCHES + 1)]
        work = asyncio.create_task(until_answered(device, {wire.sha_of(b): b for b in batches}))
        for _ in range(KILLS):
            await asyncio.to_thread(dying.kill)
            await asyncio.to_thread(dying.start)
        await work
        assert await device.coverage() == [(1, BATCHES)]
        assert [r[4] for r in await device.rows()] == list(range(1, BATCHES + 1))

        number = BATCHES
        while not (committed(int(port_of(steady))) and committed(int(port_of(dying)))):
            number += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await device.send(device.batch([(number, number)], [row(1.0, start=START + 60 * number)]))
    for host in hosts:
        assert await asyncio.to_thread(host.stop) == 0, host.log


def port_of(host) -> str:
    return host.configuration.read_text().rpartition("port = ")[2]
