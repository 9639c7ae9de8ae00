"""The cycle on a real buffer: rows in, metrics out, and a kill anywhere changes nothing."""

from __future__ import annotations

import pytest

from agent.buffer.buffer import Buffer
from agent.contract.observation import Origin
from agent.metrics.history import Lesson, dumped, slot
from agent.metrics.past import fingerprint
from agent.runtime.cycle import CURSOR, Cycle
from agent.runtime.lookback import LESSON
from tests.metrics.days import END, HOUR, LAYOUT, START, Hands, minutes, row

DAY = 86400


@pytest.fixture
async def buffer(tmp_path):
    Hands.moment = float(START)
    opened = await Buffer.open(tmp_path / "buffer.db", Hands(), 10**8)
    yield opened
    await opened.close()


async def feed(buffer, cycle, rows):
    """Minute by minute, as the collector does it."""
    for start in sorted({one.start for one in rows}):
        Hands.moment = start + 61.0
        await buffer.append([one for one in rows if one.start == start])
        await cycle.catch_up()


async def edge(buffer):
    return sorted(row for row in await buffer.rows_since(START) if row.origin is Origin.EDGE)


async def test_metrics_are_rows_beside_their_cursor(buffer):
    """Windows are appended as origin edge with the cursor in one commit, about one row a minute."""
    cycle = Cycle(buffer, (LAYOUT,), Hands())
    await feed(buffer, cycle, minutes(0, 61))

    rows = await edge(buffer)
    assert {row.sensor for row in rows} == {"store"}
    assert len(rows) == 4 * 12 + 5  # twelve figures by the quarter, four by the hour and one that needs an hour
    assert await buffer.state(CURSOR) >= 6 * 60
    assert cycle.values["occupancy"] >= 0


async def test_a_restart_appends_nothing_that_is_known(buffer):
    """All of today is worked out again and all of it is already there."""
    await feed(buffer, Cycle(buffer, (LAYOUT,), Hands()), minutes(0, 70))
    before, highest = await edge(buffer), buffer.highest

    again = Cycle(buffer, (LAYOUT,), Hands())
    await again.catch_up()

    assert (await edge(buffer), buffer.highest) == (before, highest)


async def test_restarts_in_the_middle_change_nothing(buffer, tmp_path):
    """A day with a new cycle every seven minutes publishes what an undisturbed one does."""
    rows = minutes(0, 70)
    await feed(buffer, Cycle(buffer, (LAYOUT,), Hands()), rows)
    other = await Buffer.open(tmp_path / "other.db", Hands(), 10**8)
    for first in range(0, 70, 7):
        await feed(
            other, Cycle(other, (LAYOUT,), Hands()), [r for r in rows if first <= (r.start - START) // 60 < first + 7]
        )

    assert await edge(other) == await edge(buffer)
    await other.close()


async def test_shuffled_and_late_rows_end_in_the_same_numbers(buffer, tmp_path):
    """However rows came, the newest version of every metric is the same."""
    rows = minutes(0, 70)
    await feed(buffer, Cycle(buffer, (LAYOUT,), Hands()), rows)
    other = await Buffer.open(tmp_path / "other.db", Hands(), 10**8)
    cycle = Cycle(other, (LAYOUT,), Hands())
    for part in (rows[1::3], rows[::3], rows[2::3], rows[:50]):
        await other.append(part)
        await cycle.catch_up()

    told = {row[:6]: row.value for row in await edge(buffer)}
    assert {row[:6]: row.value for row in await edge(other) if row.value is not None} == told
    await other.close()


async def test_a_day_s_end_teaches_the_doors(buffer):
    """The next day begins with the ratio that this one had, also after a restart."""
    cycle = Cycle(buffer, (LAYOUT,), Hands())
    rows = [r._replace(value=r.value + (r.metric == "in" and r.sensor == "door-1")) for r in minutes(0, 1440)]
    for hour in range(24):
        Hands.moment = START + HOUR * (hour + 1) - 0.5
        await buffer.append([r for r in rows if START + HOUR * hour <= r.start < START + HOUR * (hour + 1)])
        await cycle.catch_up()
    Hands.moment = END + 61.0
    await cycle.catch_up()

    assert not await cycle.look_back()  # the cameras' memories of the last hour may still come
    Hands.moment = END + 601.0
    assert await cycle.look_back()
    await cycle.catch_up()

    (lesson,) = cycle._past.history.lessons.values()
    assert lesson.came > lesson.left > 0
    assert lesson.told == 1.0
    assert cycle.day[0] == END
    again = Cycle(buffer, (LAYOUT,), Hands())
    await again.catch_up()
    assert again._today.store.ratio == cycle._today.store.ratio > 1.1
    assert not await again.look_back()


async def test_a_store_without_doors_measures_nothing_and_says_nothing(buffer):
    """No line, no number: nothing is appended, and nothing is said to be zero."""
    layout = LAYOUT.model_copy(update={"sensor": (), "zone": ()})
    cycle = Cycle(buffer, (layout,), Hands())
    await feed(buffer, cycle, minutes(0, 20))

    assert await edge(buffer) == []
    assert cycle.values == {}
    assert cycle.entered_and_left("door-1") is None


async def test_what_is_usual_is_known_after_a_restart(buffer):
    """What whole days taught is kept in the buffer, and told beside what is counted."""
    for n in range(21, 0, -1):
        start = START - DAY * n
        lesson = Lesson(start, start + DAY, fingerprint(LAYOUT), 1, 9.0, 9.0, 1.0, {"store": [60.0] * 24}, (), "")
        await buffer.append(state={LESSON.format(slot(start)): dumped(lesson)})
    Hands.moment = START + HOUR + 1.0
    cycle = Cycle(buffer, (LAYOUT,), Hands())
    await cycle.catch_up()

    assert cycle.values["footfall_expected"] == pytest.approx(15.0)
    assert cycle.values["footfall_dispersion"] > 1


async def test_what_is_shown_live_has_the_zones(buffer):
    """The store and each zone whose sensors told: persons present, persons waiting, persons entering a minute."""
    cycle = Cycle(buffer, (LAYOUT,), Hands())
    rows = minutes(0, 20)
    rows += [row("door-2", "region:1", "occupancy", START + 60 * m, START + 60 * m + 60, 3.0) for m in range(20)]
    await feed(buffer, cycle, rows)

    assert cycle.live["tills"] == {"occupancy": 3.0, "queue": 3.0}
    assert cycle.live["store"].keys() == {"occupancy", "flow"}
    assert cycle.live["store"]["flow"] == pytest.approx(cycle.now["footfall", "store"].value / 15)


async def test_a_row_across_the_day_s_beginning_survives_a_restart(buffer):
    """A difference after an outage over the night belongs to the day it ends in, live and worked out afresh."""
    cycle = Cycle(buffer, (LAYOUT,), Hands())
    Hands.moment = START + 121.0
    await cycle.catch_up()
    wide = row("door-1", "line:1", "in", START - HOUR, START + 120, 7.0)
    await buffer.append([wide])
    await cycle.catch_up()
    again = Cycle(buffer, (LAYOUT,), Hands())
    await again.catch_up()

    assert again.entered_and_left("door-1") == cycle.entered_and_left("door-1") == (7, 0)
