"""Local intervals become UTC without a minute lost or told twice, also where summer time begins and ends."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.contract.times import DAY, HOUR, rfc3339
from agent.drivers.reading.localtime import Span, spans, wall_seconds, whole_hours

LISBON = ZoneInfo("Europe/Lisbon")
LATER = 4_102_444_800  # 2100


def labels(*texts, length=HOUR):
    starts = [wall_seconds(text) for text in texts]
    return [(start, start + length) for start in starts]


def shown(found):
    return [(rfc3339(span.start)[5:16], rfc3339(span.end)[5:16], span.repeated) for span in found]


def utc(text):
    return int(datetime.fromisoformat(text).timestamp())


def seconds_of_day(zone, day):
    """How long a calendar day really lasts, by asking every quarter of an hour around it which day it is."""
    noon = int(datetime.combine(day, datetime.min.time(), UTC).timestamp()) + DAY // 2
    quarters = range(noon - 2 * DAY, noon + 2 * DAY, 900)
    return 900 * sum(datetime.fromtimestamp(moment, zone).date() == day for moment in quarters)


ZONES = st.sampled_from(sorted(available_timezones() - {"localtime"})).map(ZoneInfo)
DAYS = st.dates(date(2012, 1, 1), date(2037, 12, 31))


@given(ZONES, DAYS)
@example(LISBON, date(2025, 10, 26))
@example(LISBON, date(2025, 3, 30))
@example(ZoneInfo("Australia/Lord_Howe"), date(2025, 4, 6))
@example(ZoneInfo("Australia/Lord_Howe"), date(2025, 10, 5))
@example(ZoneInfo("Antarctica/Troll"), date(2025, 10, 26))
@example(ZoneInfo("Antarctica/Troll"), date(2025, 3, 30))
@example(ZoneInfo("America/Havana"), date(2025, 11, 2))
@example(ZoneInfo("America/Havana"), date(2025, 11, 1))
@example(ZoneInfo("Asia/Beirut"), date(2025, 3, 30))
@example(ZoneInfo("Asia/Beirut"), date(2025, 10, 25))
@example(ZoneInfo("Asia/Kathmandu"), date(2025, 6, 1))
@example(ZoneInfo("America/St_Johns"), date(2025, 11, 2))
def test_whole_day(zone, day):
    """The 24 labels of any day in any zone cover exactly the time that day lasts, once."""

    covers_the_day(zone, day)


def covers_the_day(zone, day):
    midnight = wall_seconds(f"{day} 00:00:00")
    found = spans([(midnight + n * HOUR, midnight + (n + 1) * HOUR) for n in range(24)], zone, LATER)

    covered = sorted({(span.start, span.end) for span in found if span.start < span.end})
    assert all(end == start for (_, end), (start, _) in pairwise(covered))
    assert covered[-1][1] - covered[0][0] == seconds_of_day(zone, day)


@pytest.fixture
def everywhere():
    """Every zone with its days of change in 2025 and 2026, and one day before and after each."""
    found = []
    for name in sorted(available_timezones() - {"localtime"}):
        zone = ZoneInfo(name)
        first = datetime(2025, 1, 1, tzinfo=UTC)
        offsets = [(first + timedelta(days=n)).astimezone(zone).utcoffset() for n in range(731)]
        turns = [n for n in range(730) if offsets[n] != offsets[n + 1]]
        found += [(zone, date(2025, 1, 1) + timedelta(days=n + k)) for n in turns for k in (-1, 0, 1, 2)]
    return found


def test_all_zones(everywhere):
    """The same on every day around every change of every zone there is."""

    assert len(everywhere) > 1000
    for zone, day in everywhere:
        covers_the_day(zone, day)


AUTUMN = ["2025-10-26 00:00:00", "2025-10-26 01:00:00", "2025-10-26 02:00:00"]


def test_autumn_told_apart():
    """A label that is there twice: the order says which pass is which."""

    first, again, last = AUTUMN

    assert shown(spans(labels(first, again, again, last), LISBON, LATER)) == [
        ("10-25T23:00", "10-26T00:00", False),
        ("10-26T00:00", "10-26T01:00", False),
        ("10-26T01:00", "10-26T02:00", False),
        ("10-26T02:00", "10-26T03:00", False),
    ]


def test_autumn_once():
    """A label that is there once covers both passes."""

    assert shown(spans(labels(*AUTUMN), LISBON, LATER)) == [
        ("10-25T23:00", "10-26T00:00", False),
        ("10-26T00:00", "10-26T02:00", True),
        ("10-26T02:00", "10-26T03:00", False),
    ]


@pytest.mark.parametrize(
    ("now", "end", "repeated"),
    [
        ("2025-10-26T00:10:00Z", "10-26T01:00", False),
        ("2025-10-26T01:00:00Z", "10-26T01:00", False),
        ("2025-10-26T01:00:01Z", "10-26T02:00", True),
    ],
)
def test_autumn_so_far(now, end, repeated):
    """While the first pass runs, the one label is the first pass; from the turn on it is both."""

    [span] = spans(labels(AUTUMN[1]), LISBON, utc(now))

    assert shown([span]) == [("10-26T00:00", end, repeated)]


def test_autumn_quarters():
    """Quarters told apart lie in their pass; told once, only their sum has a span, and they share it."""

    quarters = [f"2025-10-26 01:{minute:02}:00" for minute in (0, 15, 30, 45)]

    apart = spans(labels(*quarters, *quarters, length=900), LISBON, LATER)
    assert [span.start - apart[0].start for span in apart] == [900 * n for n in range(8)]
    assert set(spans(labels(*quarters, length=900), LISBON, LATER)) == {
        Span(utc("2025-10-26T00:00Z"), utc("2025-10-26T02:00Z"), repeated=True)
    }


def test_half_hour_turn():
    """On Lord Howe, where the clock goes back by half an hour, the hour of the turn lasts one and a half."""

    zone = ZoneInfo("Australia/Lord_Howe")

    [span] = spans(labels("2025-04-06 01:00:00"), zone, LATER)
    assert (span.end - span.start, span.repeated) == (5400, True)
    first, second = spans(labels("2025-04-06 01:00:00", "2025-04-06 01:00:00"), zone, LATER)
    assert (first.end - first.start, second.end - second.start, second.start - first.end) == (3600, 1800, 0)


def test_turn_within_two_hours():
    """In Chatham, where 03:45 becomes 02:45, two hours share a span, unless the answer tells the passes apart."""

    zone = ZoneInfo("Pacific/Chatham")
    hours = ["2025-04-06 02:00:00", "2025-04-06 03:00:00"]

    once = spans(labels(*hours), zone, LATER)
    assert [span.end - span.start for span in once] == [3 * HOUR] * 2
    assert once[0] == once[1]
    apart = spans(labels(*hours, *hours), zone, LATER)
    assert [(span.end - span.start) // 60 for span in apart] == [60, 45, 15, 60]
    assert sum(span.end - span.start for span in apart) == 3 * HOUR


def test_row_of_a_day():
    """A row of the whole day holds both passes and is no estimate."""

    [span] = spans(labels("2025-10-26 00:00:00", length=DAY), LISBON, LATER)

    assert span == Span(utc("2025-10-25T23:00Z"), utc("2025-10-27T00:00Z"))


def test_spring():
    """The hour that summer time leaves out is empty, its neighbours meet."""

    found = spans(labels("2025-03-30 00:00:00", "2025-03-30 01:00:00", "2025-03-30 02:00:00"), LISBON, LATER)

    assert shown(found) == [
        ("03-30T00:00", "03-30T01:00", False),
        ("03-30T01:00", "03-30T01:00", False),
        ("03-30T01:00", "03-30T02:00", False),
    ]


def test_many_autumns():
    """Each autumn of a long answer is judged by itself."""

    found = spans(labels("2024-10-27 01:00:00", "2025-10-26 01:00:00", "2025-10-26 01:00:00"), LISBON, LATER)

    assert [(span.end - span.start) // HOUR for span in found] == [2, 1, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025/07/22 10:59:59", "2025-07-22T10:59:59Z"),
        ("2025-07-22 10:59:59", "2025-07-22T10:59:59Z"),
        ("2025/7/2 9:05", "2025-07-02T09:05:00Z"),
    ],
)
def test_wall_seconds(text, expected):
    """Slashes and dashes both are dates, everywhere."""

    assert rfc3339(wall_seconds(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025-07-22",
        "2025-07-22 24:00:00",
        "2025-07-22 10:60:00",
        "2025-02-30 10:00:00",
        "2025/07-22 10:00:00",
        "0000-01-01 10:00:00",
        "9999-12-31 23:59:59",
        "٢٠٢٥-07-22 10:00:00",
        "2025-07-22 10:00:00+01:00",
        "22/07/2025 10:00:00",
    ],
)
def test_no_time(text):
    """What is no time of a calendar and a clock is refused, not bent."""

    with pytest.raises(ValueError, match=r"^is "):
        wall_seconds(text)


def test_whole_hours():
    """A stretch is asked for in whole local hours, at most one local day at once."""

    pieces = whole_hours(utc("2025-10-24T22:30:00Z"), utc("2025-10-26T02:00:00Z"), LISBON)

    assert [(f"{first:%m-%d %H:%M:%S}", f"{last:%m-%d %H:%M:%S}") for first, last in pieces] == [
        ("10-24 23:00:00", "10-24 23:59:59"),
        ("10-25 00:00:00", "10-25 23:59:59"),
        ("10-26 00:00:00", "10-26 01:59:59"),
    ]


@given(ZONES, DAYS, st.integers(0, DAY), st.integers(1, 2 * DAY))
@example(LISBON, date(2025, 10, 26), HOUR // 2, HOUR)
def test_whole_hours_cover(zone, day, begin, length):
    """Every moment of a stretch is in some piece, by what the wall clock then shows."""

    since = int(datetime.combine(day, datetime.min.time(), UTC).timestamp()) + begin
    pieces = list(whole_hours(since, since + length, zone))

    for moment in [*range(since, since + length, 1799), since + length - 1]:
        wall = datetime.fromtimestamp(moment, zone).replace(tzinfo=None)
        assert any(first <= wall <= last for first, last in pieces)
