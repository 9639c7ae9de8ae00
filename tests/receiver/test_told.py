"""What an operator reads of things that arrive broken, of clocks that are wrong and of certificates that ended."""

from __future__ import annotations

import gzip
import json
import time

import pytest

from agent.contract import caps
from agent.contract.times import DAY, rfc3339
from cloud_receiver.database.overview import _span
from tests.receiver.hq import rows
from tests.receiver.test_greeting import health_of, until

BROKEN = {
    "a bomb": (lambda _: gzip.compress(bytes(8_000_000)), "inflates beyond"),
    "more than a message may have": (lambda good: good + bytes(caps.MAX_BYTES), "are more than the 262144 a batch may"),
    "cut off": (lambda good: good[:-9], "gzip ends too early"),
    "a flipped bit": (lambda good: gzip.compress(caps.inflate(good).replace(b'"n":500', b'"n":501')), "crc does not"),
    "another device's": (lambda good: good, "the envelope says"),
    "no batch": (lambda _: b"GET / HTTP/1.1\r\n\r\n", "no batch: neither gzip nor a JSON object"),
}


async def test_what_is_broken_is_listed_with_its_reason_and_what_follows_is_taken(hq, device):
    """The list names device and reason, the bytes can be looked at, and the next batch is committed."""
    answers = {}
    async with hq.device() as other:
        for what, (breaks, _) in BROKEN.items():
            whose = other if what == "another device's" else device
            answers[what] = await device.send(breaks(whose.batch([(1, 500)], rows(500))))
    after = await device.send(device.batch([(1, 1)], rows(1)))
    listed = json.loads(hq.command("quarantine", "list", "--json").stdout)
    mine = [entry for entry in reversed(listed) if entry["device"] == device.branch.device]
    shown = hq.command("quarantine", "show", str(mine[0]["id"])).stdout

    assert {answer["st"] for answer in answers.values()} == {"rejected"}
    assert after["st"] == "committed"
    for (what, answer), entry in zip(answers.items(), mine, strict=True):
        assert BROKEN[what][1] in answer["err"]
        assert entry["reason"] == answer["err"]
    assert f"reason: {mine[0]['reason']}" in shown


async def test_a_clock_two_years_wrong_is_told_in_words(hq, device):
    """By how much, in which direction and what that means; who is right by the minute is not named."""
    async with hq.device() as right, hq.device() as nonsense:
        now = time.time()
        for each, ts in ((device, rfc3339(now - 730 * DAY)), (right, rfc3339(now)), (nonsense, "yesterday")):
            await each.publish("health", health_of(ts=ts, clock="none"))
            await until(hq, "SELECT count(*) FROM device_health WHERE device = $1", each, [(1,)])
        said = hq.command("status").stdout
        told = {e["device"]: e for e in json.loads(hq.command("status", "--json").stdout)["wrong_clocks"]}

    assert told[device.branch.device]["text"].startswith(("730 days behind", "729 days behind"))
    assert told[device.branch.device]["clock"] == "none"
    assert "yesterday" in told[nonsense.branch.device]["text"]
    assert right.branch.device not in told
    assert "wrong clocks:" in said


async def test_a_certificate_that_ended_is_told_with_what_helps(hq, device):
    """The broker refuses such a device before headquarters hears a word; the registry knows when it ended."""
    async with hq.device() as soon, hq.device() as fine:
        now = int(time.time())
        for k, (each, ends) in enumerate(((device, now - 3 * DAY), (soon, now + 10 * DAY), (fine, now + 400 * DAY))):
            certificate = "INSERT INTO certificates (serial, device, begins, ends, made) VALUES ($1, $2, 0, $3, 0)"
            await hq.ask(certificate, f"told-{k}-{each.branch.device}", each.branch.device, ends)
        told = {e["device"]: e["text"] for e in json.loads(hq.command("status", "--json").stdout)["certificates"]}

    assert told[device.branch.device].startswith("ended 3 days ago: the broker refuses it")
    assert told[soon.branch.device].startswith(("ends in 10 days", "ends in 9 days"))
    assert fine.branch.device not in told


@pytest.mark.parametrize(("seconds", "says"), [(90, "90 seconds"), (7200, "2 hours"), (200_000, "2 days")])
def test_a_length_of_time_is_said_roughly(seconds, says):
    """In the largest unit of which there are two."""
    assert _span(seconds) == says
