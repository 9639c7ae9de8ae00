"""Every zone there is, for each way a device may treat its clock's changes: no hour lost, none doubled, sums kept."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.contract.times import DAY
from agent.drivers.base import Kind
from agent.drivers.milesight import decode
from agent.simulator.buckets import buckets, offset_at
from agent.simulator.installation import Fold

NAMES = sorted(available_timezones() - {"localtime"})
FOLDS = [Fold.TWICE, Fold.MERGED, Fold.OVERWRITTEN]
LATER = 4_102_444_800


def table(zone, day, fold, minutes):
    """A day of a device through whose door one person walks every second, in rows of so many minutes."""
    step = timedelta(minutes=minutes)
    since = datetime.combine(day, time())
    rows = ["StartTime,EndTime,Line1 - In"]
    for local, runs in buckets(since, since + timedelta(seconds=DAY - 1), step, zone, fold, LATER):
        persons = sum(run.end - run.start for run in runs)
        rows.append(f"{local:%Y/%m/%d %H:%M:%S},{local + step - timedelta(seconds=1):%Y/%m/%d %H:%M:%S},{persons}")
    return "\n".join(rows).encode()


@cache
def bounds(zone, day):
    """The first second that the clock calls this day, and the first after it, by asking the clock alone."""
    noon = int(datetime.combine(day, time(12), UTC).timestamp())
    quarters = range(noon - 2 * DAY, noon + 2 * DAY, 900)
    inside = [at for at in quarters if datetime.fromtimestamp(at, zone).date() == day]
    return (inside[0], inside[-1] + 900) if inside else None


def kept(zone, day, fold, minutes):
    span = bounds(zone, day)
    body = table(zone, day, fold, minutes)
    if span is None:  # a day that an island left out when it moved across the date line
        assert body.count(b"\n") == 0
        return
    _, history = decode(body, Kind.LINES, zone, LATER)
    rows = list(history.rows)

    assert list(history.problems) == []
    assert (rows[0].start, rows[-1].end) == span
    assert all(before.end == after.start for before, after in pairwise(rows))
    assert all(row.value == row.end - row.start for row in rows if not (row.repeated and fold is Fold.OVERWRITTEN))
    assert all(row.value < row.end - row.start for row in rows if row.repeated and fold is Fold.OVERWRITTEN)
    if fold is not Fold.OVERWRITTEN:
        assert sum(row.value for row in rows) == span[1] - span[0]


@cache
def turns(zone, year):
    """The local days of a year on which the clock is set."""
    noon = int(datetime(year, 1, 1, 12, tzinfo=UTC).timestamp())
    offsets = [(noon + n * DAY, offset_at(noon + n * DAY, zone)) for n in range(366)]
    changed = [at for (at, before), (_, after) in pairwise(offsets) if before != after]
    return {datetime.fromtimestamp(at + part, zone).date() for at in changed for part in (0, DAY)}


@pytest.mark.parametrize("fold", FOLDS)
def test_every_zone_this_year(fold):
    """Each zone's days of 2026 on which the clock is set, and one on which it is not, in rows of an hour."""

    days = [(name, day) for name in NAMES for day in {date(2026, 6, 1), *turns(ZoneInfo(name), 2026)}]

    assert len(days) > 1000
    for name, day in days:
        kept(ZoneInfo(name), day, fold, 60)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.dates(date(2012, 1, 1), date(2037, 12, 31)),
    st.sampled_from(FOLDS),
    st.sampled_from([15, 60]),
)
@example("Australia/Lord_Howe", date(2026, 4, 5), Fold.TWICE, 15)
@example("Australia/Lord_Howe", date(2026, 10, 4), Fold.MERGED, 60)
@example("Antarctica/Troll", date(2026, 10, 25), Fold.MERGED, 60)
@example("Pacific/Chatham", date(2026, 4, 5), Fold.OVERWRITTEN, 15)
@example("Pacific/Chatham", date(2026, 4, 5), Fold.TWICE, 60)
@example("America/Havana", date(2026, 11, 1), Fold.TWICE, 60)
@example("Asia/Beirut", date(2025, 3, 30), Fold.MERGED, 15)
@example("Pacific/Apia", date(2011, 12, 30), Fold.TWICE, 60)
@example("Asia/Kathmandu", date(2026, 6, 1), Fold.MERGED, 15)
def test_any_zone_any_day(name, day, fold, minutes):
    """Any zone, any day of 26 years, rows of hours and of quarters."""

    kept(ZoneInfo(name), day, fold, minutes)
