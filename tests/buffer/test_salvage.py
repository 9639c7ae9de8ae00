"""What a damaged file does not give is told by exact numbers, and whose it was; what lies beside it is saved."""

import sqlite3
from contextlib import closing

import pytest

from agent.buffer.damage import DAMAGED
from agent.buffer.losses import reason_of
from agent.contract import wire
from agent.contract.observation import Origin
from agent.contract.ranges import Ranges
from tests.buffer.samples import HEAD, T0, answer, drained, opened, row

PAGE = 4096
DOORS = ("line:1", "line:2")


def minutes(count, first=0):
    """Minutes of two lines, taking turns as in a tick."""
    begin = T0 - 60 * 100_000
    return [
        row(begin + 60 * i, begin + 60 * i + 60, float(i % 7), place=place, origin=Origin.LIVE)
        for i in range(first, first + count)
        for place in DOORS
    ]


def pages_of(path, name):
    """The root page of a table or index."""
    with closing(sqlite3.connect(path)) as link:
        [(root,)] = link.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
    return root


def leaf_of(path, number):
    """The page on which a number's row is: the one that holds its seal's neighbourhood, found by walking down."""
    content = path.read_bytes()
    page = pages_of(path, "observation")
    while True:
        at = (page - 1) * PAGE
        kind = content[at]
        if kind == 13:
            return page
        cells = int.from_bytes(content[at + 3 : at + 5], "big")
        below = int.from_bytes(content[at + 8 : at + 12], "big")
        for k in range(cells - 1, -1, -1):
            cell = at + int.from_bytes(content[at + 12 + 2 * k : at + 14 + 2 * k], "big")
            if number <= varint(content, cell + 4):
                below = int.from_bytes(content[cell : cell + 4], "big")
        page = below


def varint(content, at):
    value = 0
    for k in range(8):
        value = value << 7 | content[at + k] & 127
        if content[at + k] < 128:
            return value
    return value << 8 | content[at + 8]


def spoil(path, *pages):
    content = bytearray(path.read_bytes())
    for page in pages:
        content[(page - 1) * PAGE : page * PAGE] = b"\xff" * PAGE
    path.write_bytes(content)


async def filled(folder, count=2000):
    """A closed buffer with a past at HQ: the first thousand numbers are acknowledged, two batches are under way."""
    buffer = await opened(folder)
    await buffer.append(minutes(count // 2))
    await buffer.settle(answer(await buffer.cut("backlog", HEAD)))
    epoch = buffer.epoch
    await buffer.close()
    with closing(sqlite3.connect(folder / "buffer.db")) as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return epoch


async def said(buffer):
    """Rows and ledger entries as HQ gets them, and every number it is told of."""
    rows, entries, covered = [], [], Ranges()
    async for envelope in drained(buffer):
        covered.update([*envelope.seq, *envelope.void])
        if envelope.schema_ == wire.LEDGER:
            entries += [entry for _, entry in wire.read_ledger(envelope)]
        else:
            rows += [numbered.observation for numbered in wire.read_observations(envelope)]
    return rows, entries, covered


async def test_a_bad_page_is_told_to_the_last_number(tmp_path):
    """Every row is either sent or named, by sensor, stretch and number, and asked of the camera again."""
    epoch = await filled(tmp_path)
    spoil(tmp_path / "buffer.db", leaf_of(tmp_path / "buffer.db", 1500))

    buffer = await opened(tmp_path)
    rows, entries, covered = await said(buffer)

    [entry] = entries
    [(first, last)] = entry.numbers
    lost = minutes(1000)[first - 1 : last]
    assert 20 < len(lost) < 200
    assert 1500 in Ranges(entry.numbers)
    assert (entry.sensor, entry.state, entry.reason) == ("door", "lost", reason_of(epoch))
    assert (entry.start, entry.end) == (lost[0].start, lost[-1].end)
    assert sorted(rows) == sorted(set(minutes(1000)[1000:]) - set(lost))
    assert f"{len(lost)} could not be read" in buffer.report
    assert await buffer.to_ask_again() == [("door", entry.start, entry.end)]
    assert covered == Ranges([(1, buffer.highest)])  # HQ waits for nothing in the new epoch
    assert (await buffer.tally()).damaged == len(lost)
    await buffer.close()


async def test_rows_are_saved_from_the_outbox_where_the_table_is_bad(tmp_path):
    """A batch under way holds a second copy of its rows."""
    await filled(tmp_path)
    buffer = await opened(tmp_path)
    batch = await buffer.cut("backlog", HEAD)
    await buffer.close()
    spoil(tmp_path / "buffer.db", leaf_of(tmp_path / "buffer.db", 1500))

    buffer = await opened(tmp_path)
    rows, entries, _ = await said(buffer)

    assert batch.rows == 1000
    assert (sorted(rows), entries) == (sorted(minutes(1000)[1000:]), [])
    await buffer.close()


async def test_what_nobody_can_place_is_the_stores(tmp_path):
    """Table and index are gone: the numbers are known from the books, and lie between nothing and now."""
    epoch = await filled(tmp_path, 6000)
    path = tmp_path / "buffer.db"
    spoil(path, pages_of(path, "observation"), pages_of(path, "observation_key"))

    buffer = await opened(tmp_path)
    rows, entries, covered = await said(buffer)

    assert rows == []
    assert {(entry.sensor, entry.state, entry.reason) for entry in entries} == {("store", "lost", reason_of(epoch))}
    assert Ranges(span for entry in entries for span in entry.numbers) == Ranges([(1001, 6000)])
    assert covered == Ranges([(1, buffer.highest)])
    await buffer.close()


async def test_a_table_without_a_root_is_told_from_its_index(tmp_path):
    """No row can be read, and yet each number is told with its sensor and its time."""
    await filled(tmp_path, 6000)
    path = tmp_path / "buffer.db"
    spoil(path, pages_of(path, "observation"))

    buffer = await opened(tmp_path)
    _, entries, _ = await said(buffer)

    assert {entry.sensor for entry in entries} == {"door"}
    assert Ranges(span for entry in entries for span in entry.numbers) == Ranges([(1001, 6000)])
    assert min(entry.start for entry in entries) == minutes(3000)[1000].start
    await buffer.close()


async def test_that_something_is_lost_is_told_even_where_nothing_can_be_read(tmp_path):
    """No numbers, no epoch, no times: HQ learns that there was damage."""
    (tmp_path / "buffer.db").write_bytes(b"not a database" * 1000)

    buffer = await opened(tmp_path)
    _, [entry], _ = await said(buffer)

    assert (entry.sensor, entry.state, entry.numbers) == ("store", "lost", ())
    assert entry.reason.startswith(DAMAGED)
    await buffer.close()


HEADINGS = {"magic": 3, "page size": 16, "root's kind": 100, "a cell's place": 108}


@pytest.mark.parametrize("where", [*HEADINGS, "a name", "a statement"])
async def test_one_flipped_bit_of_the_first_page_costs_no_row(tmp_path, where):
    """Without that page nothing can be read; what stands on it is known, and the file set aside keeps its own."""
    epoch = await filled(tmp_path)
    path = tmp_path / "buffer.db"
    content = bytearray(path.read_bytes())
    named = {"a name": content.rindex(b"observation_key") + 3, "a statement": content.rindex(b"CREATE TABLE kept") + 2}
    at = named.get(where) or HEADINGS[where]
    content[at] ^= 4
    path.write_bytes(content)

    buffer = await opened(tmp_path)
    rows, entries, _ = await said(buffer)

    assert (sorted(rows), entries) == (sorted(minutes(1000)[1000:]), [])
    assert buffer.epoch != epoch
    assert (tmp_path / "buffer.damaged-1.db").read_bytes() == content
    await buffer.close()
