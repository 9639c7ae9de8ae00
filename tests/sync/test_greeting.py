import shutil

from agent.buffer.buffer import Buffer
from agent.contract import wire
from agent.contract.messages import Answer
from agent.contract.observation import Observation, Origin, Quality
from agent.foundation.clock import Clock

HEAD = {"device": "pi-1", "run": "r1", "clock": {"sync": "ntp"}, "layout": "1", "tz": "UTC"}
T0 = 1_790_000_000 // 3600 * 3600


def rows(first, last):
    """Minutes of long ago, so that all go by the backlog lane."""
    return [
        Observation("door", "line:1", "in", T0 + 60 * k, T0 + 60 * k + 60, 1.0, Origin.LIVE, Quality.MEASURED)
        for k in range(first, last + 1)
    ]


async def opened(path):
    return await Buffer.open(path / "buffer.db", Clock(), 10**9)


async def send(buffer, st="committed"):
    """Cut and answer one batch; its envelope."""
    batch = await buffer.cut("backlog", HEAD)
    envelope = wire.open_envelope(batch.payload)
    if st:
        answer = Answer(id=batch.id, sha=batch.sha, epoch=envelope.epoch, st=st, at="x")
        assert await buffer.settle(answer)
    return envelope


async def copied(tmp_path, *, answered=95):
    """A copy of a buffer with rows 1-100, of which HQ has answered for some and said hello once."""
    original = await opened(tmp_path)
    assert await original.compare([]) == "agreed"
    await original.append(rows(1, answered))
    await send(original)
    await original.append(rows(answered + 1, 100))
    await original.close()
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "buffer.db", tmp_path / "copy")
    return await opened(tmp_path / "copy")


async def test_a_restored_copy_that_counted_on_without_a_line_loses_nothing(tmp_path):
    """Its own rows have overtaken HQ's highest number; what HQ has under their numbers is not taken for them."""
    buffer = await copied(tmp_path)
    epoch = buffer.epoch
    await buffer.append(rows(201, 210))
    await buffer.close()
    buffer = await opened(tmp_path / "copy")  # another start without hello
    await buffer.append(rows(211, 215))

    assert await buffer.compare([(1, 105)]) == "restored buffer"

    envelope = await send(buffer)
    assert (envelope.epoch != epoch, envelope.seq) == (True, [(101, 115)])
    await buffer.close()


async def test_a_restored_copy_sends_nothing_again_that_the_original_sent(tmp_path):
    """Rows that waited when the copy was made and that HQ has got since are settled; younger ones go."""
    buffer = await copied(tmp_path)
    await buffer.append(rows(201, 201))

    assert await buffer.compare([(1, 98)]) == "restored buffer"

    envelope = await send(buffer)
    assert envelope.seq == [(99, 101)]
    assert envelope.void == [(1, 98)]
    await buffer.close()


async def test_a_batch_on_its_way_is_answered_not_assumed(tmp_path):
    """That HQ covers the numbers of an unanswered batch frees nothing: id and hash do."""
    buffer = await copied(tmp_path)
    assert await buffer.compare([(1, 95)]) == "agreed"
    batch = await buffer.cut("backlog", HEAD)

    assert await buffer.compare([(1, 100)]) == "agreed"

    assert [one.id for one in await buffer.unanswered()] == [batch.id]
    assert 96 not in buffer.acked
    await buffer.close()


async def test_an_answer_that_overtook_the_hello_is_no_loss_at_hq(tmp_path):
    """Only what was acknowledged before the birth can be missing from the hello to it."""
    buffer = await copied(tmp_path)
    at_birth = buffer.acked
    await send(buffer)

    assert await buffer.compare([(1, 95)], at_birth) == "agreed"
    assert await buffer.compare([(1, 90)], at_birth) == "restored database"

    assert (await send(buffer)).seq == [(91, 95)]
    await buffer.close()


async def test_a_clone_that_hears_of_the_other_takes_a_new_epoch(tmp_path):
    """Two devices from one copy, both greeted: at the next hello the slower one sees numbers it never sent."""
    buffer = await copied(tmp_path, answered=100)
    assert await buffer.compare([(1, 100)]) == "agreed"
    epoch = buffer.epoch
    await buffer.append(rows(201, 205))

    assert await buffer.compare([(1, 103)]) == "restored buffer"

    assert buffer.epoch != epoch
    assert (await send(buffer)).seq == [(101, 105)]
    await buffer.close()
