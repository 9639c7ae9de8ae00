"""A flipped bit is found when it is read, never sent, told as lost, and asked of the camera again."""

import sqlite3
import threading

import pytest

from agent.buffer.damage import DAMAGED
from agent.contract import wire
from agent.contract.observation import Origin
from tests.buffer.samples import HEAD, T0, answer, drained, opened, row
from tests.campaigns.powercut import flips


def alter(path, statement):
    """Change the file behind the buffer's back; the seal stays as it was."""
    link = sqlite3.connect(path / "buffer.db")
    link.execute(statement)
    link.commit()
    link.close()


def sent_values(envelopes):
    return [n.observation.value for e in envelopes if e.schema_ == wire.OBSERVATIONS for n in wire.read_observations(e)]


async def test_an_altered_row_is_never_sent_and_mends_from_the_camera(tmp_path):
    """Altered: void, told as lost, to be asked again. Asked again: the value goes under a new number."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 6)])
    alter(tmp_path, "UPDATE observation SET value = 77 WHERE number = 3")

    envelopes = [envelope async for envelope in drained(buffer)]

    assert sent_values(envelopes) == [1.0, 2.0, 4.0, 5.0]
    lost = [entry for e in envelopes if e.schema_ == wire.LEDGER for _, entry in wire.read_ledger(e)]
    assert [(e.sensor, e.start, e.state, e.reason, e.numbers) for e in lost] == [
        ("door", T0 - 3600 * 3, "lost", DAMAGED, ((3, 3),))
    ]
    assert (3, 3) in [span for envelope in envelopes for span in envelope.void]
    assert await buffer.to_ask_again() == [("door", T0 - 3600 * 3, T0 - 3600 * 2)]

    await buffer.append([row(T0 - 3600 * 3, value=3.0)], state={"ask_again": []})

    assert sent_values([envelope async for envelope in drained(buffer)]) == [3.0]
    assert await buffer.to_ask_again() == []
    await buffer.close()


async def test_an_altered_row_is_not_shown_either(tmp_path):
    """A stage that reads the row leaves it out, and the next commit gives it up."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 4)])
    alter(tmp_path, "UPDATE observation SET quality = quality | 32 WHERE number = 2")

    assert [n.number for n in await buffer.rows_after(0)] == [1, 3]
    assert [r.value for r in await buffer.rows_since(0)] == [3.0, 1.0]

    await buffer.append([row(T0, value=9.0)])
    assert (await buffer.tally()).damaged == 1
    assert sorted(sent_values([e async for e in drained(buffer)])) == [1.0, 3.0, 9.0]
    await buffer.close()


async def test_a_row_that_vanished_is_told(tmp_path):
    """A number that was given but has no row any more is void, so that HQ does not wait for it for ever."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 4)])
    alter(tmp_path, "DELETE FROM observation WHERE number = 2")

    envelopes = [envelope async for envelope in drained(buffer)]

    assert sent_values(envelopes) == [1.0, 3.0]
    assert (2, 2) in [span for envelope in envelopes for span in envelope.void]
    await buffer.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kept SET value = replace(value, '1', '3') WHERE name = 'identity'",
        "UPDATE kept SET value = '[[1,5]]' WHERE name = 'numbers:acked'",
        "UPDATE kept SET value = replace(value, '7', '6') WHERE name = 'poll:door'",
        "UPDATE series SET metric = 'out' WHERE metric = 'in'",
        "UPDATE outbox SET payload = zeroblob(100)",
        "UPDATE outbox SET seq = '[[1,1]]'",
    ],
)
async def test_altered_books_are_not_believed(tmp_path, statement):
    """What decides what rows mean or which were sent is checked at once: a new epoch begins, whole rows come along."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0 - 60 * i, T0 - 60 * i + 60, 5.0, origin=Origin.LIVE) for i in range(1, 4)])
    await buffer.settle(answer(await buffer.cut("backlog", HEAD)))
    await buffer.append([row(value=4.0)], state={"poll:door": {"counter": 4711}})
    epoch = buffer.epoch
    await buffer.cut("backlog", HEAD)
    await buffer.close()
    alter(tmp_path, statement)

    buffer = await opened(tmp_path)

    assert buffer.epoch != epoch
    assert "damaged" in buffer.report
    assert await buffer.state("poll:door") is None
    assert buffer.boot == 2 or "identity" in statement
    sent = sent_values([envelope async for envelope in drained(buffer)])
    # Which were acknowledged is not known any more; the one row that waits has a second copy in the outbox.
    assert sorted(sent) == ([4.0, 5.0, 5.0, 5.0] if "acked" in statement else [4.0])
    await buffer.close()


async def test_a_schema_that_is_no_text_leaves_nothing_open(tmp_path):
    """sqlite3 fails to say what is wrong with it; a connection left open then would keep the agent from ending."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 4)])
    await buffer.close()
    path = tmp_path / "buffer.db"
    path.write_bytes(path.read_bytes().replace(b"NOT NULL", b"NOT N\xd5LL", 1))
    before = set(threading.enumerate())

    mended = await opened(tmp_path)
    assert "damaged" in mended.report
    await mended.close()

    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(10)
    assert [thread for thread in left if thread.is_alive()] == []


async def test_a_table_that_lost_its_numbers_does_not_keep_the_agent_from_starting(tmp_path):
    """One bit of the schema makes the number an ordinary column, which is NULL in every row: all are told as lost."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 4)])
    await buffer.close()
    path = tmp_path / "buffer.db"
    content = path.read_bytes()
    at = content.index(b"INTEGER", content.index(b"CREATE TABLE observation ("))
    path.write_bytes(content[: at + 6] + b"S" + content[at + 7 :])

    mended = await opened(tmp_path)
    envelopes = [envelope async for envelope in drained(mended)]
    lost = [entry for e in envelopes if e.schema_ == wire.LEDGER for _, entry in wire.read_ledger(e)]

    assert "damaged" in mended.report
    assert sent_values(envelopes) == []
    assert [entry.numbers for entry in lost] == [((1, 3),)]
    await mended.close()


def test_single_bit_flips_anywhere_in_the_file():
    """Of a short run of the campaign every altered row is found and none is sent; the long run is run.py powercut."""
    told = flips.campaign(120, seed=20)

    assert told["problems"] == []
    assert told["altered_rows_sent"] == 0
