"""What the size cap costs: acknowledged rows first, then the oldest, and HQ knows each number that went."""

from itertools import count

import pytest

from agent.buffer.room import FULL
from agent.contract.observation import Observation, Origin, Quality
from agent.contract.ranges import Ranges
from agent.contract.topics import Branch
from tests.sync.headquarters import STARTED, Shop, eventually

CAP = 2_000_000  # bytes: about 13,000 rows
_names = count(1)


@pytest.fixture
async def branch(receiver):
    made = Branch("acme", f"given-up-{next(_names)}", f"full-{next(_names)}")
    await receiver.register(made.device, made.store)
    return made


def minutes(first, n):
    """Minutes long ago, of two sensors that take turns; a tick is forty rows, which no slice ends with."""
    return [
        Observation(
            *(f"door-{k % 2}", f"line:{k // 2 + 1}", "in", start, start + 60, 1.0, Origin.LIVE, Quality.MEASURED)
        )
        for start in range(STARTED - 600_000 + 60 * first, STARTED - 600_000 + 60 * (first + n), 60)
        for k in range(40)
    ]


async def ranges(receiver, question, *arguments):
    """Whole numbers of a multirange at HQ."""
    return Ranges(
        (int(first), int(last) - 1)
        for first, last in await receiver.ask(
            f"SELECT lower(one), upper(one) FROM (SELECT unnest({question}) AS one) AS each",
            *arguments,
        )
    )


async def test_what_the_cap_took_is_at_hq_to_the_last_number(receiver, branch, tmp_path):
    """No row that HQ lacks goes while there is one that it has; afterwards rows and ranges given up are all."""
    async with Shop(tmp_path / "card", receiver.port, branch=branch, cap=CAP) as shop:
        await shop.buffer.append(minutes(0, 50))
        await shop.settled(2000)
    async with Shop(tmp_path / "card", 1, branch=branch, cap=CAP) as offline:
        tick = 50
        while not (await offline.buffer.tally()).dropped:
            await offline.buffer.append(minutes(tick, 10))
            tick += 10
        assert (await offline.buffer.rows_after(0, 1))[0].number > 2000  # what HQ has went first
        for _ in range(6):
            await offline.buffer.append(minutes(tick, 10))
            tick += 10
        tally = await offline.buffer.tally()
        assert tally.dropped >= 2000
        highest = offline.buffer.highest
    async with Shop(tmp_path / "card", receiver.port, branch=branch, cap=CAP) as shop:

        async def complete():
            return not shop.buffer._numbers.unanswered() and not shop.buffer._numbers.void

        await eventually(complete)
        epoch = shop.buffer.epoch

    assert await ranges(
        receiver, "(SELECT ranges FROM coverage WHERE device = $1 AND epoch = $2)", branch.device, epoch
    ) == Ranges([(1, highest)])
    gaps = "(SELECT range_agg(numbers) FROM gaps WHERE device = $1 AND state = 'lost' AND reason = $2)"
    given_up = await ranges(receiver, gaps, branch.device, FULL)
    assert len(given_up) == tally.dropped
    held = "SELECT number FROM observations WHERE device = $1 AND stream = 0"
    there = Ranges.of_numbers(number for (number,) in sorted(await receiver.ask(held, branch.device)))
    assert len(there) == 40 * tick - tally.dropped
    there.update(given_up)
    assert len(there) == 40 * tick  # each number once: at HQ, or told as given up
