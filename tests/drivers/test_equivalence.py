"""One simulated day, read through every family by the real drivers: the same counts, whatever the camera's brand."""

from datetime import date
from itertools import pairwise

import pytest

from agent.contract.times import HOUR
from agent.drivers import hanwha
from tests.drivers.families import ASKED, FAMILIES, PUSHED, Day, series

# Each changes its clock on one day by an hour, or by half an hour (Lord Howe), north and south of the equator.
LONGER = [
    ("Europe/Lisbon", date(2026, 10, 25), 25),
    ("America/New_York", date(2026, 11, 1), 25),
    ("America/St_Johns", date(2026, 11, 1), 25),
    ("Pacific/Auckland", date(2026, 4, 5), 25),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
]
SHORTER = [
    ("Europe/Lisbon", date(2026, 3, 29), 23),
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/St_Johns", date(2026, 3, 8), 23),
    ("Pacific/Auckland", date(2026, 9, 27), 23),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(hanwha, "_PAUSE", 0.01)


def named(families):
    return pytest.mark.parametrize("family", families, ids=[family.name for family in families])


def covered(day, rows):
    """Whether the rows lie side by side from the day's start to its end."""
    assert (rows[0].start, rows[-1].end) == (day.start, day.end)
    assert all(before.end == after.start for before, after in pairwise(rows))


def by_hour(day, rows):
    found = {}
    for row in rows:
        key = row.place, row.metric, (row.start - day.start) // HOUR
        found[key] = found.get(key, 0) + row.value
    return found


@named(FAMILIES)
async def test_same_counts(rig, family):
    """Every line and hour of the day is what happened in the shop, at the family's own resolution."""

    day = await Day(rig, family).open()

    told = series(await day.told())

    assert set(told) == {(f"line:{n}", metric) for n in range(1, family.lines + 1) for metric in ("in", "out")}
    for rows in told.values():
        covered(day, rows)
        assert [row.end - row.start for row in rows] == [family.step] * len(rows)
    hours = by_hour(day, [row for rows in told.values() for row in rows])
    assert hours == {
        (place, metric, hour): day.truth(place, metric, day.start + hour * HOUR, day.start + (hour + 1) * HOUR)
        for place, metric in told
        for hour in range(24)
    }
    assert sum(hours.values()) > 300


@named(FAMILIES)
@pytest.mark.parametrize(("zone", "date", "hours"), [LONGER[4], SHORTER[4]])
async def test_half_hour_of_summer_time(rig, family, zone, date, hours):
    """The same on the days of 24½ and of 23½ hours of Lord Howe, through every family."""

    await same_over_a_turn(rig, family, zone, date, hours)


@named([family for family in ASKED if family.name in {"milesight-camera", "hikvision-search", "generic-csv"}])
@pytest.mark.parametrize("fold", ["twice", "merged", "overwritten"])
@pytest.mark.parametrize(("zone", "date", "hours"), LONGER + SHORTER)
async def test_summer_time(rig, family, zone, date, hours, fold):
    """Days of 25 and 23 hours in five zones, for each way a device may treat the hour that comes twice."""

    await same_over_a_turn(rig, family, zone, date, hours, fold=fold)


async def same_over_a_turn(rig, family, zone, date, hours, fold="twice"):
    day = await Day(rig, family, zone, date, fold=fold).open()
    assert (day.end - day.start) / HOUR == hours
    longer = hours > 24

    told = series(await day.told())

    lost = 0
    for (place, metric), rows in told.items():
        covered(day, rows)
        for row in rows:
            true = day.truth(place, metric, row.start, row.end)
            if fold == "overwritten" and row.repeated:
                # It forgot the first pass: what it has is the second one, and the row says that it is no measurement.
                lost += true - row.value
                assert row.value <= true
            else:
                assert row.value == true, (place, metric, row)
    repeated = any(row.repeated for rows in told.values() for row in rows)
    if fold != "twice" and longer:
        assert repeated
    if not longer:
        assert not repeated
    assert (lost > 0) == (longer and fold == "overwritten")


@named([family for family in ASKED if family.driver in {"axis", "dahua", "hanwha"}])
async def test_running_totals(rig, family):
    """Totals of the day run since the local midnight, line by line."""

    day = await Day(rig, family).open()
    day.clock.move(day.start + 15 * HOUR - day.clock())

    for counter in await day.driver.counters():
        assert counter.value == day.truth(counter.place, counter.metric, day.start, day.start + 15 * HOUR)


@named(PUSHED)
async def test_sent_again(rig, family):
    """A message that is sent once more has the fingerprint it had, whatever the order of its members."""

    day = await Day(rig, family).open()

    for message in day.camera.brand.messages(day.start, day.start + 2 * HOUR):
        first, again = (
            day.driver.receive(body, message.content_type, {}) for body in (message.body, message.again or message.body)
        )
        assert first.fingerprint == again.fingerprint
        assert (first.rows, first.crossings) == (again.rows, again.crossings)


async def test_presence(rig):
    """VS121 tells how many are in a region at the end of each period, by a local clock with its offset beside it."""

    family = PUSHED[0]._replace(family="vs121", camera={"push": {"every": 900}})
    day = await Day(rig, family).open()

    read = [day.driver.receive(m.body, m.content_type, {}) for m in day.camera.brand.messages(day.start, day.end)]

    told = [(row.place, row.metric, row.start, row.value) for one in read for row in one.rows]
    assert told == [
        ("region:1", "occupancy", at, day.camera.memory.present(1, at))
        for at in range(day.start + 900, day.end + 1, 900)
    ]
    assert max(value for *_, value in told) > 0
    assert b"snapshot" not in repr(read).encode()
