"""From what a device says to observations: the delta rule, the settling of hours, and who was watching. Pure.

A growing row is read every tick. Each reading less the one before it is a `live` row over the ticks between them,
never spread; the finished row is appended once as `log` when its hour ended 90 s ago and two readings agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.contract.observation import Observation, Origin, Quality
from agent.contract.times import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.drivers.base import Counter, Row

SETTLE = 90  # seconds after its end before a row may be final
LIVE_WINDOW = 6 * HOUR  # hours that ended longer ago are told by their `log` row alone
MISSED = 90  # seconds between two readings beyond which the stretch counts as not watched

Key = tuple[str, str]


@dataclass(slots=True)
class Hour:
    """One interval of a growing row. `at` is the tick of the last reading, `since` of the one before.

    foreign: a part of it was counted elsewhere, by a device that hangs here since: its finished row is of no use.
    values: by key, the last raw reading and the last `live` value made of it.
    """

    end: int
    at: int
    since: int
    unwatched: bool = False
    agreed: bool = False
    repeated: bool = False
    foreign: bool = False
    values: dict[Key, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """What one sensor's poller remembers of one kind of data between ticks; stored in the commit of its rows.

    settled: every interval that began before this is done. hours: the others, by start.
    """

    settled: int
    at: int = 0
    cold: bool = False  # nothing is known of earlier live rows: the first reading is a baseline
    foreign: bool = False  # and what it holds was counted elsewhere
    hours: dict[int, Hour] = field(default_factory=dict)

    def shift(self, by: int) -> None:
        """Our own clock was set: every time in it moves."""
        self.settled += by
        self.at += by if self.at else 0
        for hour in self.hours.values():
            hour.end, hour.at, hour.since = hour.end + by, hour.at + by, hour.since + by
        self.hours = {start + by: hour for start, hour in self.hours.items()}

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        hours = {
            str(start): [
                hour.end,
                hour.at,
                hour.since,
                int(hour.unwatched) + 2 * int(hour.agreed) + 4 * int(hour.repeated) + 8 * int(hour.foreign),
                {"|".join(key): list(pair) for key, pair in hour.values.items()},
            ]
            for start, hour in self.hours.items()
        }
        return {"settled": self.settled, "at": self.at, "cold": self.cold, "foreign": self.foreign, "hours": hours}

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Memory:
        """From what `dump` made."""
        made = cls(stored["settled"], stored["at"], stored["cold"], stored.get("foreign", False))
        for start, (end, at, since, flags, values) in stored["hours"].items():
            keyed = {tuple(key.split("|")): tuple(pair) for key, pair in values.items()}
            made.hours[int(start)] = Hour(
                end, at, since, bool(flags & 1), bool(flags & 2), bool(flags & 4), bool(flags & 8), keyed
            )
        return made


def read(
    memory: Memory, sensor: str, rows: Sequence[Row], tick: int, *, live: bool = True, watched: int | None = None
) -> list[Observation]:
    """Take in one reading of a kind at a tick; the rows it makes. `memory` is changed in place.

    `live` False makes no differences: only finished rows are of use (heat, or totals told by counters). `watched` is
    since when the sensor has answered, where it was asked about other kinds between two readings of this one.
    """
    made: list[Observation] = []
    started = [row for row in _split(memory, rows, made, sensor, tick) if memory.settled <= row.start < tick]
    for start in sorted({row.start for row in started}):
        made += _take_hour(
            memory, sensor, [row for row in started if row.start == start], tick, live=live, watched=watched
        )
    memory.at, memory.cold, memory.foreign = tick, False, False
    return made + _settle(memory, sensor, tick)


def snapped(memory: Memory, rows: Sequence[Row]) -> Sequence[Row]:
    """Rows of an hour that is already read under an edge a little off, as a corrected clock drifts: under that edge."""

    def placed(row: Row) -> Row:
        half = (row.end - row.start) // 2
        for start in memory.hours:
            if start != row.start and abs(start - row.start) < half:
                return row._replace(start=start)
        return row._replace(start=memory.settled) if row.start < memory.settled < row.start + half else row

    if all(row.start in memory.hours or row.repeated for row in rows):
        return rows
    return [row if row.repeated or row.start in memory.hours else placed(row) for row in rows]


def _take_hour(
    memory: Memory, sensor: str, rows: list[Row], tick: int, *, live: bool, watched: int | None
) -> list[Observation]:
    start, end = rows[0].start, rows[0].end
    hour = memory.hours.get(start)
    baseline = hour is None and memory.cold
    if hour is None:
        unwatched = watched - start > MISSED if watched else not memory.at or start - memory.at > MISSED
        hour = memory.hours[start] = Hour(end, start, start, unwatched, foreign=memory.foreign)
    hour.end, hour.repeated = end, rows[0].repeated
    upto = min(tick, end)
    # A reading after the end finds no stretch of its own: what it adds belongs to the last stretch, which is revised.
    revises = upto <= hour.at and bool(hour.values)
    since = hour.since if revises else hour.at
    gap = upto - hour.at > MISSED and not (watched and watched - hour.at <= MISSED)
    made, agreed = [], tick > end
    for row in rows:
        before, last = hour.values.get((row.place, row.metric), (0.0, 0.0))
        reset = row.value < before
        delta = row.value if reset else row.value - before
        value = last + delta if revises else delta
        agreed = agreed and hour.at >= end and row.value == before
        hour.values[row.place, row.metric] = (row.value, 0.0 if baseline else value)
        if live and not baseline and since < upto and not (revises and delta == 0):
            quality = Quality.ESTIMATED if reset else Quality.MEASURED
            made.append(Observation(sensor, row.place, row.metric, since, upto, value, Origin.LIVE, quality))
    hour.agreed = agreed
    if gap:
        hour.unwatched = True
        made = confirmed(made)
    if not revises:
        hour.since = hour.at
    hour.at = max(hour.at, upto) if tick <= end else tick
    return made


def _settle(memory: Memory, sensor: str, tick: int) -> list[Observation]:
    """The `log` rows of hours that are final now; what is settled is forgotten."""
    made: list[Observation] = []
    for start, hour in sorted(memory.hours.items()):
        if tick < hour.end + SETTLE or not hour.agreed:
            break
        made += [] if hour.foreign else finished(sensor, start, hour)
        memory.settled = max(memory.settled, hour.end)
        del memory.hours[start]
    return made


def finished(sensor: str, start: int, hour: Hour) -> list[Observation]:
    """The `log` rows of one settled hour."""
    quality = Quality.ESTIMATED if hour.repeated else Quality.MEASURED
    if hour.unwatched:
        quality |= Quality.BACKFILLED
    rows = [
        Observation(sensor, place, metric, start, hour.end, value, Origin.LOG, quality)
        for (place, metric), (value, _) in hour.values.items()
    ]
    return confirmed(rows) if hour.unwatched else rows


def confirmed(rows: list[Observation]) -> list[Observation]:
    """Rows of a stretch nobody watched: a zero is unconfirmed unless something counted in it shows the device ran."""
    if any(row.value for row in rows):
        return rows
    return [row._replace(quality=row.quality & ~Quality.MEASURED | Quality.UNCONFIRMED) for row in rows]


def backfilled(sensor: str, rows: Iterable[Row]) -> list[Observation]:
    """The `log` rows of a stretch read from the device's memory after the fact, one reading."""
    by_start: dict[int, list[Observation]] = {}
    for row in rows:
        quality = Quality.BACKFILLED | (Quality.ESTIMATED if row.repeated else Quality.MEASURED)
        made = Observation(sensor, row.place, row.metric, row.start, row.end, row.value, Origin.LOG, quality)
        by_start.setdefault(row.start, []).append(made)
    return [row for start in sorted(by_start) for row in confirmed(by_start[start])]


def _split(memory: Memory, rows: Sequence[Row], made: list[Observation], sensor: str, tick: int) -> list[Row]:
    """Tell a row that fell at the repeat of an hour from one that kept growing through it.

    A fallen row is the second pass alone: the first is closed with what was last read of it.
    """
    single = [row for row in rows if row.repeated]
    for start in {row.start for row in single}:
        hour = memory.hours.get(start)
        own = [row for row in single if row.start == start]
        middle = start + (own[0].end - start) // 2
        fell = hour is not None and any(row.value < hour.values.get((row.place, row.metric), (0, 0))[0] for row in own)
        if hour is not None and fell and tick > middle:
            hour.end = middle
            made += finished(sensor, start, hour)
            del memory.hours[start]
            memory.settled = max(memory.settled, middle)
        if memory.settled == middle:
            rows = [row._replace(start=middle, repeated=False) if row.repeated else row for row in rows]
    return list(rows)


# ---- running counters


@dataclass(slots=True)
class Totals:
    """The last reading of a device's running counters and flags; stored in the commit of its rows."""

    at: int = 0
    values: dict[Key, float] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {"at": self.at, "values": {"|".join(key): value for key, value in self.values.items()}}

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Totals:
        """From what `dump` made."""
        return cls(stored["at"], {tuple(key.split("|")): value for key, value in stored["values"].items()})


def read_totals(totals: Totals, sensor: str, counters: Sequence[Counter], tick: int) -> list[Observation]:
    """The `live` rows of running counters since the last reading; flags on change and once an hour."""
    counts = [counter for counter in counters if not counter.metric.startswith("alarm_")]
    flags = [counter for counter in counters if counter.metric.startswith("alarm_")]
    made = []
    if totals.at and 0 < tick - totals.at <= DAY:
        made = [_difference(totals, sensor, counter, tick) for counter in counts if _key(counter) in totals.values]
        if tick - totals.at > MISSED:
            made = confirmed(made)
    for flag in flags:
        if totals.values.get(_key(flag)) != flag.value or tick % HOUR == 0:
            made.append(
                Observation(
                    sensor, flag.place, flag.metric, tick - MINUTE, tick, flag.value, Origin.LIVE, Quality.MEASURED
                )
            )
    totals.at = tick
    totals.values = {_key(counter): counter.value for counter in counters}
    return made


def _key(counter: Counter) -> Key:
    return counter.place, counter.metric


def _difference(totals: Totals, sensor: str, counter: Counter, tick: int) -> Observation:
    before = totals.values[_key(counter)]
    reset = counter.value < before
    value = counter.value if reset else counter.value - before
    quality = Quality.ESTIMATED if reset else Quality.MEASURED
    return Observation(sensor, counter.place, counter.metric, totals.at, tick, value, Origin.LIVE, quality)
