"""The cameras of a scenario: what each sees, how it answers, and what goes wrong with it."""

from __future__ import annotations

import hashlib
from datetime import time
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from agent.contract.wire import Name


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone; write one such as Europe/Lisbon")
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
Share = Annotated[float, Field(ge=0, le=1)]
Moment = float | AwareDatetime  # seconds of the store's time since the start, or RFC 3339
Kind = Literal["lines", "regions", "heat", "counters"]


# The ways each brand has of telling its counts, the usual one first.
FAMILIES = {
    "milesight": ("camera", "vs133", "vs121", "vs125", "vs135"),
    "axis": ("people-counter", "3d", "object-analytics", "retail-data"),
    "hikvision": ("search", "push"),
    "dahua": ("rpc2",),
    "hanwha": ("sunapi",),
    "generic": ("csv", "json"),
    "xovis": ("v5", "v4"),
    "vivotek": ("csv", "json", "xml"),
    "onvif": ("mqtt",),
}


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Auth(StrEnum):
    """What a camera asks for; where it offers two, the word gives the order of its headers."""

    NONE = "none"
    BASIC = "basic"
    DIGEST = "digest"
    BASIC_THEN_DIGEST = "basic-then-digest"
    DIGEST_THEN_BASIC = "digest-then-basic"
    BASIC_THEN_DIGEST_THEN_SHA256 = "basic-then-digest-then-sha256"  # as newer firmwares do: three headers


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


class Push(Table):
    """Where a camera that sends tells its counts: a URL, or a topic for whoever publishes for the simulated store.

    `topic` is for brands that leave it to their owner; the others have one of their own.
    `every` is its period in seconds; `keeps` how many messages it holds while nobody takes them; `twice` the share of
    messages that it sends again although they arrived, as it does when an answer was lost; `lite` leaves out zeros.
    """

    url: Annotated[str, Field(pattern=r"^(https?://\S{1,400})?$")] = ""
    topic: Annotated[str, Field(pattern=r"^[^+#\x00]{0,200}$")] = ""
    every: Annotated[int, Field(ge=60, le=86400, multiple_of=60)] = 60
    keeps: Annotated[int, Field(ge=0, le=100_000)] = 1500
    twice: Share = 0.0
    lite: bool = False


class Camera(Table):
    """One camera. `driver` is its brand and `family` which of that brand's ways it talks (empty: the usual one).

    `serial` is made from its id where none is given. `zone` defaults to the store's. `heat_scale` multiplies its heat
    values (10 for the models whose readers must divide). `counter_reset` is the local time at which the running
    counters start again; empty means never.
    `clock_frozen` is when its clock stood still; it goes on counting into the hour that its clock shows.
    """

    id: Name
    driver: str = "milesight"
    family: str = ""
    serial: Annotated[str, Field(max_length=64)] = ""
    push: Push = Push()
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

    @model_validator(mode="after")
    def _family_of_its_brand(self) -> Self:
        if self.driver not in FAMILIES:
            raise ValueError(f"camera {self.id}: driver {self.driver!r} is none of {', '.join(FAMILIES)}")
        if self.family and self.family not in FAMILIES[self.driver]:
            there_are = ", ".join(FAMILIES[self.driver])
            raise ValueError(f"camera {self.id}: family {self.family!r} of {self.driver} is none of {there_are}")
        return self

    @property
    def model(self) -> str:
        """Its family, the usual one where none is named."""
        return self.family or FAMILIES[self.driver][0]

    @property
    def number(self) -> str:
        """Its serial number."""
        return self.serial or hashlib.sha256(self.id.encode()).hexdigest()[:12].upper()

    @property
    def sources(self) -> tuple[str, ...]:
        """What is in its view."""
        return tuple(dict.fromkeys([line.counts for line in self.line] + [region.watches for region in self.region]))
