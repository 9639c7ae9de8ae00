"""What a device calls lost, and HQ has: the ledger keeps the word, the list of gaps leaves it out."""

from __future__ import annotations

from agent.buffer.losses import reason_of
from agent.contract import wire
from agent.contract.observation import LedgerEntry, Origin, Quality
from tests.receiver.hq import START, row, rows

HOUR = 3600


def lost(*numbers, start=START, end=START + HOUR, reason="the buffer is full") -> LedgerEntry:
    return LedgerEntry("door-1", start, end, "lost", reason, numbers)


def ledger(device, number: int, *entries: LedgerEntry, **more) -> bytes:
    seq = [(number, number + len(entries) - 1)]
    return wire.encode(device.head(seq, len(entries), schema=wire.LEDGER, **more), *wire.ledger_columns(entries))


async def gaps(hq, device) -> list[tuple]:
    """What others read: from, to, state, and which numbers."""
    return await hq.ask(
        'SELECT extract(epoch FROM start)::bigint, extract(epoch FROM "end")::bigint, state, numbers::text'
        " FROM gap_list WHERE store = $1 ORDER BY 1, 3",
        device.branch.store,
    )


async def test_rows_that_came_after_all_are_not_lost(hq, device):
    """Their answer was lost, so the device gave them up: the late word changes neither rows nor the list of gaps."""
    await device.send(device.batch([(1, 5)], rows(5)))
    before = await device.rows()
    answer = await device.send(ledger(device, 6, lost((2, 4)), void=[(2, 4)]))

    assert answer["st"] == "committed"
    assert await gaps(hq, device) == []
    assert await device.rows() == before
    assert await device.coverage() == [(1, 6)]


async def test_only_the_numbers_that_never_came_are_lost(hq, device):
    """Of 2 to 9 HQ has up to 5; that 6 to 9 were told void first makes them no less lost."""
    await device.send(device.batch([(1, 5)], rows(5), void=[(6, 9)]))
    await device.send(ledger(device, 10, lost((2, 9))))

    assert await gaps(hq, device) == [(START, START + HOUR, "lost", "{[6,10)}")]


async def test_a_batch_that_overtakes_or_follows_its_ledger_entry_says_the_same(hq, device):
    """Lanes have no order between them: rows that come after they were called lost are not lost either."""
    await device.send(ledger(device, 6, lost((1, 5))))
    assert len(await gaps(hq, device)) == 1
    await device.send(device.batch([(1, 5)], rows(5)))
    assert await gaps(hq, device) == []


async def test_numbers_of_another_epoch_prove_nothing(hq, device):
    """The same number is another row there."""
    await device.send(device.batch([(1, 5)], rows(5)))
    device.epoch = "e2"
    await device.send(ledger(device, 6, lost((1, 5))))
    assert await gaps(hq, device) == [(START, START + HOUR, "lost", "{[1,6)}")]


async def test_numbers_that_a_salvage_could_not_read_are_those_of_the_epoch_it_names(hq, device):
    """Of 4 to 9 HQ had up to 5 in that epoch; what the new one counts under these numbers proves nothing."""
    await device.send(device.batch([(1, 5)], rows(5)))
    device.epoch = "e2"
    await device.send(device.batch([(6, 9)], rows(4), void=[(1, 5)]))
    await device.send(ledger(device, 10, lost((4, 9), reason=reason_of("e1"))))
    assert await gaps(hq, device) == [(START, START + HOUR, "lost", "{[6,10)}")]


async def test_an_hour_that_the_device_before_told_is_not_lost(hq, device):
    """A new card finds the camera's memory empty; HQ has those hours from the old one, but for what nobody told."""
    hours = [row(5.0, start=START + k * HOUR, origin=Origin.LOG)._replace(end=START + (k + 1) * HOUR) for k in range(3)]
    await device.send(device.batch([(1, 3)], hours))
    await device.send(ledger(device, 4, LedgerEntry("door-1", START, START + 3 * HOUR, "answered", "no answer")))
    device.epoch = "e2"
    empty = "the device's memory has no lines of it"
    told = [lost(start=START - HOUR, end=START + HOUR, reason=empty), lost(end=START + 2 * HOUR, reason="no answer")]
    await device.send(ledger(device, 1, *told))

    listed = await gaps(hq, device)
    assert listed == [(START - HOUR, START, "lost", "{}"), (START, START + 3 * HOUR, "answered", "{}")]
    assert [r[4] for r in await device.rows()] == [5, 5, 5]


async def test_what_is_unconfirmed_withdrawn_or_made_here_fills_no_gap(hq, device):
    """A zero that nobody may count, a row taken back, and the store's own figures are no answer of the sensor."""
    await device.send(
        device.batch(
            [(1, 3)],
            [
                row(0.0, quality=Quality.UNCONFIRMED),
                row(None, place="line:2"),
                row(4.0, place="store", origin=Origin.EDGE),
            ],
        )
    )
    device.epoch = "e2"
    await device.send(ledger(device, 1, lost(end=START + 60)))
    assert await gaps(hq, device) == [(START, START + 60, "lost", "{}")]


async def test_a_device_knows_its_own_gaps(hq, device):
    """Live rows of its own do not deny that its camera's memory has no row."""
    await device.send(device.batch([(1, 1)], [row(5.0)]))
    await device.send(ledger(device, 2, lost(end=START + 60, reason="the device has no lines row for it")))
    assert len(await gaps(hq, device)) == 1


async def test_an_entry_that_ends_before_it_begins_is_no_gap(hq, device):
    """And spoils the list for nobody."""
    await device.send(ledger(device, 1, lost(end=START - 60), lost(end=START, reason="no time at all")))
    assert await hq.ask("SELECT count(*) FROM gaps WHERE device = $1", device.branch.device) == [(2,)]
    assert await gaps(hq, device) == []
