"""What an operator sees and does: the fleet's state, and messages set aside."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from agent.contract import wire
from tests.receiver.hq import START, row, rows
from tests.receiver.mosquitto import free_port
from tests.receiver.test_greeting import health_of, until


def said(ended) -> object:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


async def test_what_was_set_aside_is_listed_shown_and_dropped(hq, device):
    """With its reason, as text and as bytes."""
    payload = device.batch([(1, 1)], rows(1)).replace(b'"x":[0]', b'"x":[1]')
    await device.send(payload)
    [entry] = [e for e in said(hq.command("quarantine", "list", "--json")) if e["device"] == device.branch.device]
    assert "crc" in entry["reason"]
    number = str(entry["id"])
    assert '"x":[1]' in hq.command("quarantine", "show", number).stdout
    assert hq.command("quarantine", "show", number, "--raw").stdout == payload.decode()
    assert hq.command("quarantine", "drop", number).returncode == 0
    assert hq.command("quarantine", "show", number).returncode == 1


async def test_what_can_be_read_by_now_is_replayed(hq, device):
    """By the same decoding and the same transaction; the device gave the numbers up meanwhile."""
    payload = device.batch([(1, 2)], rows(2))
    await hq.ask(
        "INSERT INTO quarantine (topic, sha, device, reason, payload, received) VALUES ($1, $2, $3, 'a bug', $4, 1)",
        *(device.branch.topic("batch"), wire.sha_of(payload), device.branch.device, payload),
    )
    await device.send(device.batch([(3, 3)], [row(7.0, start=START + 600)], void=[(1, 2)]))
    [entry] = [e for e in said(hq.command("quarantine", "list", "--json")) if e["device"] == device.branch.device]
    replayed = hq.command("quarantine", "replay", str(entry["id"]))
    assert (replayed.returncode, replayed.stdout) == (0, f"{entry['id']}: committed\n")
    assert [r[7] for r in await device.rows()] == [1, 2, 3]
    assert hq.command("quarantine", "replay", str(entry["id"])).returncode == 1


async def test_what_still_cannot_be_read_stays(hq, device):
    """And says why."""
    await device.send(b"rubbish")
    [entry] = [e for e in said(hq.command("quarantine", "list", "--json")) if e["device"] == device.branch.device]
    ended = hq.command("quarantine", "replay", str(entry["id"]))
    assert ended.returncode == 1
    assert "no batch: neither gzip nor a JSON object" in ended.stdout


async def test_a_batch_kept_raw_is_decoded_by_the_version_that_can(hq, device):
    """At its start: the rows come under the numbers that were covered all the time."""
    payload = device.batch([(1, 3)], rows(3))
    newer = device.batch([(1, 3)], rows(3), schema="observations/9")
    assert (await device.send(newer))["st"] == "committed"
    assert await device.rows() == []
    hq.stop()
    hq.start()
    assert await device.rows() == []  # this version cannot either
    await hq.ask("UPDATE raw_batches SET schema = 'observations/1', payload = $1", payload)
    hq.stop()
    hq.start()
    await until(hq, "SELECT count(*) FROM raw_batches WHERE device = $1", device, [(0,)])
    assert [r[7] for r in await device.rows()] == [1, 2, 3]
    assert await device.coverage() == [(1, 3)]


async def test_status_names_what_is_wrong(hq):
    """Silent, late, incomplete, forked, set aside; and who is well is not in it."""
    async with hq.device() as silent, hq.device() as late, hq.device() as gap, hq.device() as fork, hq.device() as well:
        for device in (well, late, fork):
            await device.send(device.batch([(1, 1)], rows(1)))
        await gap.send(gap.batch([(1, 1), (4, 4)], rows(2)))
        await late.publish("health", health_of(backlog={"rows": 5000, "oldest_s": 86_400}))
        await fork.send(fork.batch([(1, 1)], [row(9.0)]))
        await fork.send(b"rubbish")
        await until(hq, "SELECT count(*) FROM device_health WHERE device = $1", late, [(1,)])
        status = said(hq.command("status", "--json"))
        names = {kind: {e["device"] for e in status[kind]} for kind in ("silent", "late", "incomplete", "forked")}

        assert silent.branch.device in names["silent"]
        assert late.branch.device in names["late"]
        [entry] = [e for e in status["incomplete"] if e["device"] == gap.branch.device]
        assert (entry["missing"], entry["first_missing"]) == (2, 2)
        assert fork.branch.device in names["forked"]
        assert fork.branch.device in {e["device"] for e in status["quarantined"]}
        assert not any(well.branch.device in found for found in names.values())
        assert "incomplete:" in hq.command("status").stdout


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read().decode()


@pytest.mark.timeout(30)
async def test_a_monitor_sees_that_it_lives_is_ready_and_what_it_did(alone):
    """And that it is alive and not ready while its broker is away."""
    hq, broker = alone(5)
    port = free_port()
    hq.configuration.write_text(hq.configuration.read_text() + f"[monitor]\nport = {port}\n")
    hq.start()
    try:
        async with hq.device() as device:
            await device.send(device.batch([(1, 4)], rows(4)))
        assert get(port, "/healthz")[0] == get(port, "/readyz")[0] == 200
        assert 'footfall_rows_total{lane="fresh"} 4.0' in get(port, "/metrics")[1]
        broker.kill()
        while get(port, "/readyz")[0] == 200:
            pass
        assert get(port, "/healthz")[0] == 200
    finally:
        assert hq.stop() == 0
