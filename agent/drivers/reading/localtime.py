"""From a device's wall clock to UTC and back, at both ends of summer time.

A wall clock is a plain number here: the seconds since 1970 that it would show in UTC. A label is a (start, end) of two
such numbers, the way a device names an interval. Where summer time ends, the order of the labels decides; where it
begins, an hour never happens.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import repeat
from operator import add, itemgetter
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

_DATE = re.compile(r"(\d{4})([/-])(\d{1,2})\2(\d{1,2})", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_YEARS = range(1970, 2200)  # a clock that lost its battery says 1970; beyond, dates are damage
_EPOCH = date(1970, 1, 1).toordinal()
_DAY, _REST = itemgetter(slice(10)), itemgetter(slice(10, None))  # of a time whose date has ten characters


class Span(NamedTuple):
    """[start, end) in UTC seconds; empty where the label names an hour that summer time left out.

    `repeated`: the label came once for local time that came twice, and the span covers both passes.
    """

    start: int
    end: int
    repeated: bool = False


# Both caches are bounded by what they read: a file repeats few dates, and a day has few times. Splitting and looking up
# takes 0.3 µs a time, datetime.fromisoformat 0.2 but for dashes only, strptime 5.
@lru_cache(maxsize=4096)
def _date_seconds(text: str) -> int:
    found = _DATE.fullmatch(text)
    if not found or int(found[1]) not in _YEARS:
        raise ValueError("is no date and time")
    try:
        return (date(int(found[1]), int(found[3]), int(found[4])).toordinal() - _EPOCH) * DAY
    except ValueError:
        raise ValueError("is a day that no calendar has") from None


@lru_cache(maxsize=4096)
def _clock_seconds(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise ValueError("is no date and time")
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - a clock's own limits
        raise ValueError("is a time that no clock shows")
    return hour * 3600 + minute * 60 + second


def wall_seconds(text: str) -> int:
    """What a wall clock shows, from `YYYY-MM-DD HH:MM:SS` with dashes or slashes.

    Raises:
        ValueError: the text is no such time; what it says continues a sentence that begins with the text.
    """
    day, _, clock = text.partition(" ")
    return _date_seconds(day) + _clock_seconds(clock)


@lru_cache(maxsize=4096)
def _after_a_blank(text: str) -> int:
    if not text.startswith(" "):
        raise ValueError("is no date and time")
    return _clock_seconds(text[1:])


def walls_seconds(texts: Sequence[str]) -> list[int]:
    """`wall_seconds` of a column in which dates have ten characters, as nearly all devices write them: 0.1 µs a time.

    Raises:
        ValueError: one is no time, or is written in another length; the column is to be read cell by cell.
    """
    days = {day: _date_seconds(day) for day in set(map(_DAY, texts))}
    clocks = map(_after_a_blank, map(_REST, texts))
    if len(days) == 1:  # of an answer about one day, at half the price
        return list(map(add, clocks, repeat(*days.values())))
    return list(map(add, clocks, map(days.__getitem__, map(_DAY, texts))))


def steady(since: int, until: int, zone: ZoneInfo) -> int | None:
    """The offset from UTC that holds on every day from one wall clock's time to another; None where it changes."""
    offsets = {_steady_offset(day, zone) for day in range(since // DAY, (until - 1) // DAY + 1)}
    return offsets.pop() if len(offsets) == 1 else None


def whole_hours(since: int, until: int, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """The local hours that touch [since, until), cut at local midnight: first and last second of each piece."""
    # Where the clock is set back between the two, `until` may read earlier than `since`.
    first, last = sorted(datetime.fromtimestamp(moment, zone).replace(tzinfo=None) for moment in (since, until - 1))
    first, last = first.replace(minute=0, second=0), last.replace(minute=59, second=59)
    while first <= last:
        midnight = datetime.combine(first.date(), datetime.min.time()) + timedelta(days=1)
        yield first, min(last, midnight - timedelta(seconds=1))
        first = midnight


def spans(labels: Sequence[tuple[int, int]], zone: ZoneInfo, now: float) -> list[Span]:
    """The UTC span of each label of one answer, in the answer's order.

    A label for local time that came twice: where the answer tells the passes apart (any such label is there twice),
    the first is the first pass. Otherwise it covers both once `now` is past the turn, and the first pass before it.
    """
    offsets: dict[int, int | None] = {}
    placed: list[Span | None] = []
    for start, end in labels:
        day = start // DAY
        if day not in offsets:
            offsets[day] = _steady_offset(day, zone)
        offset = offsets[day]
        if offset is None or (end - 1) // DAY != day:
            placed.append(None)
        else:
            placed.append(Span(start - offset, end - offset))
    turning = [index for index, span in enumerate(placed) if span is None]
    around = _around_a_turn([labels[index] for index in turning], zone, now)
    for index, span in zip(turning, around, strict=True):
        placed[index] = span
    return [span for span in placed if span is not None]


def _around_a_turn(labels: Sequence[tuple[int, int]], zone: ZoneInfo, now: float) -> list[Span]:
    passes = {label: _passes(*label, zone) for label in labels}
    told_apart = {passes[label].turn for label, times in Counter(labels).items() if times > 1}
    seen: Counter[tuple[int, int]] = Counter()
    found: list[Span] = []
    for label in labels:
        first, second, both, turn = passes[label]
        if turn in told_apart:
            found.append(second if seen[label] else first)
        else:
            found.append(both if turn is None or now > turn else first)
        seen[label] += 1
    return _united(found)


def _united(found: list[Span]) -> list[Span]:
    """The spans, one for those that cover both passes and overlap: only the sum of their rows lies in one stretch.

    So it is with quarters of an hour, and with the hours of Antarctica/Troll (two hours back) and of Chatham (from
    03:45 to 02:45).
    """
    united: list[Span] = []
    for span in sorted(span for span in found if span.repeated):
        if united and span.start < united[-1].end:
            united[-1] = united[-1]._replace(end=max(span.end, united[-1].end))
        else:
            united.append(span)
    return [
        next(one for one in united if one.start <= span.start < one.end) if span.repeated else span for span in found
    ]


class _Passes(NamedTuple):
    """What a label may mean, and when the clock was set back within it; `turn` None: it means `both`, and no more."""

    first: Span
    second: Span
    both: Span
    turn: int | None


def _passes(start: int, end: int, zone: ZoneInfo) -> _Passes:
    whole = Span(_start_at(start, zone, 0), _end_at(end, zone, 1))
    for edge in (start, end - 1):
        early, late = _utc(edge, zone, 0), _utc(edge, zone, 1)
        if early < late:
            turn = _turn(early, late, zone)
            first = Span(whole.start, min(_end_at(end, zone, 0), turn))
            second = Span(max(_start_at(start, zone, 1), turn), whole.end)
            return _Passes(first, second, whole._replace(repeated=True), turn)
    return _Passes(whole, whole, whole, None)  # also a whole day, which holds both passes and says so


def _utc(wall: int, zone: ZoneInfo, fold: int) -> int:
    offset = datetime.fromtimestamp(wall, UTC).replace(tzinfo=zone, fold=fold).utcoffset()
    return wall - int(offset.total_seconds()) if offset else wall


def _turn(early: int, late: int, zone: ZoneInfo) -> int:
    """The moment in (early, late] at which the zone's offset changes."""

    def offset(moment: int) -> timedelta | None:
        return datetime.fromtimestamp(moment, zone).utcoffset()

    before = offset(early)
    while late - early > 1:
        middle = (early + late) // 2
        early, late = (middle, late) if offset(middle) == before else (early, middle)
    return late


def _start_at(wall: int, zone: ZoneInfo, fold: int) -> int:
    early, late = _utc(wall, zone, 1), _utc(wall, zone, 0)
    if early < late:  # this time was left out: the clock jumped over it at the turn
        return _turn(early, late, zone)
    return _utc(wall, zone, fold)


def _end_at(wall: int, zone: ZoneInfo, fold: int) -> int:
    """An end belongs to the second before it: 02:00 may come once where 01:59:59 comes twice."""
    last = wall - 1
    left_out = _utc(last, zone, 1) < _utc(last, zone, 0)
    return _start_at(last, zone, fold) + (0 if left_out else 1)


def _steady_offset(day: int, zone: ZoneInfo) -> int | None:
    """The offset that holds the whole local day, or None where the clock changes within it."""
    midnight, next_midnight = day * DAY, (day + 1) * DAY
    offset = midnight - _utc(midnight, zone, 0)
    return offset if offset == next_midnight - _utc(next_midnight, zone, 1) else None
