"""From the messages of a device that sends its counts to observations. Pure; what is remembered goes into the commit.

Intervals that the device closed are kept as it told them. Single crossings add to their minute, unless intervals of
the same line tell of that minute too: then those count, and crossings wait for as long as the next one may be on its
way. States of a moment become minutes. Running totals make differences over the minutes between two readings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.metrics import METRICS, Adds
from agent.contract.observation import LedgerEntry, Observation, Origin, Quality
from agent.contract.times import DAY, MINUTE
from agent.drivers.base import Garbled
from agent.runtime import silences
from agent.runtime.post import Moment, Told
from agent.runtime.readings import MISSED, confirmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.drivers.base import Pushed, Row
    from agent.runtime.post import Key, Post

AHEAD = 300  # seconds a message may be ahead of the store's clock: beyond, it is damage
LATE = 900  # seconds after its end, from which on an interval was read from the device's memory
PATIENCE = 600  # seconds that crossings wait for an interval that is overdue
MOST_PLACES = 200  # places times metrics of one device
PLAIN = Quality(0)


class Made(NamedTuple):
    """What a message, or the end of a minute, wants committed. `crossings` add to what their minutes already have."""

    rows: list[Observation]
    crossings: list[Observation]
    entries: list[LedgerEntry]
    problems: list[Garbled]


class Dated(NamedTuple):
    """A message and the times it came to stand for.

    `shift` seconds were taken off every time in it because the device's clock is off by so many; None: its clock
    cannot be trusted at all, and when it was received counts.
    """

    pushed: Pushed
    received: int
    shift: int | None = 0

    @property
    def flag(self) -> Quality:
        """What is to be said of its times."""
        return Quality.CLOCK_CORRECTED if self.shift != 0 else PLAIN


def take(post: Post, sensor: str, dated: Dated, *, counters: bool = True) -> Made:
    """What a message adds. `post` is changed in place; `counters` False leaves running totals to the poller."""
    made = Made([], [], [], [])
    pushed = dated.pushed
    if len(post.told) + len(post.moments) + len(post.latest) > MOST_PLACES:
        post.told, post.moments = {}, {}  # a device that never stops naming new lines
    _missing(post, sensor, dated, made)
    silences.heard(post.silences, post.told_until, dated.received, post.patience)
    for row in pushed.rows:
        if row.start == row.end:
            _state(post, sensor, dated, row, made)
        else:
            _interval(post, sensor, dated, row, made)
    for row in pushed.crossings:
        _crossing(post, sensor, dated, row, made)
    if counters and not pushed.again:
        post.latest |= {(counter.place, counter.metric): counter.value for counter in pushed.counters}
        for key, value in post.latest.items():
            post.totals.setdefault(key, (dated.received, value))
    post.last = max(post.last, dated.received)
    _cover(post, made)
    return made


def close(post: Post, sensor: str, now: int) -> Made:
    """What the end of a minute adds: states of minutes that are over, differences, crossings no interval came for."""
    made = Made([], [], [], [])
    minute = now // MINUTE * MINUTE
    for key, state in list(post.moments.items()):
        if state.minute + MINUTE <= now:
            made.rows.append(_of_state(sensor, key, state, Quality.MEASURED))
            del post.moments[key]
    for key, minutes in list(post.waiting.items()):
        if not _alive(post, key, now):
            made.crossings.extend(_minute(sensor, key, at, value) for at, value in minutes.items())
            del post.waiting[key]
    for key, value in post.latest.items():
        before = post.totals[key]
        if minute > before[0]:
            if not _alive(post, key, now):  # else the intervals tell of the same persons
                made.rows.extend(_difference(sensor, key, before, (minute, value), made))
            post.totals[key] = (minute, value)
    post.latest = {}
    _cover(post, made)
    made.entries.extend(silences.told(post.silences, sensor, post.told_until, now, post.patience))
    return made


def _cover(post: Post, made: Made) -> None:
    """What was made tells of the silences that there are."""
    for silence in post.silences:
        silence.cover(row for row in made.rows if METRICS[row.metric].adds is Adds.SUM)


# ---- intervals


def _interval(post: Post, sensor: str, dated: Dated, row: Row, made: Made) -> None:
    key = row.place, row.metric
    span = _placed(post.told.get(key), dated, row)
    if span is None:
        made.problems.append(Garbled(f"it tells of {row.raw or row.start}, which has not begun", row.raw))
        return
    start, end = span
    quality = (Quality.ESTIMATED if row.repeated or row.partial else Quality.MEASURED) | dated.flag
    if dated.received - end > LATE:
        quality |= Quality.BACKFILLED
    made.rows.append(Observation(sensor, *key, start, end, row.value, Origin.PUSH, quality))
    if METRICS[row.metric].adds is not Adds.SUM:
        return
    before = post.told.get(key)
    if before and start <= before.until + 2 * before.length + PATIENCE and end >= before.since:
        post.told[key] = Told(min(start, before.since), max(end, before.until), end - start)
    elif before is None or start > before.until:
        post.told[key] = Told(start, end, end - start)
    waiting = post.waiting.get(key, {})
    for minute in [minute for minute in waiting if start <= minute < end]:
        del waiting[minute]


def _placed(before: Told | None, dated: Dated, row: Row) -> tuple[int, int] | None:
    """From and to by the store's clock; None where that is still to come."""
    length = row.end - row.start
    if dated.shift is not None:
        start = row.start - dated.shift
        return None if start > dated.received + AHEAD else (start, start + length)
    start = dated.received - length
    if before and start < before.until:  # right after the one before it, as it was sent
        start = before.until
    return start, max(start + 1, dated.received)


# ---- crossings


def _crossing(post: Post, sensor: str, dated: Dated, row: Row, made: Made) -> None:
    key = row.place, row.metric
    start = dated.received if dated.shift is None else row.start - dated.shift
    if start > dated.received + AHEAD:
        made.problems.append(Garbled(f"it tells of {row.raw or row.start}, which has not begun", row.raw))
        return
    minute = start // MINUTE * MINUTE
    told = post.told.get(key)
    if told and told.since <= minute < told.until:
        return  # an interval has told of it
    if told and minute >= told.until and _alive(post, key, dated.received):
        waiting = post.waiting.setdefault(key, {})
        waiting[minute] = waiting.get(minute, 0.0) + row.value
        return
    made.crossings.append(_minute(sensor, key, minute, row.value, dated.flag))


def _minute(sensor: str, key: Key, minute: int, value: float, flag: Quality = PLAIN) -> Observation:
    return Observation(sensor, *key, minute, minute + MINUTE, value, Origin.PUSH, Quality.MEASURED | flag)


def _alive(post: Post, key: Key, now: int) -> bool:
    """Whether the device tells intervals of it: the next one may be on its way."""
    told = post.told.get(key)
    return told is not None and now < told.until + 2 * told.length + PATIENCE


# ---- states of a moment


def _state(post: Post, sensor: str, dated: Dated, row: Row, made: Made) -> None:
    key = row.place, row.metric
    at = dated.received if dated.shift is None else row.start - dated.shift
    if at > dated.received + AHEAD:
        made.problems.append(Garbled(f"it tells of {row.raw or row.start}, which has not begun", row.raw))
        return
    minute, open_one = at // MINUTE * MINUTE, post.moments.get(key)
    if open_one and open_one.minute > minute:  # a straggler: its minute is closed
        made.rows.append(_of_state(sensor, key, _first(minute, row.value), Quality.MEASURED | dated.flag))
        return
    if open_one and open_one.minute == minute:
        most, total = max(open_one.most, row.value), open_one.total + row.value
        now = Moment(minute, row.value, total, open_one.n + 1, most)
    else:
        if open_one:
            made.rows.append(_of_state(sensor, key, open_one, Quality.MEASURED))
        now = _first(minute, row.value)
    post.moments[key] = now
    made.rows.append(_of_state(sensor, key, now, Quality.PROVISIONAL | dated.flag))


def _first(minute: int, value: float) -> Moment:
    return Moment(minute, value, value, 1, value)


def _of_state(sensor: str, key: Key, state: Moment, quality: Quality) -> Observation:
    adds = METRICS[key[1]].adds
    if adds is Adds.MEAN:
        value = state.total / state.n
    elif adds is Adds.SUM:
        value = state.total
    else:
        value = state.most if adds is Adds.MAX else state.last
    n = float(state.n) if adds is Adds.MEAN else None
    return Observation(sensor, *key, state.minute, state.minute + MINUTE, value, Origin.PUSH, quality, n=n)


# ---- running totals


def _difference(
    sensor: str, key: Key, before: tuple[int, float], now: tuple[int, float], made: Made
) -> Sequence[Observation]:
    reset = now[1] < before[1]
    value = now[1] if reset else now[1] - before[1]
    if now[0] - before[0] > DAY:
        if value:
            reason = f"{value:g} {key[1]} at {key[0]} since its last message, more than a day ago"
            made.entries.append(LedgerEntry(sensor, before[0], now[0], "lost", reason))
        return []
    quality = Quality.ESTIMATED if reset else Quality.MEASURED
    row = Observation(sensor, *key, before[0], now[0], value, Origin.LIVE, quality)
    return confirmed([row]) if now[0] - before[0] > MISSED else [row]


# ---- numbered messages


def _missing(post: Post, sensor: str, dated: Dated, made: Made) -> None:
    """A number that was left out: what the message told is lost unless it comes yet."""
    if dated.pushed.sequence is None:
        return
    stream, number = dated.pushed.sequence
    before = post.sequence.get(stream)
    if before is None or number > before or not dated.pushed.again:  # it begins anew when the device restarts
        post.sequence = {stream: number}
    first = min((row.start for row in dated.pushed.rows if row.start < row.end), default=None)
    until = max((told.until for told in post.told.values()), default=None)
    if before is None or first is None or until is None or dated.shift is None:
        return
    if number > before + 1 and first - dated.shift > until:
        reason = f"{number - before - 1} of its numbered messages did not come"
        made.entries.append(LedgerEntry(sensor, until, first - dated.shift, "lost", reason))
