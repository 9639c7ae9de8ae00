"""Tables cut by the month and the week: made ahead, filled, and dropped when their time is over."""

from __future__ import annotations

import json
import time

import pytest

from cloud_receiver.database import partitions
from cloud_receiver.database.partitions import DAY, Policy, month
from cloud_receiver.database.pool import open_pool
from tests.receiver.hq import row

NOW = int(time.time())


async def home(hq, device) -> list[str]:
    """The tables in which a store's rows lie."""
    found = await hq.ask(
        "SELECT DISTINCT observations.tableoid::regclass::text FROM observations"
        " JOIN stores ON stores.id = observations.store WHERE stores.store = $1 ORDER BY 1",
        device.branch.store,
    )
    return [name for (name,) in found]


async def test_a_row_lies_in_its_month_and_an_odd_one_in_the_rest(hq, device):
    """A clock that is decades wrong costs nothing but a place in the catch-all."""
    await device.send(device.batch([(1, 2)], [row(1.0, start=NOW - 3600), row(2.0, start=3_900_000_000)]))
    first = time.strftime("observations_%Y_%m_01", time.gmtime(NOW - 3600))
    assert await home(hq, device) == [first, "observations_other"]


async def test_what_lies_in_the_rest_moves_once_its_month_is_made(hq, device):
    """Nothing is lost on the way, and a later version still finds its row."""
    far = month(NOW, 8)
    await device.send(device.batch([(1, 1)], [row(1.0, start=far + 60)]))
    assert await home(hq, device) == ["observations_other"]
    async with open_pool(hq.url) as pool:
        await partitions.keep(pool, Policy(), month(NOW, 7))
    assert await home(hq, device) == [time.strftime("observations_%Y_%m_01", time.gmtime(far))]
    await device.send(device.batch([(2, 2)], [row(2.0, start=far + 60)]))
    assert [(r[4], r[7]) for r in await device.rows()] == [(2, 2)]


async def test_months_and_weeks_are_dropped_whole_when_their_time_is_over(hq, device):
    """What is younger stays; numbers stay covered, so that nothing comes again."""
    old, young = month(NOW, -4) + DAY, NOW - DAY
    await device.send(device.batch([(1, 2)], [row(1.0, start=old), row(2.0, start=young)]))
    await device.send(device.batch([(3, 3)], [row(3.0, start=1_000_000_000)]))
    await device.send(b"rubbish")
    async with open_pool(hq.url) as pool:
        dropped = await partitions.keep(pool, Policy(observations_months=2), NOW)
        left = await device.rows()
        await partitions.keep(pool, Policy(quarantine_days=1), NOW + 100 * DAY)
    assert time.strftime("observations_%Y_%m_01", time.gmtime(old)) in dropped
    assert [r[4] for r in left] == [2]
    assert await device.coverage() == [(1, 3)]
    listed = json.loads(hq.command("quarantine", "list", "--json").stdout)
    assert device.branch.device not in {entry["device"] for entry in listed}
    assert await hq.ask("SELECT count(*) FROM batches WHERE device = $1", device.branch.device) == [(0,)]


def test_months_are_counted_across_years():
    """Also backwards, and from any moment within."""
    assert month(1_774_000_020, 0) == 1_772_323_200  # 2026-03-01
    assert month(1_774_000_020, -3) == 1_764_547_200  # 2025-12-01
    assert month(1_774_000_020, 10) == 1_798_761_600  # 2027-01-01


async def test_observations_are_a_hypertable_where_timescaledb_is(hq):
    """The migration asks for the extension; here it is not, and this test says so."""
    if await hq.ask("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'") == []:
        pytest.skip("TimescaleDB is not in the wheel's PostgreSQL")
    assert await hq.ask("SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_name = 'observations'")
