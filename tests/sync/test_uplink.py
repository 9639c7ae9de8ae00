"""wire.md's rules for the device, on a real Mosquitto with a receiver that answers as each rule wants it."""

import asyncio
import sqlite3
import time
from dataclasses import replace

from agent.contract import wire
from agent.contract.happenings import Alert
from agent.contract.messages import Credit
from agent.contract.ranges import Ranges
from agent.foundation.mqtt import SILENT_KEEPALIVES, LinkSettings
from agent.sync import uplink
from tests.rig.proxy import Proxy
from tests.sync.headquarters import QUICK, Hq, Shop, eventually

LONG_AGO = 86_400  # seconds: goes by the backlog lane


def numbers(heard):
    return [number for one in heard for number in wire.open_envelope(one.payload).numbers]


async def test_puback_frees_nothing_and_a_reconnect_sends_the_same_bytes_again(tmp_path, broker):
    """Rule 1: what the broker acknowledged and HQ did not answer is sent again, byte for byte, after a reconnect."""
    async with Hq(broker.port) as hq, Proxy(broker.port) as line, Shop(tmp_path, line.port) as shop:
        hq.decide = hq.ignore
        await shop.count(1, 3)
        await hq.batches(1)
        assert (await shop.buffer.tally()).acked == 0

        line.cut()
        hq.decide = hq.commit
        line.mend()
        first, again = await hq.batches(2)

        assert first.payload == again.payload
        await shop.settled(3)


async def test_a_receiver_that_starts_anew_gets_everything_unanswered(tmp_path, broker):
    """Rule 1: a new boot in _hq/state is greeted, and then gets what was unanswered, both lanes."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        hq.decide = hq.ignore
        await shop.count(1)
        await shop.count(2, ago=LONG_AGO)
        before = {one.sha for one in await hq.batches(2)}
        births = len(hq.of("birth"))

        hq.decide = hq.commit
        await hq.appear(2)
        await shop.settled(2)

        assert len(hq.of("birth")) > births
        assert {one.sha for one in hq.of("batch", "backlog")[2:]} == before


async def test_without_an_answer_a_batch_comes_again_with_growing_patience(tmp_path, broker):
    """Rule 1: a batch that is lost after the PUBACK comes again by itself."""
    timing = replace(QUICK, resend_first=0.1, resend_cap=0.3)
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port, timing) as shop:
        hq.decide = hq.ignore
        await shop.count(1)
        got = await hq.batches(3)
        hq.decide = hq.commit
        await shop.settled(1)

    assert len({one.sha for one in got}) == 1


async def test_nothing_of_an_epoch_is_sent_before_hello(tmp_path, broker):
    """Rule 5: birth is repeated until HQ says hello, and no batch goes before."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        hq.greets = False
        await shop.count(1)
        await hq.until(lambda: len(hq.of("birth")) >= 3)
        assert hq.of("batch", "backlog") == []

        hq.greets = True
        await hq.batches(1)


async def test_a_restored_buffer_takes_a_new_epoch_and_sends_only_what_hq_lacks(tmp_path, broker):
    """Rule 5: HQ covers numbers this copy never sent."""
    async with Hq(broker.port) as hq:
        async with Shop(tmp_path, broker.port) as shop:
            await shop.count(1, 4)
            await shop.settled(4)
            old = shop.buffer.epoch
        hq.covered[old] = Ranges([(1, 9)])
        async with Shop(tmp_path, broker.port) as shop:
            await shop.count(5, 2)  # takes the numbers 5 and 6, of which HQ has the original's
            await shop.settled(6)

            assert shop.buffer.epoch != old
    assert [e.epoch for e in map(envelope, hq.of("batch"))][-1] != old
    assert numbers(hq.of("batch")) == [1, 2, 3, 4, 5, 6]


def envelope(heard):
    return wire.open_envelope(heard.payload)


async def test_a_restored_hq_gets_its_rows_again(tmp_path, broker):
    """Rule 5: what HQ answered for and lacks at the next hello is unsent again."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        await shop.count(1, 4)
        await shop.settled(4)
        hq.covered = {}
        await hq.appear(2)
        await hq.until(lambda: sorted(numbers(hq.of("batch", "backlog"))) == [1, 1, 2, 2, 3, 3, 4, 4])

    assert hq.covered[shop.buffer.epoch] == Ranges([(1, 4)])


async def test_a_hello_to_an_older_birth_or_to_a_clone_is_nobodys(tmp_path, broker):
    """Rule 5: a late hello knows less than HQ has answered since; taken for true it would look like a loss."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        await shop.count(1, 4)
        await shop.settled(4)
        birth = hq.of("birth")[-1].json
        for run, nonce in ((birth["run"], "older"), ("clone", birth["nonce"]), (birth["run"], birth["nonce"])):
            hello = wire_hello(run, birth["epoch"], nonce)
            await hq.tell("ack", hello)
        await shop.count(5)
        await shop.settled(5)

    assert numbers(hq.of("batch", "backlog")) == [1, 2, 3, 4, 5]


def wire_hello(run, epoch, nonce):
    return f'{{"st":"hello","run":"{run}","epoch":"{epoch}","nonce":"{nonce}","coverage":[]}}'.encode()


async def test_a_fork_takes_a_new_epoch_and_sends_again(tmp_path, broker):
    """Rule 6: whoever is told that its content is a fork renumbers what is unanswered."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        epoch = shop.buffer.epoch
        hq.decide = lambda heard: hq.commit(heard, "fork" if envelope(heard).epoch == epoch else "committed")
        await shop.count(1, 2)
        await shop.settled(2)

        assert shop.buffer.epoch != epoch
        assert [numbers([one]) for one in hq.of("batch")] == [[1, 2], [1, 2]]


async def test_at_most_four_batches_are_unanswered_and_one_of_them_is_backlog(tmp_path, broker):
    """Rule 7: however much waits, four batches are on their way, and nothing is queued in memory beyond them."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        hq.decide = hq.ignore
        await hq.until(lambda: hq.of("birth"))
        for k in range(8):
            await shop.count(1 + k, 1)
            await shop.count(100 + k * 2, 2, ago=LONG_AGO)
            await asyncio.sleep(0.03)
        await hq.batches(4)
        await shop.count(1000)
        held = await shop.buffer.unanswered()

        assert len(held) == 4
        assert sorted(batch.lane for batch in held)[:2] == ["backlog", "fresh"]
        hq.decide = hq.commit
        await hq.appear(2)
        await shop.settled(25)
    assert sorted(set(numbers(hq.of("batch", "backlog")))) == list(range(1, 26))


async def test_retry_pauses_its_lane_alone(tmp_path, broker):
    """Rule 7: backlog that HQ holds back waits as long as HQ says; fresh rows pass it."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        wait = Credit(pause_s=3600)
        hq.decide = lambda heard: (
            hq.commit(heard, "retry", credit=wait) if heard.leaf == "backlog" else hq.commit(heard)
        )
        await shop.count(100, 1, ago=LONG_AGO)
        await hq.batches(1, "backlog")
        await shop.count(200, 1, ago=LONG_AGO)
        for k in range(3):
            await shop.count(1 + k)
            await shop.settled(1 + k)

        assert len(hq.of("backlog")) == 1
        assert len(hq.of("batch")) == 3


async def test_backlog_waits_for_a_receiver_when_nobody_ingests(tmp_path, broker):
    """Rule 7: PUBACK 0x10 pauses backlog; a receiver that appears ends the pause."""
    async with Shop(tmp_path, broker.port) as shop:
        async with Hq(broker.port) as hq:
            await eventually(lambda: shop.uplink._greeted)
        await shop.count(1, ago=LONG_AGO)
        await eventually(lambda: shop.uplink._gates["backlog"].nobody)
        async with Hq(broker.port, boot=1) as hq:  # the same boot: only its connection was gone
            await shop.settled(1)

    assert numbers(hq.of("backlog")) == [1]


async def test_a_line_that_dies_without_a_word_is_left_within_45_seconds(tmp_path, broker):
    """A half-open line ends after one and a half keepalives, 30 s as delivered; here the keepalive is two seconds."""
    assert SILENT_KEEPALIVES * LinkSettings("", 0, "").keepalive <= 45

    async with Hq(broker.port) as hq, Proxy(broker.port) as line, Shop(tmp_path, line.port, keepalive=2) as shop:
        await shop.count(1)
        await shop.settled(1)
        line.silent = True
        await eventually(lambda: "nothing heard for" in shop.contact.problem)

        line.silent = False
        await shop.count(2)
        await shop.settled(2)
        assert shop.contact.problem == ""
    assert sorted(set(numbers(hq.of("batch")))) == [1, 2]


async def test_what_a_stuck_line_has_not_taken_is_not_handed_over_twice(tmp_path, broker):
    """On a line that takes nothing, resending would only fill paho's queue: each batch is there once."""
    timing = replace(QUICK, resend_first=0.05, resend_cap=0.05)
    async with Hq(broker.port) as hq, Proxy(broker.port) as line, Shop(tmp_path, line.port, timing) as shop:
        await hq.until(lambda: hq.of("birth"))
        await eventually(lambda: shop.uplink._greeted)
        line.silent = True
        before = shop.contact.bytes_sent
        await shop.count(1)
        await eventually(lambda: shop.contact.bytes_sent > before)
        sent = shop.contact.bytes_sent
        for _ in range(20):
            await asyncio.sleep(0.02)

        assert shop.contact.bytes_sent - sent < sent - before  # what is there now may be said meanwhile, in 49 bytes


async def test_a_batch_is_an_event_with_a_schema_and_live_and_state_are_retained(tmp_path, broker):
    """Cloud events as user properties; whoever subscribes later still gets state and live."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        await shop.count(1)
        [batch] = await hq.batches(1)
        await hq.until(lambda: hq.of("live/store"))
        async with Hq(broker.port, worker="late") as late:
            await late.until(lambda: late.of("live/store") and late.of("state") and late.of("birth"))
    properties = dict(batch.properties)

    assert properties.keys() == {"specversion", "id", "source", "type", "time", "dataschema"}
    assert (properties["dataschema"], properties["id"]) == ("urn:footfall:observations/1", envelope(batch).id)
    assert late.of("live/store")[0].json["occupancy"] == 7
    assert late.of("state")[0].json["st"] == "online"


async def test_everything_works_over_mqtt_3(tmp_path, broker):
    """Nothing that correctness needs is only in MQTT 5."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port, version=4) as shop:
        await shop.count(1, 2)
        await shop.count(9, 2, ago=LONG_AGO)
        await shop.settled(4)

    assert sorted(numbers(hq.heard and hq.of("batch", "backlog"))) == [1, 2, 3, 4]


async def test_a_disk_that_takes_nothing_holds_up_sending_and_nothing_else(tmp_path, broker, monkeypatch):
    """Freezing fails: the line stays, and when the disk is well again the rows go."""
    monkeypatch.setattr(uplink, "DISK_AGAIN", 0.05)
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        await eventually(lambda: shop.uplink._greeted)
        cut, failed = shop.buffer.cut, []

        async def fail(*_):
            failed.append(1)
            raise sqlite3.OperationalError("database or disk is full")

        shop.buffer.cut = fail
        await shop.count(1)
        await eventually(lambda: len(failed) > 2)
        assert shop.contact.broker

        shop.buffer.cut = cut
        await shop.settled(1)
    assert numbers(hq.of("batch")) == [1]


async def test_an_alert_does_not_wait_for_the_metered_line(tmp_path, broker):
    """Rule 8: with a batch an hour, an alert is cut at once and a copy goes to whoever listens."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port, replace(QUICK, every=3600.0)) as shop:
        await shop.count(1)
        await shop.settled(1)
        await shop.count(2)
        now = int(time.time())
        alert = Alert("a1", "queue", "zone:checkout", "firing", "warning", now, 7.0, "seven wait")
        assert len(hq.of("batch")) == 1

        await shop.buffer.append(alerts=[alert])
        await shop.uplink.raised([alert])
        await shop.settled(3)
        [copy] = await hq.until(lambda: hq.of("alert"))

    assert "alerts/1" in [envelope(one).schema_ for one in hq.of("batch")]
    assert (copy.json["id"], copy.json["state"]) == ("a1", "firing")
