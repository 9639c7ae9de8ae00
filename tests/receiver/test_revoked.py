"""A device that was shut out: nothing of it is written, it is told, and an operator sees that it still tries."""

from __future__ import annotations

import asyncio
import json

from tests.receiver.hq import START, row, rows
from tests.receiver.test_greeting import health_of, until
from tests.receiver.test_ingest import birth

WRITTEN = """
SELECT (SELECT count(*) FROM observations WHERE device = $1), (SELECT count(*) FROM device_health WHERE device = $1),
       (SELECT count(*) FROM device_state WHERE device = $1), (SELECT count(*) FROM quarantine WHERE device = $1),
       (SELECT count(*) FROM epochs WHERE device = $1)
"""


async def test_nothing_of_a_revoked_device_is_written(hq, device):
    """Batches, health, state, birth, rubbish; what it sent while it was allowed stays."""
    name = device.branch.device
    await device.send(device.batch([(1, 2)], rows(2)))
    assert (await asyncio.to_thread(hq.command, "device", "revoke", name)).returncode == 0
    [before] = await hq.ask(WRITTEN, name)

    answer = await device.send(device.batch([(3, 3)], [row(1.0, start=START + 600)]))
    assert (answer["st"], answer["credit"]["pause_s"]) == ("retry", 3600)
    assert "revoked" in answer["err"]
    await device.publish("state", json.dumps({"st": "online", "boot": 9, "ts": "2026-11-20T07:15:02Z"}).encode())
    await device.publish("health", health_of())
    await device.publish("birth", birth(device, epoch="e2"))
    assert (await device.send(b"rubbish", "backlog"))["st"] == "rejected"
    async with hq.device() as other:  # who comes after it: by then all of the above was taken
        await other.publish("birth", birth(other))
        await other.publish("state", json.dumps({"st": "online", "boot": 9, "ts": "2026-11-20T07:15:02Z"}).encode())
        await other.publish("health", health_of())
        for table in ("device_health", "device_state"):
            await until(hq, f"SELECT count(*) FROM {table} WHERE device = $1", other, [(1,)])

    assert await hq.ask(WRITTEN, name) == [before]
    ended = await asyncio.to_thread(hq.command, "device", "resend", name)
    assert (ended.returncode, f"{name} was revoked: nothing of it is taken any more" in ended.stderr) == (1, True)
    assert await device.coverage() == [(1, 2)]


async def test_status_names_who_still_tries_and_no_more(hq):
    """A revoked device is neither silent nor late; one that tries is listed, with when."""
    async with hq.device() as thief, hq.device() as quiet:
        for device in (thief, quiet):
            await asyncio.to_thread(hq.command, "device", "revoke", device.branch.device)
        await thief.send(thief.batch([(1, 1)], rows(1)))
        status = json.loads((await asyncio.to_thread(hq.command, "status", "--json")).stdout)
        names = {kind: {entry["device"] for entry in status[kind]} for kind in ("silent", "late", "revoked")}

    assert thief.branch.device in names["revoked"]
    assert quiet.branch.device not in names["revoked"] | names["silent"]
    assert thief.branch.device not in names["silent"] | names["late"]
