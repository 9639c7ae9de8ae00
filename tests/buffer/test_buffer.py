import pytest

from agent.contract import wire
from agent.contract.observation import LedgerEntry, Origin, Quality
from tests.buffer.samples import HEAD, T0, answer, opened, row


async def values(buffer):
    return [(n.observation.start, n.observation.end, n.observation.value) for n in await buffer.rows_after(0)]


async def test_an_equal_append_is_no_news(tmp_path):
    """The same interval read again with the same value takes no new number."""
    buffer = await opened(tmp_path)

    first = await buffer.append([row()])
    again = await buffer.append([row()])

    assert [n.number for n in first] == [1]
    assert again == []
    await buffer.close()


async def test_a_revision_takes_a_new_number_and_voids_the_unsent_one(tmp_path):
    """A row revised before it was sent leaves a number that will never come, and HQ is told."""
    buffer = await opened(tmp_path)
    await buffer.append([row(value=5.0)])
    await buffer.append([row(value=6.0)])

    batch = await buffer.cut("backlog", HEAD)

    envelope = wire.open_envelope(batch.payload)
    assert envelope.seq == [(2, 2)]
    assert envelope.void == [(1, 1)]
    await buffer.close()


async def test_a_finished_value_is_never_lowered(tmp_path):
    """A later, lower reading changes nothing and is told as disputed."""
    buffer = await opened(tmp_path)
    await buffer.append([row(value=9.0)])

    assert await buffer.append([row(value=3.0)]) == []

    assert await values(buffer) == [(T0, T0 + 3600, 9.0)]
    batch = await buffer.cut("fresh", HEAD) or await buffer.cut("backlog", HEAD)
    assert [entry.state for _, entry in wire.read_ledger(wire.open_envelope(batch.payload))] == ["disputed"]
    await buffer.close()


async def test_an_overlap_withdraws_what_it_covers(tmp_path):
    """Within one series intervals never overlap: the covered rows go as nulls in the same commit."""
    buffer = await opened(tmp_path)
    live = [row(T0 + i * 60, T0 + i * 60 + 60, 1.0, origin=Origin.LIVE) for i in range(3)]
    await buffer.append(live)

    written = await buffer.append([row(T0 + 60, T0 + 240, 7.0, origin=Origin.LIVE)])

    assert [(n.observation.start, n.observation.value) for n in written] == [(T0 + 120, None), (T0 + 60, 7.0)]
    await buffer.close()


async def test_of_an_hour_that_came_twice_the_larger_total_stays(tmp_path):
    """A two-hour row that says less than the two rows already there is disputed, one that says more replaces them."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0, value=50.0), row(T0 + 3600, value=30.0)])

    assert await buffer.append([row(T0, T0 + 7200, 60.0, quality=Quality.ESTIMATED)]) == []
    written = await buffer.append([row(T0, T0 + 7200, 81.0, quality=Quality.ESTIMATED)])

    assert [(n.observation.start, n.observation.value) for n in written] == [(T0 + 3600, None), (T0, 81.0)]
    await buffer.close()


async def test_rows_leave_only_by_an_answer_with_id_and_hash(tmp_path):
    """An answer for other bytes frees nothing; the right one frees exactly its rows, also after a restart."""
    buffer = await opened(tmp_path)
    await buffer.append([row(value=5.0)])
    batch = await buffer.cut("backlog", HEAD)
    wrong = answer(batch).model_copy(update={"sha": "0" * 16})

    assert not await buffer.settle(wrong)
    await buffer.close()
    buffer = await opened(tmp_path)
    assert [frozen.payload for frozen in await buffer.unanswered()] == [batch.payload]
    assert await buffer.settle(answer(batch))

    tally = await buffer.tally()
    assert (tally.acked, tally.unsent_fresh + tally.unsent_backlog) == (1, 0)
    await buffer.close()


async def test_lanes_go_by_the_age_of_the_interval(tmp_path):
    """Rows younger than fifteen minutes go fresh, everything else backlog, each once."""
    buffer = await opened(tmp_path)
    now = T0 + 7200
    await buffer.append([row(now - 7200, value=1.0), row(now - 120, now - 60, 2.0, origin=Origin.LIVE)])

    fresh = await buffer.cut("fresh", HEAD)
    backlog = await buffer.cut("backlog", HEAD)

    assert [n.observation.value for n in wire.read_observations(wire.open_envelope(fresh.payload))] == [2.0]
    assert [n.observation.value for n in wire.read_observations(wire.open_envelope(backlog.payload))] == [1.0]
    assert await buffer.cut("fresh", HEAD) is None
    await buffer.close()


async def test_a_restored_buffer_takes_a_new_epoch(tmp_path):
    """HQ knows more numbers than this copy gave: what HQ has is not sent again, the rest goes under a new epoch."""
    buffer = await opened(tmp_path)
    await buffer.compare([])
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 4)])
    epoch = buffer.epoch
    await buffer.close()
    buffer = await opened(tmp_path)  # the copy starts

    assert await buffer.compare([(1, 2), (7, 9)]) == "restored buffer"

    batch = await buffer.cut("backlog", HEAD)
    envelope = wire.open_envelope(batch.payload)
    assert buffer.epoch != epoch
    assert envelope.seq == [(3, 3)]
    assert envelope.void == [(1, 2)]
    await buffer.close()


async def test_a_restored_database_gets_its_rows_again(tmp_path):
    """HQ lacks what it had acknowledged: those rows are unsent again."""
    buffer = await opened(tmp_path)
    await buffer.append([row(value=4.0)])
    await buffer.settle(answer(await buffer.cut("backlog", HEAD)))

    assert await buffer.compare([]) == "restored database"

    again = await buffer.cut("backlog", HEAD)
    assert wire.open_envelope(again.payload).seq == [(1, 1)]
    await buffer.close()


async def test_the_cap_drops_what_hq_has_and_then_tells_what_it_gives_up(tmp_path):
    """Beyond its cap the buffer drops acknowledged rows first, then the oldest others with a ledger entry."""
    buffer = await opened(tmp_path, cap=200_000)
    start = T0 - 3600 * 9000
    for block in range(9):
        await buffer.append([row(start + 3600 * (block * 1000 + i), value=1.0) for i in range(1000)])

    tally = await buffer.tally()

    assert tally.dropped > 0
    assert tally.used_bytes < 600_000
    told = await buffer.cut("backlog", HEAD)
    entries = wire.read_ledger(wire.open_envelope(told.payload))
    assert {entry.state for _, entry in entries} == {"lost"}
    assert sum(b - a + 1 for _, entry in entries for a, b in entry.numbers) == tally.dropped
    await buffer.close()


async def test_rows_cursor_and_state_are_one_commit(tmp_path):
    """A row that breaks the contract takes the whole commit with it: no row, no state, no number used."""
    buffer = await opened(tmp_path)
    bad = row(T0 + 3600, T0 + 3600 + 10**6)

    with pytest.raises(ValueError, match="longer than 25 hours"):
        await buffer.append([row(), bad], state={"poll:door": {"at": 1}})
    assert await buffer.state("poll:door") is None
    assert (await buffer.tally()).created == 0

    written = await buffer.append([row()], [LedgerEntry("door", T0, T0 + 60, "pending", "silent")], {"poll:door": 1})
    assert [n.number for n in written] == [1]
    assert await buffer.state("poll:door") == 1
    assert [entry.reason for entry in await buffer.pending_entries()] == ["silent"]
    await buffer.close()


async def test_a_damaged_file_is_set_aside_and_its_rows_saved(tmp_path):
    """The agent starts whatever the file is like: readable rows come along into a new epoch."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 2001)])
    epoch = buffer.epoch
    await buffer.close()
    path = tmp_path / "buffer.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(content)

    buffer = await opened(tmp_path)

    assert "damaged" in buffer.report
    assert buffer.epoch != epoch
    assert len(await buffer.rows_after(0)) > 1000
    assert (tmp_path / "buffer.damaged-1.db").exists()
    await buffer.close()


async def test_garbage_instead_of_a_file_starts_anew(tmp_path):
    """A file that is no database at all is kept aside, and the agent starts with an empty one."""
    (tmp_path / "buffer.db").write_bytes(b"not a database" * 1000)

    buffer = await opened(tmp_path)

    assert (await buffer.tally()).created == 1  # the ledger's entry that something is lost
    assert await buffer.append([row()])
    await buffer.close()
