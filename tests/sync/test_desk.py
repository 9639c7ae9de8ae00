"""Commands over a real broker: done once and answered, or refused with the reason."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from agent.contract import wire
from agent.contract.messages import Desired, Reported, document_sha
from agent.contract.times import rfc3339
from agent.foundation.clock import Clock
from agent.runtime.orders import Orders, shown
from agent.sync.desk import Desk
from tests.sync.headquarters import Hq, Shop, eventually

LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


class NoWishes:
    """A device that takes every configuration for tried."""

    def __init__(self):
        self.taken = []

    async def take(self, desired):
        self.taken.append(desired)
        return Reported(version=desired.version, sha256=desired.sha256, state="trying", at=rfc3339(0))

    def standing(self):
        return None

    def heard(self):
        return None


def desk(shop):
    orders = Orders(
        shop.buffer, {}, shop.health, {"mqtt": {"host": "h"}, "sensor": [{"options": {"token": "x"}}]}, Clock()
    )
    shop.wishes = NoWishes()
    return Desk(shop.branch, shop.buffer, Clock(), orders.actions, shop.wishes)


@pytest.fixture
async def both(tmp_path, broker):
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port, desk=desk) as shop:
        await eventually(lambda: shop.uplink._greeted)
        yield hq, shop


async def ask(hq, verb, /, **fields):
    """Send a command and wait for the reply to it."""
    before = len(hq.of("reply"))
    command = {"id": "c1", "device": "pi-1", "expires": LATER} | fields
    await hq.tell(f"cmd/{verb}", json.dumps(command).encode())
    await hq.until(lambda: len(hq.of("reply")) > before)
    reply = hq.of("reply")[-1].json
    assert (reply["id"], reply["verb"]) == (command["id"], verb)
    return reply


async def test_diagnose_tells_how_it_stands_without_secrets(both):
    """Health, settings and log lines, and nothing that names a secret."""
    hq, _ = both
    reply = await ask(hq, "diagnose", id="d-1")

    assert reply["st"] == "done"
    assert reply["result"].keys() == {"health", "settings", "log"}
    assert reply["result"]["settings"]["sensor"][0]["options"] == {"token": "[redacted]"}


async def test_rebirth_says_birth_again(both):
    """And HQ's hello lets it send on."""
    hq, shop = both
    births = len(hq.of("birth"))
    assert (await ask(hq, "rebirth"))["st"] == "done"
    await hq.until(lambda: len(hq.of("birth")) > births)
    await shop.count(1)
    await shop.settled(1)


async def test_resend_sends_numbers_again_under_a_new_id(both):
    """The same numbers, in a batch that no receiver takes for a fork, and no new epoch for it."""
    hq, shop = both
    await shop.count(1, 3)
    await shop.settled(3)
    epoch = shop.buffer.epoch

    reply = await ask(hq, "resend", epoch=epoch, first=2, last=3)
    await hq.batches(2)

    first, again = (wire.open_envelope(one.payload) for one in hq.of("batch", "backlog"))
    assert reply["result"] == {"rows": 2}
    assert (again.seq, again.id) == ([(2, 3)], first.id.replace("1-3", "2-3") + ".1")
    await shop.settled(3)
    assert shop.buffer.epoch == epoch


@pytest.mark.parametrize(
    ("verb", "fields", "why"),
    [
        ("reboot", {}, "there is no command of this name"),
        ("diagnose", {"expires": "2020-01-01T00:00:00Z"}, "expired"),
        ("diagnose", {"expires": "2999-01-01T00:00:00Z"}, "48 hours"),
        ("diagnose", {"expires": "tomorrow"}, "expires"),
        ("diagnose", {"device": "pi-2"}, "this is pi-1, not pi-2"),
        ("diagnose", {"verb": "rebirth"}, "another verb"),
        ("diagnose", {"lines": 100_000}, "lines"),
        ("resend", {"epoch": "other", "first": 1, "last": 2}, "the epoch is"),
        ("resend", {"epoch": "e", "first": 0, "last": 2}, "first"),
        ("backfill", {"sensor": "x", "from": LATER, "to": LATER}, "there is no sensor x"),
        ("acknowledge", {"alert": "a"}, "there is no alert a"),
    ],
)
async def test_what_is_not_done_is_refused_with_the_reason(both, verb, fields, why):
    """Unknown verb, expired, for another device, out of bounds: a reply says which."""
    hq, _ = both
    reply = await ask(hq, verb, **fields)

    assert reply["st"] == "refused"
    assert why in reply["why"]


async def test_a_command_is_obeyed_once(both, tmp_path, broker):
    """A replayed id is refused, also after a restart of the device."""
    hq, shop = both
    assert (await ask(hq, "rebirth", id="once"))["st"] == "done"
    assert "used before" in (await ask(hq, "rebirth", id="once"))["why"]
    await shop.__aexit__()
    async with Shop(tmp_path, broker.port, desk=desk) as again:
        await eventually(lambda: again.uplink._greeted)
        assert "used before" in (await ask(hq, "diagnose", id="once"))["why"]
    await shop.__aenter__()


async def test_garbage_is_answered_too(both):
    """A reply without an id, as there was none to be read."""
    hq, _ = both
    await hq.tell("cmd/diagnose", b"\xff not json")
    await hq.until(lambda: hq.of("reply"))

    assert (hq.of("reply")[0].json["st"], hq.of("reply")[0].json["id"]) == ("refused", "")


async def test_a_desired_configuration_reaches_its_keeper_and_is_reported(both):
    """Retained both ways; an empty message, which clears the topic, is nothing."""
    hq, shop = both
    doc = {"settings": {"history": {"days": 3}}}
    desired = Desired(version=1, sha256=document_sha(doc), doc=doc)
    await hq.tell("config/desired", b"", retain=True)
    await hq.tell("config/desired", desired.payload(), retain=True)
    await hq.until(lambda: hq.of("config/reported"))

    assert hq.of("config/reported")[0].json["state"] == "trying"
    assert shop.wishes.taken == [desired]


def test_no_value_of_a_secret_is_shown():
    """Deep in lists and tables, and inside texts."""
    value = {"a": [{"password": "p1", "url": "http://u:p2@192.0.2.1/"}], "password_file": "door.password"}

    text = json.dumps(shown(value))

    assert "p1" not in text
    assert "p2" not in text
    assert "door.password" in text


async def test_commands_do_not_hold_up_answers(both):
    """A hundred commands beside batches: every row is answered."""
    hq, shop = both
    await asyncio.gather(*(hq.tell("cmd/diagnose", b"{}") for _ in range(100)))
    await shop.count(1, 3)
    await shop.settled(3)
