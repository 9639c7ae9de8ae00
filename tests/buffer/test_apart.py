"""Rows of one commit are compared with what is there in one search; it must come to the same as one by one."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.buffer.buffer import Buffer
from agent.contract.observation import Observation, Origin, Quality
from agent.foundation.clock import Clock

NOON = 1_795_089_600

rows = st.builds(
    lambda place, at, width, value, origin, quality: Observation(
        "door", place, "in", NOON + 900 * at, NOON + 900 * (at + width), value, origin, quality
    ),
    st.sampled_from(["line:1", "line:2"]),
    st.integers(0, 24),
    st.sampled_from([1, 1, 1, 4]),
    st.sampled_from([0.0, 3.0, 5.0]),
    st.sampled_from([Origin.LOG, Origin.LOG, Origin.LIVE]),
    st.sampled_from([Quality.MEASURED, Quality.UNCONFIRMED, Quality.CLOCK_CORRECTED, Quality.PROVISIONAL]),
)


async def stored(commits):
    """What a buffer holds after these commits, its rows in order of number."""
    with tempfile.TemporaryDirectory() as folder:
        buffer = await Buffer.open(Path(folder, "buffer.db"), Clock(), 10**8)
        for commit in commits:
            await buffer.append(commit)
        held = await buffer.pending_entries()
        numbered = await buffer.rows_after(0)
        await buffer.close()
    return held, [one.observation for one in numbered]


@settings(max_examples=30, deadline=None)
@given(st.lists(rows, max_size=6), st.lists(rows, min_size=5, max_size=16), st.booleans())
def test_many_rows_at_once(before, batch, in_order):
    """One commit of many rows leaves the same rows, in the same order, as a commit for each."""
    late = [
        Observation("door", place, "in", NOON + 900 * 12, NOON + 900 * 13, 1.0, origin, Quality.MEASURED)
        for place in ("line:1", "line:2")
        for origin in (Origin.LOG, Origin.LIVE)
    ]
    if in_order:
        batch.sort(key=lambda row: row.start)
    first = [late, before]

    assert asyncio.run(stored([*first, batch])) == asyncio.run(stored([*first, *([row] for row in batch)]))
