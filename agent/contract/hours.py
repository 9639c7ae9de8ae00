"""When a store is open: hours by day of the week, and days on which they are others."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from agent.contract.times import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from agent.contract.layout import Layout

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


class Day(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f'{text!r} is no time of day; write hours and minutes such as "09:30"')
    return text


ClockTime = Annotated[str, AfterValidator(_clock)]


class Part(BaseModel):
    """A table of the layout; an unknown key is an error, so that a misspelt one is not silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Stretch(Part):
    """From one time of day to another; `until` before `from` is on the next day."""

    start: Annotated[ClockTime, Field(alias="from")]
    until: ClockTime

    @model_validator(mode="after")
    def _is_a_stretch(self) -> Self:
        if self.start in (self.until, "24:00"):
            raise ValueError(
                f'from {self.start} to {self.until} is no time at all; for all day write "00:00" to "24:00"'
            )
        return self

    @property
    def minutes(self) -> tuple[int, int]:
        """First and last minute of the day on which it begins; above 1,440 it reaches into the next day."""
        first, last = (int(x[:2]) * 60 + int(x[3:]) for x in (self.start, self.until))
        return first, last if last > first else last + 24 * 60


class Opening(Stretch):
    """Opening hours on some days of the week; a day may have several stretches, and one that has none is closed."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)]


class Holiday(Part):
    """A date on which the usual hours do not hold: closed, or open in `hours` instead."""

    date: date
    name: str = ""
    hours: tuple[Stretch, ...] = ()


def openings(
    moment: float, zone: ZoneInfo, opening: Sequence[Opening], holiday: Sequence[Holiday]
) -> Iterator[tuple[int, int]]:
    """The stretches that begin on the local date of a moment or the day before it, in UTC seconds."""
    today = datetime.fromtimestamp(moment, tz=zone).date()
    for day in (today - timedelta(days=1), today):
        special = next((h for h in holiday if h.date == day), None)
        names = list(Day)
        usual = [o for o in opening if names[day.weekday()] in o.days]
        for stretch in special.hours if special else usual:
            first, last = stretch.minutes
            yield _utc(day, first, zone), _utc(day, last, zone)


def next_edge(layout: Layout, after: float) -> float:
    """The next moment after one at which the store opens or closes; infinity where none is within a week."""
    if not layout.opening and not layout.holiday:
        return float("inf")
    for days in range(8):
        found = openings(after + days * DAY, layout.zone_info, layout.opening, layout.holiday)
        edges = [edge for stretch in found for edge in stretch if edge > after]
        if edges:
            return float(min(edges))
    return float("inf")


def _utc(day: date, minute: int, zone: ZoneInfo) -> int:
    """Wall-clock minutes from midnight of a date, so that hours stay the shop's where the clocks change."""
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    return int(wall.replace(tzinfo=zone).timestamp())
