"""What HQ rejects stays on the device, bounded, and can be listed."""

import json

from typer.testing import CliRunner

from agent.buffer.outbox import DEAD_LETTERS
from agent.cli import app
from tests.sync.headquarters import Hq, Shop
from tests.sync.test_desired import AGENT, LAYOUT


async def test_a_rejected_batch_is_kept_with_its_reason_and_the_rest_flows(tmp_path, broker):
    """One poison batch stops nothing; health and the command line name it."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        hq.decide = lambda heard: hq.commit(heard, "rejected", err="no such place")
        await shop.count(1)
        [batch] = await hq.batches(1)
        hq.decide = hq.commit
        await shop.count(2)
        await shop.settled(1)
        [letter] = await shop.buffer.dead_letters()
    assert (letter.sha, letter.error, letter.size) == (batch.sha, "no such place", len(batch.payload))

    (tmp_path / "agent.toml").write_text(AGENT.format(port=1))
    (tmp_path / "layout.toml").write_text(LAYOUT)
    told = CliRunner().invoke(app, ["dead-letters", "--config", str(tmp_path / "agent.toml"), "--json"])
    assert [one["id"] for one in json.loads(told.output)] == [letter.id]


async def test_the_oldest_letters_go_first(tmp_path, broker):
    """A receiver that rejects everything does not fill the card."""
    async with Hq(broker.port) as hq, Shop(tmp_path, broker.port) as shop:
        hq.decide = lambda heard: hq.commit(heard, "rejected", err="x")
        for k in range(DEAD_LETTERS + 5):
            await shop.count(k)
            sent = await hq.batches(k + 1)
        await hq.until(lambda: True)
    async with Shop(tmp_path, broker.port) as shop:
        letters = await shop.buffer.dead_letters()

    assert len(letters) <= DEAD_LETTERS
    assert letters[-1].sha in {one.sha for one in sent[-6:]}
