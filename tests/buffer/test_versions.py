"""Older and newer versions on one device, and every kind of row in the one sequence."""

import sqlite3

import pytest

from agent.contract import wire
from agent.contract.happenings import Alert, ManualCount, read_alerts, read_manual
from agent.foundation.sqlite import TWIN
from tests.buffer.samples import HEAD, T0, drained, opened, row


def say_version(path, number):
    link = sqlite3.connect(path)
    link.execute(f"PRAGMA user_version = {number}")
    link.execute(f"PRAGMA application_id = {TWIN + number}")
    link.close()


async def test_a_downgrade_and_the_upgrade_after_it_lose_nothing(tmp_path):
    """The older version leaves the newer file as it is and works beside it; the newer then takes that over too."""
    newer = await opened(tmp_path)
    await newer.append([row(T0, value=1.0)], state={"poll:door": {"tick": 1}})
    await newer.close()
    say_version(tmp_path / "buffer.db", 99)

    older = await opened(tmp_path)
    assert "left as it is" in older.report
    await older.append([row(T0 + 3600, value=2.0)], state={"poll:door": {"tick": 2}})
    await older.close()
    say_version(tmp_path / "buffer.db", 2)

    newer = await opened(tmp_path)
    assert "1 rows of buffer.older.db" in newer.report
    assert [r.value for r in await newer.rows_since(0)] == [1.0, 2.0]
    assert await newer.state("poll:door") == {"tick": 2}
    assert not list(tmp_path.glob("buffer.older*db"))
    await newer.close()


@pytest.mark.parametrize("offset", [60, 68], ids=["user_version", "application_id"])
@pytest.mark.parametrize("bit", range(32))
async def test_a_flipped_bit_in_the_version_is_damage_and_costs_no_row(tmp_path, offset, bit):
    """A file that seems newer by one bit is not left aside: its rows are taken into a fresh one, as of any damage."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0, value=1.0)])
    await buffer.close()
    raw = bytearray((tmp_path / "buffer.db").read_bytes())
    raw[offset + bit // 8] ^= 1 << bit % 8
    (tmp_path / "buffer.db").write_bytes(raw)

    buffer = await opened(tmp_path)
    assert "was damaged" in buffer.report
    assert [r.value for r in await buffer.rows_since(0)] == [1.0]
    await buffer.close()


async def test_a_file_of_before_there_were_two_numbers_is_opened_as_it_is(tmp_path):
    """It gets its second number at the first opening."""
    buffer = await opened(tmp_path)
    await buffer.append([row(T0, value=1.0)])
    await buffer.close()
    link = sqlite3.connect(tmp_path / "buffer.db")
    link.execute("PRAGMA application_id = 0")
    link.close()

    for _ in range(2):
        buffer = await opened(tmp_path)
        assert buffer.report == ""
        await buffer.close()
    link = sqlite3.connect(tmp_path / "buffer.db")
    assert link.execute("PRAGMA application_id").fetchone() == (TWIN + 2,)
    link.close()


async def test_four_kinds_of_row_share_one_sequence(tmp_path):
    """An alert's steps and manual counts are numbered, sent a kind a batch, and acknowledged like observations."""
    buffer = await opened(tmp_path)
    alert = Alert("5f0c", "queue too long", "zone:till", "firing", "warning", T0 + 60, 7.0, "7 persons wait")
    count = ManualCount("door", "line:1", T0, T0 + 900, 31, 28, "technician")
    await buffer.append([row()], alerts=[alert], manual=[count])

    envelopes = {envelope.schema_: envelope async for envelope in drained(buffer)}

    assert [record for _, record in read_alerts(envelopes["alerts/1"])] == [alert]
    assert [record for _, record in read_manual(envelopes["manual/1"])] == [count]
    assert sorted(n for e in envelopes.values() for n in e.numbers) == [1, 2, 3]
    assert set(envelopes) == {"alerts/1", "manual/1", wire.OBSERVATIONS}
    tally = await buffer.tally()
    assert (tally.acked, tally.unsent_fresh + tally.unsent_backlog) == (3, 0)
    await buffer.close()


async def test_an_alert_in_a_state_that_does_not_exist_is_refused_here(tmp_path):
    """What HQ could not read is never stored; the commit leaves nothing behind."""
    buffer = await opened(tmp_path)

    with pytest.raises(ValueError, match="firing"):
        await buffer.append([row()], alerts=[Alert("1", "r", "store", "ringing", "info", T0)])

    assert (await buffer.tally()).created == 0
    assert await buffer.cut("backlog", HEAD) is None
    await buffer.close()
