"""Replaying is living again: the same stages, the same numbers, whatever order history was written down in."""

from __future__ import annotations

import random
from datetime import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin
from agent.runtime.cycle import Cycle
from tests.metrics.days import LAYOUT as TWO_DOORS
from tests.metrics.days import Hands, minutes
from tests.replay.history import HEADER, LAYOUT, START, command, moment, replay, row, values, write

HOUR = 3600


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "layout.toml"
    path.write_text(LAYOUT)
    return path


def some_hours(hours=3, seed=5):
    """A door by minutes and what its memory says of each whole hour, one more than the minutes add up to."""
    draw = np.random.default_rng(seed)
    rows = []
    for way, mean in (("in", 1.0), ("out", 0.8)):
        counts = draw.poisson(mean, 60 * hours)
        rows += [
            row("door-1", "line:1", way, START + 60 * i, START + 60 * i + 60, int(n)) for i, n in enumerate(counts)
        ]
        rows += [
            row("door-1", "line:1", way, START + HOUR * h, START + HOUR * (h + 1), int(counts[60 * h :][:60].sum()) + 1)
            for h in range(hours)
        ]
    return rows


HISTORY = some_hours()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.randoms(use_true_random=False), again=st.lists(st.integers(0, len(HISTORY) - 1), max_size=200))
def test_order_and_repetition_change_not_a_byte(store, tmp_path, order, again):
    """Shuffled, with rows that come twice and rows that come last although they are the earliest."""
    plain = write(tmp_path / "plain.csv", HISTORY)
    mixed = [*HISTORY, *(HISTORY[i] for i in again)]
    order.shuffle(mixed)

    told = command(store, plain, "--json", "--live")

    assert told[0] == 0
    assert command(store, write(tmp_path / "mixed.csv", mixed), "--json", "--live") == told


def test_text_is_as_steady(store, tmp_path):
    """For people too."""
    mixed = HISTORY * 2
    random.Random(3).shuffle(mixed)  # noqa: S311 - an order, not a secret

    told = command(store, write(tmp_path / "plain.csv", HISTORY))

    assert "footfall" in told[1]
    assert command(store, write(tmp_path / "mixed.csv", mixed)) == told


async def test_it_is_what_the_running_agent_publishes(tmp_path):
    """Each row of the replay is the row that the cycle left in a real buffer on disk, and there is no other."""
    rows = minutes(0, 200)
    buffer = await Buffer.open(tmp_path / "buffer.db", Hands(), 10**8)
    cycle = Cycle(buffer, (TWO_DOORS,), Hands())
    for start in sorted({one.start for one in rows}):
        Hands.moment = start + 60.0
        await buffer.append([one for one in rows if one.start == start])
        await cycle.catch_up()
    there = {row[1:]: row for row in await buffer.rows_since(START) if row.origin is Origin.EDGE}
    await buffer.close()

    from agent.commands.recording import read_recording  # noqa: PLC0415 - as the command does
    from agent.runtime.replay import lived  # noqa: PLC0415 - as above

    file = write(tmp_path / "rows.csv", [row(*one[:6]) for one in rows])
    found = await lived(read_recording(file).recording, (TWO_DOORS,), since=START, until=START + 200 * 60)

    assert {one[1:]: one for one in found.observations} == there
    assert len(there) > 100


def test_a_memory_s_total_wins(store, tmp_path):
    """What an hour's own row says beyond its minutes is there, once."""
    told = replay(store, write(tmp_path / "h.csv", HISTORY))

    each = [
        one[-1]
        for one in HISTORY
        if one[2] == "in" and one[4] == moment(datetime.fromisoformat(one[3]).timestamp() + HOUR)
    ]
    assert sum(values(told, "footfall").values()) == sum(each)


def test_from_and_to_cut_what_is_told_and_not_what_was_learned(store, tmp_path):
    """Before --from everything teaches; after --to nothing is read."""
    history = write(tmp_path / "h.csv", HISTORY)
    whole = replay(store, history)
    part = replay(store, history, "--from", moment(START + HOUR), "--to", moment(START + 2 * HOUR))

    def within(one):
        return START + HOUR <= datetime.fromisoformat(one["start"]).timestamp() < START + 2 * HOUR

    assert part["observations"] == [one for one in whole["observations"] if within(one)]
    assert len(part["observations"]) > 10


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "2026-03-17"), "--from: '2026-03-17' has no zone; write 2026-03-17Z"),
        (("--to", "2026-03-01T00:00:00Z"), "--to: 2026-03-01T00:00:00Z is not after 2026-03-17T04:00:00Z"),
    ],
)
def test_a_stretch_that_is_none_is_refused(store, tmp_path, arguments, told):
    """With what to write."""
    status, _, err = command(store, write(tmp_path / "h.csv", HISTORY[:2]), *arguments)

    assert status == 2
    assert told in err


def test_an_empty_recording_tells_nothing(store, tmp_path):
    """No rows, no numbers, no zeros."""
    told = replay(store, write(tmp_path / "h.csv", [], HEADER))

    assert (told["rows"], told["observations"]) == (0, [])
