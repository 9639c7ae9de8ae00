"""From a message to committed rows and an answer, over a real broker and a real PostgreSQL."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from agent.contract import caps, wire
from agent.contract.happenings import ALERTS, MANUAL, Alert, ManualCount, alert_columns, manual_columns
from agent.contract.observation import LedgerEntry, Origin, Quality
from tests.receiver.hq import START, row, rows

PROVISIONAL = Quality.MEASURED | Quality.PROVISIONAL


async def test_the_answer_comes_after_the_commit(device):
    """Whoever reads `committed` finds the rows there, with their numbers."""
    payload = device.batch([(1, 2), (5, 5)], rows(3), void=[(3, 4)])
    answer = await device.send(payload)

    assert (answer["st"], answer["new"], answer["dup"], answer["epoch"]) == ("committed", 3, 0, "e1")
    assert answer["id"] == f"{device.branch.device}:e1:1-5"
    assert (answer["seq"], answer["void"]) == ([[1, 2], [5, 5]], [[3, 4]])
    assert answer["credit"]["rows_s"] == 10_000
    assert [(r[3], r[4], r[7]) for r in await device.rows()] == [(START, 0, 1), (START + 60, 1, 2), (START + 120, 2, 5)]
    assert await device.coverage() == [(1, 5)]


async def test_the_backlog_lane_is_answered_alike(device):
    """Both lanes commit."""
    assert (await device.send(device.batch([(1, 1)], rows(1), lane="backlog"), "backlog"))["st"] == "committed"


async def test_the_same_batch_again_is_a_duplicate(device):
    """It is answered, and nothing is written twice."""
    payload = device.batch([(1, 3)], rows(3))
    await device.send(payload)
    answer = await device.send(payload)

    assert (answer["st"], answer["new"], answer["dup"]) == ("duplicate", 0, 3)
    assert answer["seq"] == [[1, 3]]
    assert len(await device.rows()) == 3


async def test_numbers_that_came_in_another_batch_are_counted_as_duplicates(device):
    """Coverage knows the numbers, whatever batch brought them."""
    await device.send(device.batch([(1, 3)], rows(3)))
    answer = await device.send(device.batch([(2, 5)], rows(5)[1:]))

    assert (answer["st"], answer["new"], answer["dup"]) == ("committed", 2, 2)
    assert await device.coverage() == [(1, 5)]
    assert len(await device.rows()) == 5


def sealed(body: dict) -> bytes:
    """Any JSON object with a right checksum."""
    plain = json.dumps(body).encode()[:-1]
    return plain + f',"crc":"{zlib.crc32(plain):08x}"}}'.encode()


def opened(payload: bytes) -> dict:
    return json.loads(caps.inflate(payload))


POISON = {
    "empty": lambda _: b"",
    "no JSON": lambda _: b"\x00\xff rubbish",
    "wrong checksum": lambda d: d.batch([(1, 1)], rows(1)).replace(b'"x":[0]', b'"x":[1]'),
    "truncated gzip": lambda d: d.batch([(1, 500)], rows(500))[:-20],
    "gzip bomb": lambda _: gzip.compress(bytes(50_000_000)),
    "too many bytes": lambda _: b"x" * (caps.MAX_BYTES + 1),
    "too deep": lambda _: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"crc":"00000000"}',
    "NaN": lambda d: sealed(opened(d.batch([(1, 1)], [row()])) | {"n": float("nan")}),
    "too many rows": lambda d: sealed(d.head([(1, 10_001)], 10_001) | {"dict": {}, "cols": {}}),
    "another device": lambda d: d.batch([(1, 1)], rows(1), device="somebody-else"),
    "a column too short": lambda d: d.batch([(1, 2)], rows(1)),
    "numbers backwards": lambda d: d.batch([(2, 1)], rows(0)),
    "a zero in a word": lambda d: d.batch([(1, 1)], [row(metric="i\0n")]),
    "half a character": lambda d: sealed(opened(d.batch([(1, 1)], [row()])) | {"id": "\ud800abc"}),
    "half a character in a word": lambda d: d.batch([(1, 1)], [row(metric="i\ud800n")]),
    "a quality beyond every flag": lambda d: d.batch([(1, 1)], [row(quality=1 << 40)]),
    "the end of time": lambda d: d.batch([(1, 1)], [row(start=2**53)]),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
async def test_poison_is_set_aside_and_what_follows_flows(hq, device, poison):
    """Rejected by its hash, kept with bytes and reason; the next batch is committed by the same process."""
    payload = poison(device)
    answer = await device.send(payload)
    assert answer["st"] == "rejected"
    assert answer["err"]
    [(kept, reason)] = await hq.ask("SELECT payload, reason FROM quarantine WHERE device = $1", device.branch.device)
    assert kept == payload
    assert reason == answer["err"]
    assert await device.rows() == []

    assert (await device.send(device.batch([(7, 7)], rows(1))))["st"] == "committed"
    assert hq.process.poll() is None


async def test_poison_that_comes_again_is_counted_not_kept_again(hq, device):
    """A device that repeats itself cannot fill the disk."""
    for _ in range(3):
        await device.send(b"rubbish")
    assert await hq.ask("SELECT times FROM quarantine WHERE device = $1", device.branch.device) == [(3,)]


async def test_an_id_that_can_be_made_out_is_answered(device):
    """A rejected batch is named by its id where its JSON can be read."""
    broken = device.batch([(1, 1)], rows(1)).replace(b'"x":[0]', b'"x":[1]')
    answer = await device.send(broken)
    assert (answer["id"], answer["epoch"]) == (f"{device.branch.device}:e1:1-1", "e1")


async def test_a_higher_number_replaces_and_a_lower_one_does_not(device):
    """The order of arrival does not matter."""
    await device.send(device.batch([(5, 5)], [row(5.0)]))
    await device.send(device.batch([(4, 4)], [row(4.0)]))
    assert [(r[4], r[7]) for r in await device.rows()] == [(5, 5)]

    await device.send(device.batch([(6, 6)], [row(6.0)]))
    assert [(r[4], r[7]) for r in await device.rows()] == [(6, 6)]


async def test_a_later_epoch_outranks_higher_numbers_of_an_earlier_one(device):
    """Epochs rank by when HQ first saw them, whatever they are called."""
    device.epoch = "zz"
    await device.send(device.batch([(900, 900)], [row(1.0)]))
    device.epoch = "aa"
    await device.send(device.batch([(1, 1)], [row(2.0)]))
    device.epoch = "zz"
    await device.send(device.batch([(901, 901)], [row(3.0)]))

    assert [(r[4], r[6], r[7]) for r in await device.rows()] == [(2, "aa", 1)]


async def test_a_provisional_row_never_replaces_a_finished_one(device):
    """Also with a higher number; a finished one replaces a provisional one."""
    await device.send(device.batch([(1, 1)], [row(1.0, quality=PROVISIONAL)]))
    await device.send(device.batch([(2, 2)], [row(2.0)]))
    await device.send(device.batch([(3, 3)], [row(3.0, quality=PROVISIONAL)]))

    assert [(r[4], r[5], r[7]) for r in await device.rows()] == [(2, 1, 2)]


async def test_versions_of_a_key_within_one_batch_follow_the_same_rules(device):
    """The highest number wins, but for a provisional row after a finished one."""
    await device.send(device.batch([(1, 3)], [row(1.0), row(2.0), row(3.0, quality=PROVISIONAL)]))
    later = START + 60
    await device.send(device.batch([(4, 6)], [row(1.0, start=later), row(None, start=later), row(7.0, start=later)]))

    assert [(r[4], r[7]) for r in await device.rows()] == [(2, 2), (7, 6)]


async def test_a_withdrawal_is_a_row_without_value(device):
    """It replaces by its number and is replaced by a higher one."""
    await device.send(device.batch([(1, 1)], [row(4.0)]))
    await device.send(device.batch([(2, 2)], [row(None)]))
    assert [(r[4], r[7]) for r in await device.rows()] == [(None, 2)]

    await device.send(device.batch([(3, 3)], [row(5.0)]))
    assert [(r[4], r[7]) for r in await device.rows()] == [(5, 3)]


async def test_origins_have_rows_of_their_own(device):
    """The origin is part of the key."""
    await device.send(device.batch([(1, 2)], [row(1.0, origin=Origin.LIVE), row(2.0, origin=Origin.LOG)]))
    assert sorted(r[4] for r in await device.rows()) == [1, 2]


async def test_an_unknown_metric_is_stored(device):
    """HQ may be older than the device."""
    assert (await device.send(device.batch([(1, 1)], [row(metric="smiles")])))["st"] == "committed"
    assert [r[2] for r in await device.rows()] == ["smiles"]


@pytest.mark.parametrize("schema", ["observations/2", "smells/1"])
async def test_a_schema_newer_than_the_receiver_is_kept_raw(hq, device, schema):
    """Answered `committed` with coverage, to be decoded after the upgrade."""
    payload = sealed(device.head([(1, 4)], 4, schema=schema) | {"cols": {"new": ["things"]}})
    answer = await device.send(payload)

    assert (answer["st"], answer["new"]) == ("committed", 4)
    assert await device.coverage() == [(1, 4)]
    kept = await hq.ask("SELECT schema, payload FROM raw_batches WHERE device = $1", device.branch.device)
    assert kept == [(schema, payload)]


async def test_ledger_entries_become_gaps(hq, device):
    """One a sensor, start and reason; the later version counts."""

    def ledger(numbers, *entries):
        words, columns = wire.ledger_columns(entries)
        return wire.encode(device.head(numbers, len(entries), schema=wire.LEDGER), words, columns)

    gap = LedgerEntry("door-1", START, START + 3600, "pending", "unreachable")
    await device.send(ledger([(1, 2)], gap, gap._replace(reason="buffer full", state="lost", numbers=((8, 9),))))
    await device.send(ledger([(3, 3)], gap._replace(state="answered")))

    found = await hq.ask(
        'SELECT reason, state, "end", numbers::text FROM gaps WHERE device = $1 ORDER BY 1', device.branch.device
    )
    assert found == [
        ("buffer full", "lost", START + 3600, "{[8,10)}"),
        ("unreachable", "answered", START + 3600, "{}"),
    ]
    assert await device.coverage() == [(1, 3)]


async def test_alerts_and_manual_counts_have_tables_of_their_own(hq, device):
    """Two kinds of row more in the one sequence; a later version counts."""
    alert = Alert("a1", "queue", "zone:till", "firing", "warning", START, 7.0, "Seven are waiting.")
    payload = wire.encode(device.head([(1, 2)], 2, schema=ALERTS), *alert_columns([alert, alert._replace(text="8")]))
    assert (await device.send(payload))["st"] == "committed"
    count = ManualCount("door-1", "line:1", START, START + 900, 12, 9)
    payload = wire.encode(device.head([(3, 3)], 1, schema=MANUAL), *manual_columns([count]))
    assert (await device.send(payload))["st"] == "committed"

    name = device.branch.device
    assert await hq.ask("SELECT alert, state, text, number FROM alerts WHERE device = $1", name) == [
        ("a1", "firing", "8", 2)
    ]
    assert await hq.ask('SELECT entered, "left", by FROM manual_counts WHERE device = $1', name) == [(12, 9, "staff")]
    assert await device.coverage() == [(1, 3)]


def birth(sender, **more) -> bytes:
    told = {"device": sender.branch.device, "epoch": "e1", "boot": 1, "run": "r7", "highest": 9, "version": "0.1"}
    told |= {"tz": "UTC", "sensors": ["door-1", "door-2"], "schemas": [], "ts": "2026-11-20T07:15:02Z"}
    return json.dumps(told | more).encode()


async def test_a_birth_is_answered_with_what_hq_holds(hq, device):
    """Hello: first nothing, later the ranges; the sensors are noted. It names the very birth that it answers."""
    await device.publish("birth", birth(device, nonce="7f3a"))
    hello = await device.answer()
    assert hello["nonce"] == "7f3a"
    assert (hello["st"], hello["run"], hello["epoch"], hello["coverage"]) == ("hello", "r7", "e1", [])
    assert hello["credit"]["rows_s"] == 10_000

    await device.send(device.batch([(1, 2), (5, 5)], rows(3)))
    await device.publish("birth", birth(device))
    assert (await device.answer())["coverage"] == [[1, 2], [5, 5]]
    await device.publish("birth", birth(device, epoch="e2"))
    assert (await device.answer())["coverage"] == []
    seen = "SELECT sensor FROM sensors JOIN stores ON id = sensors.store WHERE stores.store = $1 ORDER BY 1"
    assert await hq.ask(seen, device.branch.store) == [("door-1",), ("door-2",)]


async def test_a_birth_that_cannot_be_read_is_set_aside(hq, device):
    """It has no answer; the next one has."""
    await device.publish("birth", b'{"device":')
    await device.publish("birth", birth(device, device="somebody-else"))
    await device.publish("birth", birth(device))
    assert (await device.answer())["st"] == "hello"
    counted = "SELECT count(*) FROM quarantine WHERE device = $1"
    while await hq.ask(counted, device.branch.device) != [(2,)]:
        pass


async def test_a_device_that_is_not_registered_is_told_to_wait(hq):
    """Nothing is stored and nothing is lost: once it is registered, the same bytes are committed."""
    async with hq.device(known=False) as device:
        payload = device.batch([(1, 2)], rows(2))
        answer = await device.send(payload)
        assert (answer["st"], answer["err"]) == ("retry", "not registered")
        assert answer["credit"]["pause_s"] > 0
        assert await device.rows() == []

        await hq.register(device.branch.device, device.branch.store)
        assert (await device.send(payload))["st"] == "committed"
        assert len(await device.rows()) == 2


async def test_a_device_of_another_tenant_is_not_known_here(hq):
    """A name that two tenants use does not open the other's store."""
    async with hq.device(known=False) as device:
        await hq.register(device.branch.device, "theirs", tenant="other")
        assert (await device.send(device.batch([(1, 1)], rows(1))))["err"] == "not registered"


async def test_the_store_is_the_registrys_not_the_topics(hq):
    """A device that names another store in its topic still writes to its own."""
    async with hq.device(known=False) as device:
        await hq.register(device.branch.device, "the-right-one")
        await device.send(device.batch([(1, 1)], rows(1)))
        assert await device.rows() == []
        found = "SELECT count(*) FROM observations JOIN stores ON id = observations.store WHERE stores.store = $1"
        assert await hq.ask(found, "the-right-one") == [(1,)]


async def test_batches_of_many_devices_at_once_all_arrive(hq):
    """Forty batches of two devices over both lanes."""
    async with hq.device() as one, hq.device() as two:
        for number in range(1, 21):
            for device in (one, two):
                payload = device.batch([(number, number)], [row(1.0, start=START + 60 * number)])
                await device.publish("batch" if number % 2 else "backlog", payload)
        for device in (one, two):
            assert {(await device.answer())["st"] for _ in range(20)} == {"committed"}
            assert await device.coverage() == [(1, 20)]
            assert len(await device.rows()) == 20
