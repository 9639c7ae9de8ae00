"""Who is there, how it does, and whether its counters agree with what arrived."""

from __future__ import annotations

import asyncio
import json

from agent.contract.messages import Birth
from cloud_receiver.database import health, registry, writers
from cloud_receiver.database.pool import open_pool
from cloud_receiver.database.registry import Born
from tests.receiver.hq import row, rows


def health_of(**more) -> bytes:
    told = {"ts": "2026-11-20T07:15:02Z", "boot": 3, "epoch": "e1", "created": 9, "acked": 0, "void": 0, "dropped": 0}
    told |= {"buffer_bytes": 1, "buffer_cap": 2, "fresh": {"rows": 0}, "backlog": {"rows": 0}, "sensors": []}
    return json.dumps(told | {"kernels": "numba", "rss_mb": 60.0} | more).encode()


async def until(hq, question, device, wanted) -> None:
    """Wait for what has no answer to wait for."""
    while (found := await hq.ask(question, device.branch.device)) != wanted:
        assert not found or len(found) == len(wanted)
        await asyncio.sleep(0.05)


def birth_of(device, **more) -> Born:
    told = {"device": device.branch.device, "epoch": "e1", "boot": 1, "run": "r", "highest": 0, "version": "1"}
    told |= {"tz": "UTC", "sensors": ["door-1"], "schemas": [], "ts": "2026-11-20T07:15:02Z"}
    return Born(more.pop("tenant", device.branch.tenant), Birth.model_validate(told | more))


async def test_births_that_come_together_are_greeted_in_one_transaction_each_with_its_own(hq):
    """Coverage by epoch, also of two that share a name; a stranger gets none; an older boot changes nothing."""
    async with hq.device() as one, hq.device() as two, hq.device(known=False) as stranger, open_pool(hq.url) as pool:
        await one.send(one.batch([(1, 3)], rows(3), void=[(7, 8)]))
        together = [
            birth_of(one, boot=5),
            birth_of(one, epoch="e2", boot=4, sensors=["door-2", "door-1"]),
            birth_of(two),
            birth_of(stranger),
            birth_of(two, tenant="somebody-else"),
        ]
        held = await registry.greet(pool, together, 1_774_000_000)
        [(store,)] = await hq.ask("SELECT store FROM devices WHERE device = $1", one.branch.device)
        sensors = await hq.ask("SELECT sensor FROM sensors WHERE store = $1 ORDER BY 1", store)
        states = await hq.ask("SELECT boot, epoch FROM device_state WHERE device = $1", one.branch.device)
    assert held == [[(1, 3), (7, 8)], [], [], None, None]
    assert sensors == [("door-1",), ("door-2",)]
    assert states == [(5, "e1")]


async def test_a_birth_that_can_never_be_stored_does_not_take_the_others_with_it(hq):
    """It is set aside; who was born at the same moment hears its hello."""
    async with hq.device() as poison, hq.device() as good:
        for device, version in ((poison, "1\0"), (good, "1")):
            await device.publish("birth", birth_of(device, version=version).birth.payload())
        assert (await good.answer())["st"] == "hello"
        aside = "SELECT device FROM quarantine WHERE device = $1"
        await until(hq, aside, poison, [(poison.branch.device,)])
        assert not poison.waiting


STATE = "SELECT boot, st FROM device_state WHERE device = $1"


async def test_the_will_of_an_older_boot_is_ignored(hq, device):
    """A broker may speak it after the device is back."""

    async def say(st, boot):
        state = {"st": st, "boot": boot, "ts": "2026-11-20T07:15:02Z", "run": f"r{boot}"}
        await device.publish("state", json.dumps(state).encode())

    await say("online", 7)
    await until(hq, STATE, device, [(7, "online")])
    await say("offline", 6)
    await say("offline", 7)
    await until(hq, STATE, device, [(7, "offline")])
    await say("online", 8)
    await say("offline", 7)
    await say("online", 9)
    await until(hq, STATE, device, [(9, "online")])


async def test_health_is_kept_latest_and_hourly(hq, device):
    """The last word counts, the past is thinned to one an hour; a stranger's is not kept."""
    for created in (9, 10, 11):
        await device.publish("health", health_of(created=created))
    await until(hq, "SELECT (health->>'created')::int FROM device_health WHERE device = $1", device, [(11,)])
    hours = await hq.ask("SELECT count(*) FROM device_health_hours WHERE device = $1", device.branch.device)
    assert hours[0][0] in (1, 2)  # the hour may have ended in between


async def test_counters_that_disagree_with_coverage_are_told(hq):
    """Once a day: what a device believes acknowledged and HQ does not have, and numbers that are nowhere."""
    async with hq.device() as good, hq.device() as forgotten, hq.device() as missing, open_pool(hq.url) as pool:
        for device in (good, forgotten, missing):
            await device.send(device.batch([(1, 3)], rows(3), void=[(4, 4)]))
        await good.publish("health", health_of(acked=3, created=6, last_number=6, fresh={"rows": 2}))
        await forgotten.publish("health", health_of(acked=9, created=9, last_number=9))
        await missing.publish("health", health_of(acked=3, created=9, last_number=9, fresh={"rows": 1}))
        for device in (good, forgotten, missing):
            await until(hq, "SELECT count(*) FROM device_health WHERE device = $1", device, [(1,)])
        [(now,)] = await hq.ask("SELECT max(received) FROM device_health")
        found = {each.device: each.text for each in await health.compare(pool, now)}
        again = await health.compare(pool, now)

    assert good.branch.device not in found
    assert "5 numbers of this epoch are not here, and only 0 wait" in found[forgotten.branch.device]
    assert "5 numbers of this epoch are not here, and only 1 wait" in found[missing.branch.device]
    assert again == []


async def test_two_that_write_one_sensor_are_told(hq, device):
    """Two copies of a device, each in its own epoch; one that changed its epoch is not two."""
    for epoch in ("e1", "e2"):
        device.epoch = epoch
        await device.send(device.batch([(1, 1)], [row(1.0)]))
    async with open_pool(hq.url) as pool:
        seen = await hq.ask(
            "SELECT w.store, w.sensor, w.epoch, w.last_seen FROM sensor_writers AS w JOIN epochs ON ordinal = w.epoch"
            " WHERE device = $1 ORDER BY epoch",
            device.branch.device,
        )
        store, sensor, first, at = seen[0]
        mine = lambda found: [pair for pair in found if pair.store == device.branch.store]  # noqa: E731 - short
        assert mine(await writers.at_once(pool, at)) == []
        await writers.see(pool, [writers.Writer(store, sensor, first)], at + 120)
        [pair] = mine(await writers.at_once(pool, at + 120))
        assert (pair.sensor, pair.one, pair.other) == ("door-1", device.branch.device, device.branch.device)
        assert mine(await writers.at_once(pool, at + 3600)) == []
