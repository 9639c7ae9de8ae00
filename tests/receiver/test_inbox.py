"""Fairness between devices and credit for each, without a broker: who is ahead of whom."""

from __future__ import annotations

import random

import pytest

from agent.contract.messages import Credit
from agent.contract.topics import Branch
from agent.foundation.mqtt import Received
from cloud_receiver.ingest.inbox import (
    BURST,
    ENOUGH,
    GROUP_MESSAGES,
    MOST_OF_ONE,
    MOST_TOLD,
    PLAIN,
    Inbox,
    Limits,
    Verdict,
)
from cloud_receiver.ingest.reading import Told, named
from tests.receiver.hq import rows

NORMALS = 99


def message(device: str, size: int = 100) -> Received:
    topic = Branch("acme", "s", device).topic("batch")
    return Received(topic, b"x" * size, 1, False, "", (), lambda: None)


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def inbox(undecided=10_000, **credit) -> tuple[Inbox, Seconds]:
    seconds = Seconds()
    return Inbox(Limits(undecided, Credit(**credit)), seconds), seconds


async def order(box: Inbox) -> list[str]:
    """The devices in the order in which they are decided."""
    decided = []
    while box.messages:
        group = await box.group()
        assert len(group) <= GROUP_MESSAGES
        decided += [each.topic.split("/")[4] for each in group]
        box.decided(group)
    return decided


def test_one_device_does_not_fill_the_window_of_all():
    """Beyond what a device may have on its way it is turned away at once, and the others are taken."""
    box, _ = inbox()
    assert [box.put(message("mad"))[0] for _ in range(MOST_OF_ONE)] == [Verdict.TAKEN] * MOST_OF_ONE
    verdict, pause = box.put(message("mad"))
    assert verdict is Verdict.OVER
    assert pause > 0
    assert box.put(message("normal"))[0] is Verdict.TAKEN


def test_a_flood_hears_no_more_than_who_listens_could_ask():
    """Beyond that it is dropped without a word, for answers share one window; a second later it is told again."""
    box, seconds = inbox()
    first = [box.put(message("mad"))[0] for _ in range(1000)]
    seconds.now += 1
    after = [box.put(message("mad"))[0] for _ in range(1000)]
    assert (first.count(Verdict.TAKEN), after.count(Verdict.TAKEN)) == (MOST_OF_ONE, 0)
    assert first.count(Verdict.OVER) == after.count(Verdict.OVER) == MOST_TOLD
    assert first.count(Verdict.SHED) + after.count(Verdict.SHED) == 2000 - MOST_OF_ONE - 2 * MOST_TOLD
    assert box.put(message("normal"))[0] is Verdict.TAKEN


async def test_one_flood_stands_in_nobodys_way():
    """Of 99 normal devices, p99 has at most 99 batches ahead, whatever one device pours in."""
    box, _ = inbox(bytes_s=1e9)
    for _ in range(5000):
        box.put(message("flood"))
    arrivals = [f"normal-{k}" for k in range(NORMALS)]
    random.Random(7).shuffle(arrivals)  # noqa: S311 - the same in every run
    for device in arrivals:
        box.put(message(device))
    decided = await order(box)
    ahead = sorted(decided.index(device) for device in arrivals)

    assert ahead[int(0.99 * NORMALS)] <= NORMALS + 1
    assert len(decided) == MOST_OF_ONE + NORMALS


async def test_a_device_is_in_one_group_at_a_time():
    """While the database has a flood's group, others are decided and more of the flood is not."""
    box, _ = inbox()
    for _ in range(4):
        box.put(message("flood", ENOUGH * PLAIN))
    first = await box.group()
    box.put(message("flood", ENOUGH * PLAIN))
    box.put(message("normal"))
    second = await box.group()
    box.decided(first)
    third = await box.group()
    whose = [[each.topic.split("/")[4] for each in group] for group in (first, second, third)]
    assert whose == [["flood"], ["normal"], ["flood"]]


async def test_a_devices_own_batches_keep_their_order():
    """Turns are taken between devices, not within one."""
    box, _ = inbox()
    for size in (1, 2, 3):
        box.put(message("a", size))
        box.put(message("b", size))
    taken = await box.group()
    assert [len(each.payload) for each in taken if "/a/" in each.topic] == [1, 2, 3]


@pytest.mark.parametrize("what", ["bytes", "rows"])
async def test_who_spent_its_credit_pauses_and_the_others_do_not(what):
    """For as long as its debt lasts; a device that was quiet may spend ten seconds' worth at once."""
    box, seconds = inbox(rows_s=100, bytes_s=1000)
    box.put(message("eager", int(1000 * (BURST + 10)) if what == "bytes" else 1))
    if what == "rows":
        box.spend(message("eager").topic, int(100 * (BURST + 10)))
    verdict, pause = box.put(message("eager"))
    assert (verdict, round(pause)) == (Verdict.OVER, 10)
    assert box.put(message("other"))[0] is Verdict.TAKEN
    seconds.now += 9
    assert box.put(message("eager"))[0] is Verdict.OVER
    seconds.now += 2
    assert box.put(message("eager"))[0] is Verdict.TAKEN


async def test_what_waits_is_bounded_in_number_and_bytes():
    """What is beyond is left to its sender."""
    box, _ = inbox(undecided=2)
    assert [box.put(message("a"))[0] for _ in range(3)] == [Verdict.TAKEN, Verdict.TAKEN, Verdict.FULL]
    box = Inbox(Limits(100, Credit(bytes_s=1e9), undecided_bytes=1000), Seconds())
    assert [box.put(message("a", 600))[0] for _ in range(3)] == [Verdict.TAKEN, Verdict.TAKEN, Verdict.FULL]


@pytest.mark.parametrize("n", [1, 500])
async def test_who_is_turned_away_is_named_without_being_read(device, n):
    """From the first bytes, packed or not; a foreign message has no name."""
    payload = device.batch([(1, n)], rows(n))
    assert named(payload) == Told(f"{device.branch.device}:e1:1-{n}", "e1")
    assert named(b"\x1f\x8brubbish") == named(b"rubbish") == Told()
