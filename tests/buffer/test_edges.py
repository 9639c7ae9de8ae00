"""Rows whose edges were worked out from a clock that is off meet rows that are there: nothing is lost or told twice."""

import pytest

from agent.contract.observation import Origin, Quality
from tests.buffer.samples import T0, opened, row

CORRECTED = Quality.MEASURED | Quality.CLOCK_CORRECTED


async def held(buffer):
    return sorted(
        (one.start - T0, one.end - T0, one.value) for one in await buffer.rows_since(0) if one.value is not None
    )


@pytest.fixture
async def buffer(tmp_path):
    made = await opened(tmp_path)
    yield made
    await made.close()


async def test_an_hour_read_again_after_the_clock_was_set(buffer):
    """It is the same hour under its first edges; a higher count raises it, the next hour begins where it ends."""
    await buffer.append([row(T0 + 180, T0 + 3780, 40.0, quality=CORRECTED)])
    await buffer.append([row(T0, T0 + 3600, 40.0)])
    assert await held(buffer) == [(180, 3780, 40.0)]

    await buffer.append([row(T0, T0 + 3600, 42.0), row(T0 + 3600, T0 + 7200, 50.0)])
    assert await held(buffer) == [(180, 3780, 42.0), (3780, 7200, 50.0)]

    await buffer.append([row(T0 + 3590, T0 + 7190, 50.0, quality=CORRECTED)])
    assert await held(buffer) == [(180, 3780, 42.0), (3780, 7200, 50.0)]


async def test_a_period_over_minutes(buffer):
    """Crossings that a corrected period tells of give way to it; those outside stay."""
    minutes = [row(T0 + 60 * n, T0 + 60 * n + 60, 1.0, origin=Origin.PUSH) for n in range(5)]
    await buffer.append(crossings=[*minutes, minutes[0]])
    assert await held(buffer) == [(0, 60, 2.0), *((60 * n, 60 * n + 60, 1.0) for n in range(1, 5))]

    await buffer.append([row(T0 + 62, T0 + 242, 4.0, origin=Origin.PUSH, quality=CORRECTED)])
    assert await held(buffer) == [(0, 60, 2.0), (62, 240, 4.0), (240, 300, 1.0)]
