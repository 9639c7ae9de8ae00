"""Past days on a real buffer: late rows, corrected layouts, restarts and pruning end in the same numbers."""

from __future__ import annotations

from datetime import date

import pytest

from agent.buffer.buffer import Buffer
from agent.contract.layout import Line, Role
from agent.contract.observation import Origin
from agent.runtime.cycle import Cycle
from agent.runtime.lookback import ENDED, LookBack
from tests.metrics.days import END, HOUR, LAYOUT, START, Hands, hours, minutes, row

DAY = 86400
THIRD = START + 3 * DAY


def shifted(rows, days):
    return [one._replace(start=one.start + DAY * days, end=one.end + DAY * days) for one in rows]


DAYS = [shifted(minutes(240, 540, seed=n), n) for n in range(3)]


@pytest.fixture
async def make(tmp_path):
    """Buffers of one test, all at the third day's third hour."""
    Hands.moment = THIRD + 3 * HOUR
    opened = []

    async def one(*batches):
        buffer = await Buffer.open(tmp_path / f"{len(opened)}.db", Hands(), 10**8)
        opened.append(buffer)
        for batch in batches:
            await buffer.append(batch)
        return buffer

    yield one
    for buffer in opened:
        await buffer.close()


async def worked_out(buffer, layouts=(LAYOUT,)):
    """Everything that is ready, worked out by a cycle that starts afresh; what the edge says then."""
    cycle = Cycle(buffer, layouts, Hands())
    await cycle.catch_up()
    while await cycle.look_back():
        pass
    await cycle.catch_up()
    return cycle


async def edge(buffer):
    rows = await buffer.rows_since(START)
    return sorted(one for one in rows if one.origin is Origin.EDGE and one.value is not None)


async def test_days_that_were_never_lived_are_worked_out(make):
    """What a camera's memory told of days before the agent came has its figures, each day once."""
    buffer = await make(*DAYS)
    cycle = await worked_out(buffer)

    assert list(cycle._past.history.lessons) == [START + DAY * n for n in range(3)]
    told = [one for one in await edge(buffer) if one.metric == "data_quality"]
    assert [one.start for one in told] == [START + DAY * n for n in range(3)]
    highest = buffer.highest
    await worked_out(buffer)
    assert buffer.highest == highest


async def test_late_rows_of_an_earlier_day_correct_it(make):
    """An hour of the first day comes two days later: that day and what followed from it end as if it had been there."""
    hour = [one for one in DAYS[0] if START + 6 * HOUR <= one.start < START + 7 * HOUR]
    rest = [one for one in DAYS[0] if one not in hour]
    late = await make(rest, *DAYS[1:])
    cycle = await worked_out(late)
    before = await edge(late)
    await late.append(hour)
    await cycle.catch_up()
    Hands.moment += 121
    while await cycle.look_back():
        pass
    await cycle.catch_up()
    in_time = await make(*DAYS)
    await worked_out(in_time)

    assert await edge(late) != before
    assert await edge(late) == await edge(in_time)


async def test_neither_order_nor_restarts_matter(make):
    """Days backwards, twice, with a restart after each batch: the same rows to the last bit."""
    plain = await make(*DAYS)
    await worked_out(plain)
    mixed = await make()
    for batch in (DAYS[2], DAYS[0][1::2], DAYS[1], DAYS[0], DAYS[1][:90]):
        await mixed.append(batch)
        await worked_out(mixed)

    assert await edge(mixed) == await edge(plain)


async def test_a_stop_in_the_middle_is_taken_up_again(make):
    """The cursor moves in the commit that says which days wait: after a stop none is forgotten."""
    buffer = await make(*DAYS)
    first = Cycle(buffer, (LAYOUT,), Hands())
    await first.catch_up()
    assert await first.look_back()  # one of three, then the power goes

    again = await worked_out(buffer)

    assert len(again._past.history.lessons) == 3


async def test_backfill_is_waited_for(make):
    """While rows of a day still come it is not worked out, but an hour later it is, come what may."""
    buffer = await make(DAYS[0])
    cycle = Cycle(buffer, (LAYOUT,), Hands())
    await cycle.catch_up()
    assert await cycle.look_back()
    for n in range(30):
        late = row("door-1", "line:1", "in", START + 60 * n, START + 60 * n + 60, 1.0)
        await buffer.append([late])
        await cycle.catch_up()
        assert not await cycle.look_back()
        Hands.moment += 100
    Hands.moment += HOUR - 3000
    await buffer.append([row("door-1", "line:1", "in", START + 3000, START + 3060, 1.0)])
    await cycle.catch_up()
    assert await cycle.look_back()


async def test_a_day_is_left_its_cameras_memories(make):
    """The last hour of a day comes from memory some minutes after its end: until then the day is not over."""
    Hands.moment = END + ENDED - 1.0
    buffer = await make(DAYS[0])
    cycle = Cycle(buffer, (LAYOUT,), Hands())
    await cycle.catch_up()

    assert not await cycle.look_back()
    Hands.moment += 1
    assert await cycle.look_back()


async def test_a_corrected_layout_works_the_days_out_again(make):
    """The arrow of the first door was drawn the wrong way: days from the correction on change, earlier ones do not."""
    buffer = await make(*DAYS)
    await worked_out(buffer)
    before = {one[:5]: one.value for one in await edge(buffer)}
    door = LAYOUT.sensor[0].model_copy(
        update={"line": (Line(number=1, inverted=True), Line(number=2, role=Role.PASSER_BY))}
    )
    corrected = LAYOUT.model_copy(
        update={"version": "2", "effective_from": date(2026, 3, 18), "sensor": (door, LAYOUT.sensor[1])}
    )

    await worked_out(buffer, (LAYOUT, corrected))
    after = {one[:5]: one.value for one in await edge(buffer)}

    changed = {key[3] for key in before if before[key] != after.get(key) and key[2] == "footfall"}
    assert changed
    assert min(changed) >= START + DAY
    fresh = await make(*DAYS)
    await worked_out(fresh, (LAYOUT, corrected))
    assert after == {one[:5]: one.value for one in await edge(fresh)}


async def test_a_day_whose_rows_were_dropped_keeps_its_numbers(make):
    """Where the buffer has given up rows, what was made of them stands: half a day must not replace a whole one."""
    buffer = await make(*DAYS)
    cycle = await worked_out(buffer)
    before = await edge(buffer)
    await buffer._database.write(
        lambda c: c.execute('DELETE FROM observation WHERE number BETWEEN 1 AND 500 AND "end" <= ?', (END,))
    )
    await buffer.append([row("door-1", "line:1", "in", START + 60, START + 120, 50.0)])
    await cycle.catch_up()
    Hands.moment += 121
    assert await cycle.look_back()

    assert await edge(buffer) == before


async def test_memories_alone_give_hours(make):
    """Of days that only a memory tells of, footfall is known by the hour and nothing is made up in between."""
    buffer = await make(*(hours(minutes(0, 1440, seed=3)) for _ in range(1)))
    await worked_out(buffer)

    footfall = [one for one in await edge(buffer) if one.metric == "footfall"]
    assert len(footfall) == 24
    assert {one.end - one.start for one in footfall} == {HOUR}


async def test_nothing_is_worked_out_of_nothing(make):
    """A store that has counted nobody has no past."""
    past = LookBack(await make(), (LAYOUT,), Hands())
    await past.load(THIRD)

    assert not await past.work()
