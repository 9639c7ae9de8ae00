"""A device with a good certificate that turns against headquarters: it reaches nobody else's numbers."""

from __future__ import annotations

import asyncio
import re

import pytest

from agent.contract import wire
from agent.contract.topics import Branch
from agent.enrol import identity
from agent.foundation.mqtt import Link, LinkSettings, Message
from tests.receiver.hq import Device, rows

pytestmark = pytest.mark.timeout(120)


class Enrolled(Device):
    """The tests' device, over TLS."""

    def __init__(self, network, name: str) -> None:
        super().__init__(network.hq, Branch("acme", "s1", name))
        store = network.store(name)
        ended = store.enrol(network.url, "--code", network.code(name))
        assert ended.returncode == 0, ended.stderr
        self.tls = identity.tls_of(store.identity)
        self._link.settings = LinkSettings("127.0.0.1", network.mqtt, f"{name}-1", tls=self.tls, reconnect_cap=0.2)


async def test_batches_travel_over_tls(network):
    """Enrolled at one end, configured by broker-config at the other: committed and answered."""
    async with Enrolled(network, "dev-x") as device:
        answer = await device.send(device.batch([(1, 2)], rows(2)))
    assert answer["st"] == "committed"


async def test_the_group_of_the_workers_has_a_name_that_nobody_knows(network):
    """Mosquitto lets anybody into a shared subscription, and what falls to an intruder falls on the floor."""
    intruder = Enrolled(network, "dev-y")
    joined = asyncio.Event()
    link = Link(
        LinkSettings("127.0.0.1", network.mqtt, "intruder", tls=intruder.tls),
        subscriptions=[("$share/ingest/footfall/v1/acme/+/+/batch", 1), ("$share/ingest/#", 1)],
        on_up=joined.set,
    )
    running = asyncio.create_task(link.run())
    await joined.wait()
    async with Enrolled(network, "dev-z") as device:
        for number in range(1, 21):
            payload = device.batch([(number, number)], rows(1, start=1_774_000_020 + 60 * number))
            async with asyncio.timeout(20):
                assert (await device.send(payload))["st"] == "committed"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (name,) = (await network.hq.ask("SELECT name FROM share"))[0]
    assert re.fullmatch("ingest-[0-9a-f]{32}", name)


async def test_what_a_revoked_device_sends_is_not_taken(network):
    """Also where a broker was not told yet: the receiver itself takes nothing of it."""
    async with Enrolled(network, "dev-q") as device:
        await device.send(device.batch([(1, 2)], rows(2)))
        await device.hq.ask("UPDATE devices SET revoked = 1 WHERE device = 'dev-q'")
        payload = device.batch([(3, 4)], rows(2, start=1_774_100_000))
        answer = await device.send(payload)
    assert (answer["st"], answer["err"]) == ("retry", "revoked: nothing of this device is taken any more")
    assert wire.sha_of(payload) == answer["sha"]


async def test_a_batch_of_another_is_denied_by_the_broker(network):
    """PUBACK 0x87; nothing comes to the receiver."""
    async with Enrolled(network, "dev-o") as device:
        reason = await device._link.publish(Message("footfall/v1/acme/s1/dev-x/batch", b"{}"))
    assert reason == 0x87
