"""The scenario: SCENARIO.toml as a model. A key it does not know is an error, so that a misspelt one is noticed."""

from __future__ import annotations

import re
import tomllib
from datetime import date, time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from agent.contract.wire import Name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MINUTES_A_DAY = 1440
_HOURS = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")

Share = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Moment = float | AwareDatetime  # seconds of the store's time since the start, or RFC 3339
Kind = Literal["lines", "regions", "heat", "counters"]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone; write one such as Europe/Lisbon")
    return name


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


Zone = Annotated[str, AfterValidator(_known_zone)]
Hours = Annotated[tuple[int, int], BeforeValidator(_minutes)]
Weights = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=24, max_length=24)]


class Auth(StrEnum):
    """What a camera asks for; where it offers two, the word gives the order of its headers."""

    NONE = "none"
    BASIC = "basic"
    DIGEST = "digest"
    BASIC_THEN_DIGEST = "basic-then-digest"
    DIGEST_THEN_BASIC = "digest-then-basic"


class Fold(StrEnum):
    """What a camera's memory makes of the hour that comes twice at the end of summer time."""

    TWICE = "twice"  # two rows with the same text: 25 that day
    MERGED = "merged"  # one row that keeps growing through both passes
    OVERWRITTEN = "overwritten"  # one row that falls at the repeat: the second pass replaces the first


class Header(StrEnum):
    """The layout of the line CSV."""

    TOLAL = "tolal"  # the 17 columns that came from a device, misspelt as they are
    TOTAL = "total"  # the same, spelt correctly
    NO_TOTAL = "no-total"  # the lines alone
    SEVEN = "seven"  # Line1..3 - In, Line4 - In, Line4 - Out


class FaultKind(StrEnum):
    """What may go wrong with an answer."""

    TIMEOUT = "timeout"
    RESET = "reset"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not-found"
    BAD_GATEWAY = "bad-gateway"
    HTML_200 = "html-200"
    EMPTY = "empty"
    HEADER_ONLY = "header-only"
    TRUNCATED = "truncated"
    CRLF = "crlf"
    BOM = "bom"
    REFUSE_PERCENT_3A = "refuse-percent-3a"
    DRIP = "drip"
    DUPLICATE_ROW = "duplicate-row"
    SUM_MISMATCH = "sum-mismatch"
    HUGE = "huge"
    REDIRECT = "redirect"
    UNPLUGGED = "unplugged"


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Line(Table):
    """A counting line. `inverted`: drawn the wrong way round, so that the camera tells ins as outs."""

    number: Annotated[int, Field(ge=1, le=4)]
    counts: str
    inverted: bool = False
    miss_in: Share = 0.0
    miss_out: Share = 0.0


class Region(Table):
    number: Annotated[int, Field(ge=1, le=4)]
    watches: str
    miss: Share = 0.0


class Fault(Table):
    """When and how answers go wrong. Without `probability` and `every` each answer of the stretch does.

    `on` limits it to kinds of data; `after` lets so many answers pass first; `seconds` (real ones) is how long a
    timeout hangs and a drip takes; `power` tells whether an unplugged camera also stopped counting.
    """

    kind: FaultKind
    since: Annotated[Moment, Field(alias="from")] = 0.0
    until: Moment | None = None
    probability: Share | None = None
    every: Annotated[int, Field(ge=1)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    on: tuple[Kind, ...] = ()
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    power: bool = False

    @model_validator(mode="after")
    def _unplugged_is_not_a_matter_of_chance(self) -> Self:
        if self.kind is FaultKind.UNPLUGGED and (self.on or self.after or self.probability or self.every):
            raise ValueError("an unplugged camera has only from, until and power")
        return self


class Camera(Table):
    """One Milesight camera of family a.

    `zone` defaults to the store's. `heat_scale` multiplies its heat values (10 for the models whose readers must
    divide). `counter_reset` is the local time at which the running counters start again; empty means never.
    `clock_frozen` is when its clock stood still; it goes on counting into the hour that its clock shows.
    """

    id: Name
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    username: str = "counter"
    password: str = "example"  # noqa: S105 - of a simulated camera
    auth: Auth = Auth.BASIC
    zone: Zone | None = None
    fold: Fold = Fold.TWICE
    header: Header = Header.TOLAL
    heat: bool = False
    heat_scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    heat_days: Annotated[int, Field(ge=1, le=400)] = 7
    space_heat: bool = False
    nothing: Literal["header", "zero-length"] = "header"
    counter_reset: Annotated[time | None, BeforeValidator(lambda value: value or None)] = time(0)
    counter_lines: bool = False
    alarm_threshold: Annotated[int, Field(ge=1, le=9999)] = 9999
    clock_skew: float = 0.0
    clock_frozen: Moment | None = None
    line: Annotated[tuple[Line, ...], Field(max_length=4)] = ()
    region: Annotated[tuple[Region, ...], Field(max_length=4)] = ()
    fault: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _numbers_once(self) -> Self:
        for places in (self.line, self.region):
            if len({place.number for place in places}) < len(places):
                raise ValueError(f"camera {self.id}: two lines or two regions have the same number")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """What is in its view."""
        return tuple(dict.fromkeys([line.counts for line in self.line] + [region.watches for region in self.region]))


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


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no scenario; the text names the file and the key.
    """
    try:
        return Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "scenario"
        raise ValueError(f"{path}: {where}: {problem['msg']}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
