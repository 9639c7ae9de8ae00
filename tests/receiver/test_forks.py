"""Two contents of one id or number: both kept, one counts, and a person decides."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from agent.contract import wire
from agent.contract.happenings import ALERTS, Alert, alert_columns
from agent.contract.observation import LedgerEntry, Numbered, Observation, Origin, Quality
from cloud_receiver.database import marks
from cloud_receiver.database.batches import Batch
from tests.receiver.hq import START, row, rows
from tests.receiver.mosquitto import free_port
from tests.receiver.test_desk import get
from tests.receiver.test_ingest import sealed

PROVISIONAL = Quality.MEASURED | Quality.PROVISIONAL


async def streams(hq, device) -> list[tuple]:
    """Whether forked, value and number of each row of a store."""
    return await hq.ask(
        "SELECT stream > 0, value, number FROM observations JOIN stores ON stores.id = observations.store"
        " WHERE stores.store = $1 ORDER BY 1, start",
        device.branch.store,
    )


async def test_the_same_id_with_other_content_is_a_fork(hq, device):
    """The second is kept apart with its bytes and rows; what counts stays as it was."""
    await device.send(device.batch([(1, 1)], [row(3.0)]))
    other = device.batch([(1, 1)], [row(9.0)])
    answer = await device.send(other)

    assert (answer["st"], answer["seq"]) == ("fork", [])
    assert await streams(hq, device) == [(False, 3, 1), (True, 9, 1)]
    [(payload,)] = await hq.ask("SELECT payload FROM forks WHERE device = $1", device.branch.device)
    assert payload == other
    assert (await device.send(other))["st"] == "fork"
    assert len(await streams(hq, device)) == 2


async def test_a_number_used_again_under_another_id_is_a_fork(device):
    """A cloned card goes on counting from where it was copied: other rows under numbers that are taken."""
    await device.send(device.batch([(1, 3)], rows(3)))
    answer = await device.send(device.batch([(3, 5)], rows(3, START + 3600)))

    assert answer["st"] == "fork"
    assert "number 3 came before" in answer["err"]
    assert await device.coverage() == [(1, 3)]
    assert [r[4] for r in await device.rows()] == [0, 1, 2]


async def test_a_ledger_number_used_again_is_a_fork(device):
    """Every kind of row is in the one sequence."""

    def ledger(numbers, entry):
        words, columns = wire.ledger_columns([entry])
        return wire.encode(device.head(numbers, 1, schema=wire.LEDGER, id="x:y:" + entry.reason), words, columns)

    gap = LedgerEntry("door-1", START, START + 3600, "lost", "unreachable")
    await device.send(ledger([(1, 1)], gap))
    assert (await device.send(ledger([(1, 1)], gap._replace(reason="buffer full"))))["st"] == "fork"


async def test_numbers_told_again_with_the_same_rows_are_no_fork(device):
    """Cut otherwise, revised meanwhile, or provisional after a finished one: nothing contradicts."""
    await device.send(device.batch([(1, 2)], [row(1.0), row(2.0, quality=PROVISIONAL)]))
    await device.send(device.batch([(3, 3)], [row(3.0)]))
    answer = await device.send(device.batch([(1, 4)], [row(1.0), row(2.0, quality=PROVISIONAL), row(3.0), row(4.0)]))

    assert (answer["st"], answer["new"], answer["dup"]) == ("committed", 1, 3)
    assert [(r[4], r[7]) for r in await device.rows()] == [(4, 4)]


async def test_what_comes_under_a_new_epoch_is_normal(hq, device):
    """The one who was told `fork` renumbers and sends again, and that counts."""
    await device.send(device.batch([(1, 1)], [row(3.0)]))
    assert (await device.send(device.batch([(1, 1)], [row(9.0, start=START + 60)])))["st"] == "fork"
    device.epoch = "e2"
    assert (await device.send(device.batch([(1, 1)], [row(9.0, start=START + 60)])))["st"] == "committed"
    assert await streams(hq, device) == [(False, 3, 1), (False, 9, 1), (True, 9, 1)]


async def test_the_view_for_others_shows_no_fork(hq, device):
    """Names, times with their zone, words; and only what counts."""
    await device.send(device.batch([(1, 1)], [row(3.0, quality=PROVISIONAL)]))
    await device.send(device.batch([(1, 1)], [row(9.0)]))
    found = await hq.ask(
        "SELECT tenant, sensor, place, metric, extract(epoch FROM start)::bigint, value, origin, quality FROM counts"
        " WHERE store = $1",
        device.branch.store,
    )
    assert found == [("acme", "door-1", "line:1", "in", START, 3, "live", "measured+provisional")]


@pytest.mark.parametrize(("keep", "value"), [("held", 3), ("fork", 9)])
async def test_an_operator_sees_both_and_decides(hq, device, keep, value):
    """Side by side; afterwards one stream is left, and who decided what is kept."""
    await device.send(device.batch([(1, 1)], [row(3.0)]))
    await device.send(device.batch([(1, 1)], [row(9.0)]))
    name = device.branch.device
    listed = json.loads(hq.command("forks", "list", "--json").stdout)
    [fork] = [entry for entry in listed if entry["device"] == name]
    shown = json.loads(hq.command("forks", "show", str(fork["id"]), "--json").stdout)
    assert [(both["held"], both["forked"]) for both in shown] == [(3, 9)]

    assert hq.command("forks", "decide", str(fork["id"]), "--keep", keep).returncode == 0
    assert await streams(hq, device) == [(False, value, 1)]
    assert not [e for e in json.loads(hq.command("forks", "list", "--json").stdout) if e["device"] == name]
    assert hq.command("forks", "decide", str(fork["id"]), "--keep", keep).returncode == 1


async def test_a_number_used_again_is_noticed_where_a_later_version_is_held(device):
    """The row it named was replaced long ago; what it said is remembered in four bytes."""
    await device.send(device.batch([(1, 2)], [row(1.0), row(5.0, start=START + 60)]))
    await device.send(device.batch([(3, 3)], [row(2.0)]))
    same = await device.send(device.batch([(1, 1)], [row(1.0)]))
    other = await device.send(device.batch([(1, 1), (4, 4)], [row(7.0), row(1.0, start=START + 120)]))

    assert (same["st"], same["dup"]) == ("committed", 1)
    assert (other["st"], other["err"]) == ("fork", "fork: number 1 came before with other content")
    assert [r[4] for r in await device.rows()] == [2, 5]


@pytest.mark.parametrize(
    "other",
    [
        Observation("door-1", "line:1", "in", START, START + 60, None, Origin.LIVE, Quality.MEASURED),
        Observation("door-1", "line:1", "in", START, START + 30, 3.0, Origin.LIVE, Quality.MEASURED),
        Observation("door-1", "line:1", "in", START, START + 60, 3.0, Origin.LIVE, Quality.ESTIMATED),
        Observation("door-1", "line:1", "in", START, START + 60, 3.0, Origin.LOG, Quality.MEASURED),
        Observation("door-1", "line:2", "in", START, START + 60, 3.0, Origin.LIVE, Quality.MEASURED),
        Observation("door-1", "line:1", "in", START, START + 60, 3.0, Origin.LIVE, Quality.MEASURED, n=60.0),
    ],
)
def test_what_is_remembered_of_a_row_differs_wherever_the_row_does(other):
    """Value, interval, quality, origin, place, samples; and it is the same in every process."""
    told = [marks.marks(batch_of(each)) for each in (row(3.0), row(3), other)]
    assert marks.marks(batch_of(row(0.0))) == marks.marks(batch_of(row(-0.0)))

    assert told[0] == told[1] == bytes.fromhex("6133d937")
    assert told[2] != told[0]


def batch_of(observation) -> Batch:
    empty = Batch("t", "d", "e", "i", "s", "batch", wire.OBSERVATIONS, [(1, 1)], [], 1, 0, b"")
    return empty._replace(rows=[Numbered(1, observation)])


async def test_ledger_alerts_and_counts_are_remembered_too(device):
    """Every kind of row is in the one sequence, and a later version hides none of them."""
    alert = Alert("a1", "queue", "zone:till", "firing", "warning", START, 7.0, "Seven are waiting.")

    def batch(number, said):
        head = device.head([(number, number)], 1, schema=ALERTS, id=f"x:{number}:{said.text}")
        return wire.encode(head, *alert_columns([said]))

    await device.send(batch(1, alert))
    await device.send(batch(2, alert._replace(text="Eight.")))
    assert (await device.send(batch(1, alert._replace(text="Nine."))))["st"] == "fork"


async def test_a_fork_is_told_at_once_where_a_monitor_looks(alone):
    """Status and metrics read what the database holds, so they know within a scrape, and still after a restart."""
    hq, _ = alone(5)
    port = free_port()
    hq.configuration.write_text(hq.configuration.read_text() + f"[monitor]\nport = {port}\n")
    hq.start()
    async with hq.device() as device:
        await device.send(device.batch([(1, 1)], [row(3.0)]))
        assert 'footfall_fleet{what="forked"} 0.0' in await metrics(port)
        await device.send(device.batch([(1, 1)], [row(9.0)]))
        assert 'footfall_fleet{what="forked"} 1.0' in await metrics(port)
        [(found, came)] = await hq.ask(
            "SELECT found, (SELECT min(received) FROM batches WHERE device = $1) FROM forks WHERE device = $1",
            device.branch.device,
        )
        assert 0 <= found - came < 300  # seconds, of the receiver's clock
    assert await asyncio.to_thread(hq.stop) == 0
    hq.start()
    assert 'footfall_fleet{what="forked"} 1.0' in await metrics(port)
    [entry] = json.loads(hq.command("status", "--json").stdout)["forked"]
    assert entry["device"] == device.branch.device
    assert await asyncio.to_thread(hq.stop) == 0


async def metrics(port: int) -> str:
    return (await asyncio.to_thread(get, port, "/metrics"))[1]


async def test_a_time_beyond_all_clocks_is_rejected_also_where_a_number_comes_again(device):
    """Steps of 2^53 s, 1,100 times over, leave 64 bits: such a batch is set aside, and its receiver lives on."""
    await device.send(device.batch([(1, 1)], rows(1)))
    payload = device.batch([(1, 1100)], rows(1100))
    beyond = json.loads(gzip.decompress(payload))
    beyond["cols"]["t"] = [0, *([2**53] * 1099)]
    answer = await device.send(sealed({name: part for name, part in beyond.items() if name != "crc"}))

    assert answer["st"] == "rejected"
    assert (await device.send(device.batch([(2, 2)], [row(1.0, start=START + 60)])))["st"] == "committed"
