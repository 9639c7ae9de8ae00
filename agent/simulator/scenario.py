"""The scenario: SCENARIO.toml as a model. A key it does not know is an error, so that a misspelt one is noticed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from agent.simulator.installation import Camera, Share, Table, Zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MINUTES_A_DAY = 1440
_HOURS = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")

Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _minutes(hours: object) -> object:
    """`09:00-21:00` as minutes of the day; `closed` as an empty stretch."""
    if not isinstance(hours, str):
        return hours
    if hours == "closed":
        return (0, 0)
    found = _HOURS.fullmatch(hours)
    if not found:
        raise ValueError(f"{hours!r}: write hours such as 09:00-21:00, or closed")
    h, m, until_h, until_m = map(int, found.groups())
    opens, closes = h * 60 + m, until_h * 60 + until_m
    if not opens < closes <= MINUTES_A_DAY:
        raise ValueError(f"{hours!r}: a day closes after it opens, at 24:00 at the latest")
    return (opens, closes)


Hours = Annotated[tuple[int, int], BeforeValidator(_minutes)]
Weights = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=24, max_length=24)]


class OpeningHours(Table):
    monday: Hours = (540, 1260)
    tuesday: Hours = (540, 1260)
    wednesday: Hours = (540, 1260)
    thursday: Hours = (540, 1260)
    friday: Hours = (540, 1260)
    saturday: Hours = (540, 1260)
    sunday: Hours = (540, 1260)


class Store(Table):
    """The shop as such."""

    name: str
    time_zone: Zone
    hours: OpeningHours = OpeningHours()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def open_minutes(self, day: date) -> tuple[int, int]:
        """When it opens and closes, in minutes of that local day; equal where it is closed."""
        opens: tuple[int, int] = getattr(self.hours, DAYS[day.weekday()])
        return opens


class Arrivals(Table):
    """Who comes. `by_hour` are weights of the 24 local hours, `by_weekday` factors from Monday on."""

    visits_per_day: Annotated[float, Field(ge=0, le=100_000)]
    by_hour: Weights
    by_weekday: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=7, max_length=7)] = (1.0,) * 7
    groups: Annotated[tuple[Share, ...], Field(min_length=1, max_length=12)] = (1.0,)  # shares of 1, 2, 3 … persons
    stay_minutes: Annotated[float, Field(gt=0, le=600)] = 15.0


class Door(Table):
    name: Word
    share: Annotated[float, Field(gt=0)] = 1.0


class Corridor(Table):
    """Passers-by who do not enter; some stop at the window."""

    passers_per_day: Annotated[float, Field(ge=0, le=200_000)]
    by_hour: Weights
    inward_share: Share = 0.5
    window_share: Share = 0.0
    window_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0


class BrowsingZone(Table):
    """A part of the shop: what share of the visitors walks into it, and for how long."""

    name: Word
    pull: Share
    dwell_seconds: Annotated[float, Field(gt=0, le=7200)] = 120.0


class Till(Table):
    """First come, first served, at so many desks; who waits longer than their patience leaves unserved."""

    buyers: Share
    desks: Annotated[int, Field(ge=1, le=50)] = 1
    service_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    patience_seconds: Annotated[float, Field(gt=0, le=7200)] = 900.0


class Scenario(Table):
    """A store for a day or for months; the same seed always gives the same days."""

    seed: int
    history_days: Annotated[int, Field(ge=1, le=400)] = 21
    store: Store
    arrivals: Arrivals
    door: Annotated[tuple[Door, ...], Field(min_length=1)]
    corridor: Corridor | None = None
    zone: tuple[BrowsingZone, ...] = ()
    till: Till | None = None
    camera: Annotated[tuple[Camera, ...], Field(min_length=1, max_length=64)]

    @property
    def sources(self) -> tuple[str, ...]:
        """Everything in this store that a line can count or a region can watch."""
        return tuple(self._sources())

    def _sources(self) -> Iterator[str]:
        yield from (f"door:{door.name}" for door in self.door)
        yield from (f"zone:{zone.name}" for zone in self.zone)
        if self.corridor:
            yield from ("corridor", "window")
        if self.till:
            yield "till"

    @model_validator(mode="after")
    def _cameras_see_what_exists(self) -> Self:
        for camera in self.camera:
            for source in camera.sources:
                if source not in self.sources:
                    raise ValueError(f"camera {camera.id}: {source!r} is none of {', '.join(self.sources)}")
        ids = [camera.id for camera in self.camera]
        if len(set(ids)) < len(ids):
            raise ValueError("two cameras have the same id")
        return self
