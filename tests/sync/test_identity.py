"""Who a device is: restored backups, cloned cards and replaced devices, with a real receiver and its database."""

import shutil
from itertools import count

import pytest

from agent.contract.messages import ResendCommand
from agent.contract.topics import Branch
from agent.foundation.mqtt import Message
from tests.sync.headquarters import Shop, eventually
from tests.sync.test_desk import LATER, desk

_names = count(1)


@pytest.fixture
async def branch(receiver):
    """A device of its own in a store of its own."""
    made = Branch("acme", f"identity-{next(_names)}", f"card-{next(_names)}")
    await receiver.register(made.device, made.store)
    return made


async def held(receiver, store):
    """What HQ holds of a store: cell, value, epoch."""
    rows = await receiver.ask(
        "SELECT place, value, epochs.epoch FROM observations JOIN stores ON stores.id = observations.store"
        " JOIN epochs ON epochs.ordinal = observations.epoch WHERE stores.store = $1 AND stream = 0 ORDER BY place",
        store,
    )
    return {int(place.rpartition(",")[2]): (value, epoch) for place, value, epoch in rows}


def copy(source, target):
    shutil.copytree(source, target)
    return target


async def test_a_backup_restored_later_loses_and_doubles_nothing(receiver, branch, tmp_path):
    """Copied at t1, the original went on to t2; the copy counts on under the same numbers, first without a line."""
    async with Shop(tmp_path / "card", receiver.port, branch=branch) as shop:
        await shop.count(1, 4)
        await shop.settled(4)
        first_epoch = shop.buffer.epoch
    backup = copy(tmp_path / "card", tmp_path / "backup")
    async with Shop(tmp_path / "card", receiver.port, branch=branch) as shop:
        await shop.count(5, 4)
        await shop.settled(8)

    async with Shop(backup, 1, branch=branch) as offline:  # nothing listens there
        await offline.count(9, 6)
    async with Shop(backup, receiver.port, branch=branch) as shop:
        await shop.count(15, 2)
        await shop.settled(4 + 8)
        assert shop.buffer.epoch != first_epoch

    rows = await held(receiver, branch.store)
    assert sorted(rows) == list(range(1, 17))
    assert {rows[k][1] for k in range(1, 9)} == {first_epoch}
    assert {rows[k][1] for k in range(9, 17)}.isdisjoint({first_epoch})


async def test_two_clones_at_once_lose_nothing_and_part_ways(receiver, branch, tmp_path):
    """One card copied, both running: the same numbers, other content. One is told, and takes a new epoch."""
    async with Shop(tmp_path / "card", receiver.port, branch=branch) as shop:
        await shop.count(1, 4)
        await shop.settled(4)
        first_epoch = shop.buffer.epoch
    clone = copy(tmp_path / "card", tmp_path / "clone")

    async with (
        Shop(tmp_path / "card", receiver.port, branch=branch) as one,
        Shop(clone, receiver.port, branch=branch) as other,
    ):
        for shop in (one, other):
            await eventually(lambda shop=shop: shop.uplink._greeted)
        await one.count(5, 2)
        await other.count(7, 2)
        for shop in (one, other):
            await shop.settled(6)
        epochs = {one.buffer.epoch, other.buffer.epoch}
        [told] = [shop.contact.forked for shop in (one, other) if shop.contact.forked]  # the page says so, of one
        for k in range(10, 20, 2):  # both stay connected and go on: neither throws the other out
            await one.count(k)
            await other.count(k + 1)
        for shop in (one, other):
            await shop.settled(11)

    assert len(epochs) == 2
    assert first_epoch in epochs
    rows = await held(receiver, branch.store)
    assert sorted(rows) == [1, 2, 3, 4, 5, 6, 7, 8, *range(10, 20)]
    assert await receiver.ask("SELECT count(*) FROM epochs WHERE device = $1", branch.device) == [(2,)]
    # An operator finds the fork with its rows as they came, beside those that count.
    [(fork,)] = await receiver.ask("SELECT id FROM forks WHERE device = $1", branch.device)
    [(found,)] = await receiver.ask("SELECT found FROM forks WHERE id = $1", fork)
    assert abs(found - told) < 300  # within five minutes at both ends
    [(apart,)] = await receiver.ask("SELECT count(*) FROM observations WHERE stream = $1", fork)
    assert apart == 2


async def test_a_replaced_device_wins_where_both_counted(receiver, branch, tmp_path):
    """The newer epoch by HQ's own order, whatever the clocks say; what only the old one counted stays."""
    replacement = branch._replace(device=f"{branch.device}-new")
    await receiver.register(replacement.device, replacement.store)
    async with Shop(tmp_path / "old", receiver.port, branch=branch) as old:
        await old.count(1, 4, value=3.0)
        await old.settled(4)
        async with Shop(tmp_path / "new", receiver.port, branch=replacement) as new:
            await new.count(3, 4, value=5.0)
            await new.settled(4)
            old_epoch, new_epoch = old.buffer.epoch, new.buffer.epoch
        await old.count(3, 2, value=4.0)  # the old one is still on the shelf, and counts on
        await old.settled(6)

    rows = await held(receiver, branch.store)
    assert rows == {k: (3.0, old_epoch) if k < 3 else (5.0, new_epoch) for k in range(1, 7)}


async def test_rows_deleted_at_hq_come_again_when_it_asks_for_them(receiver, branch, tmp_path):
    """HQ forgets that it covers them and says `resend`: the same rows under new ids, no fork, no new epoch."""
    async with Shop(tmp_path / "card", receiver.port, branch=branch, desk=desk) as shop:
        await shop.count(1, 6)
        await shop.settled(6)
        epoch = shop.buffer.epoch
        await receiver.ask(
            "DELETE FROM observations WHERE store = (SELECT id FROM stores WHERE store = $1)", branch.store
        )
        await receiver.ask(
            "UPDATE coverage SET ranges = ranges - '{[2,5]}'::int8multirange WHERE device = $1", branch.device
        )
        command = ResendCommand(id="again", device=branch.device, expires=LATER, epoch=epoch, first=2, last=5)
        await shop.uplink._link.publish(Message(branch.topic("cmd/resend"), command.payload()))
        await eventually(lambda: shop.uplink._mark)
        await shop.settled(6)

        assert shop.buffer.epoch == epoch
    assert sorted(await held(receiver, branch.store)) == [2, 3, 4, 5]
    assert await receiver.ask("SELECT count(*) FROM forks WHERE device = $1", branch.device) == [(0,)]
