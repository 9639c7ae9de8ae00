"""The layout: what a store's sensors, lines, regions and zones mean. Applied when numbers are read, never stored in."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from agent.contract.contradictions import Contradictions, found_in
from agent.contract.hours import Day, Holiday, Opening, Part, Stretch, openings
from agent.contract.wire import Name

__all__ = ["Day", "Holiday", "Layout", "Line", "Opening", "Purpose", "Region", "Role", "Sensor", "Stretch", "Zone"]

Metres = Annotated[tuple[float, float], Field(description="x, y in metres from a corner of the floor plan")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Role(StrEnum):
    """What crossing a line means for the store."""

    ENTRANCE = "entrance"
    PASSER_BY = "passer-by"
    INTERNAL = "internal"
    STAFF = "staff"
    IGNORE = "ignore"


class Purpose(StrEnum):
    """What a zone is for."""

    ENTRANCE = "entrance"
    BROWSING = "browsing"
    QUEUE = "queue"
    PREMIUM = "premium"
    SERVICE = "service"
    TRANSITION = "transition"


class SensorRole(StrEnum):
    """What a sensor is there for."""

    ENTRANCE = "entrance"
    DEPARTMENT = "department"
    CHECKOUT = "checkout"
    OTHER = "other"


class StoreType(StrEnum):
    """A kind of store; the library has sensible metrics, limits and advice for each."""

    RETAIL = "retail"
    FASHION = "fashion"
    SUPERMARKET = "supermarket"
    RESTAURANT = "restaurant"
    SHOWROOM = "showroom"
    SERVICE = "service"


class RegionType(StrEnum):
    """A kind of region; the library says what is worth measuring in each and what to do when it is crowded."""

    ENTRANCE = "entrance"
    WINDOW = "window"
    BROWSING = "browsing"
    ATTRACTION = "attraction"
    HIGH_VALUE = "high-value"
    HIGH_TURNOVER = "high-turnover"
    FITTING_ROOM = "fitting-room"
    QUEUE = "queue"
    TRANSACTION = "transaction"
    SERVICE = "service"
    SEATING = "seating"
    TRANSITION = "transition"


class Told(StrEnum):
    """What a device can tell of its lines and regions; the driver's page says which."""

    CROSSINGS = "crossings"
    VISITS = "visits"
    PERSON_SECONDS = "person_seconds"
    OCCUPANCY = "occupancy"
    QUEUE_LENGTH = "queue_length"
    QUEUE_WAIT = "queue_wait"
    STAFF = "staff"


class Line(Part):
    """A counting line, numbered as the device numbers it. `inverted`: the drawn arrow points out of the store."""

    number: Annotated[int, Field(ge=1, le=64)]
    name: str = ""
    role: Role = Role.ENTRANCE
    inverted: bool = False


class Region(Part):
    """A region, numbered as the device numbers it; `polygon` is on the floor plan, in metres."""

    number: Annotated[int, Field(ge=1, le=64)]
    name: str = ""
    type: RegionType | None = None
    capacity: Annotated[int, Field(ge=1)] | None = None
    floor: str = ""
    department: str = ""
    polygon: tuple[Metres, ...] = ()

    @field_validator("polygon")
    @classmethod
    def _has_an_area(cls, value: tuple[Metres, ...]) -> tuple[Metres, ...]:
        if value and len(value) < 3:  # noqa: PLR2004 - a triangle
            raise ValueError(f"{len(value)} corners enclose no area; write three or more, or leave polygon out")
        return value


class Sensor(Part):
    """One sensor. `totals` says that the device's own totals (place `sensor`) count instead of its lines."""

    id: Name
    name: str = ""
    line: tuple[Line, ...] = ()
    region: tuple[Region, ...] = ()
    totals: bool = False
    role: SensorRole = SensorRole.OTHER
    position: Metres | None = None
    floor: str = ""
    tells: tuple[Told, ...] = (Told.CROSSINGS, Told.VISITS, Told.PERSON_SECONDS)


class Lanes(Part):
    """How a queue is served: tills or counters, and the wait they are to keep to."""

    most: Annotated[int, Field(ge=1, le=200)]
    usual: Annotated[int, Field(ge=0, le=200)] = 1
    target_wait_s: Annotated[int, Field(ge=1, le=7200)] = 300
    service_level: Annotated[float, Field(gt=0, lt=1)] = 0.8
    service_s: Annotated[float, Field(gt=0, le=7200)] | None = None


class Zone(Part):
    """A business area. `places` are `SENSOR/line:N` or `SENSOR/region:N` of one or many sensors.

    Along the arrow of a line in `joins` one enters the zone, along that of one in `leaves` one leaves it, against them
    the other way. `closed` says that these are all its borders, so that their balance is the number of people in it.
    Nobody is in two `exclusive` zones at once. `share_of_store` is the share of those in the store that is usually in
    it: where devices tell how many are in the zone, that corrects what the doors miss.
    """

    name: Slug
    purpose: Purpose
    places: tuple[str, ...] = ()
    capacity: Annotated[int, Field(ge=1)] | None = None
    joins: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    closed: bool = False
    exclusive: bool = True
    share_of_store: Annotated[float, Field(gt=0, le=1)] | None = None
    area_m2: Annotated[float, Field(gt=0)] | None = None
    lanes: Lanes | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Every place it is measured by, once."""
        return tuple(dict.fromkeys((*self.places, *self.joins, *self.leaves)))

    @property
    def sensors(self) -> frozenset[str]:
        """The sensors it is measured by."""
        return frozenset(place.partition("/")[0] for place in self.sources)


class Relationship(Part):
    """How two zones lie to each other; people flow along adjacent zones and pathways, so the rest is a structural zero.

    `expected_flow` is the share of those in `from` who go on to `to`; a `conversion_signal` says that doing so counts
    as one (never as a sale, which only a till knows).
    """

    start: Annotated[Slug, Field(alias="from")]
    to: Slug
    kind: Literal["adjacent", "pathway", "visible", "alternative"]
    expected_flow: Annotated[float, Field(ge=0, le=1)] | None = None
    conversion_signal: bool = False


class Overlap(Part):
    """Places that see the same people: the first is counted, the others only where it did not answer."""

    places: Annotated[tuple[str, ...], Field(min_length=2)]


class Staffing(Part):
    """What staff there is. `entered`: somebody enters who is where, for stores whose devices do not tag staff."""

    least: Annotated[int, Field(ge=0)] = 1
    persons_per_staff: Annotated[float, Field(gt=0)] | None = None
    entered: bool = False


class Layout(Part):
    """One version of a store's layout, valid from the start of `effective_from` in the store's own zone."""

    version: str
    effective_from: date
    time_zone: str
    reset_hour: Annotated[int, Field(ge=0, le=23)] = 4
    sensor: tuple[Sensor, ...]
    zone: tuple[Zone, ...] = ()
    store_type: StoreType | None = None
    capacity: Annotated[int, Field(ge=1)] | None = None
    area_m2: Annotated[float, Field(gt=0)] | None = None
    rules: str = "alerts.toml"
    opening: tuple[Opening, ...] = ()
    holiday: tuple[Holiday, ...] = ()
    relationship: tuple[Relationship, ...] = ()
    overlap: tuple[Overlap, ...] = ()
    staffing: Staffing = Staffing()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone; write one such as Europe/Lisbon")
        return value

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Layout:
        if problems := tuple(found_in(self)):
            raise Contradictions(problems)
        return self

    @property
    def zone_info(self) -> ZoneInfo:
        """The store's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def effective(self) -> int:
        """From when this version holds, in UTC seconds."""
        return int(datetime.combine(self.effective_from, datetime.min.time(), self.zone_info).timestamp())

    def lines(self, *roles: Role) -> dict[tuple[str, str], Line]:
        """The lines with one of these roles by (sensor, place)."""
        return {
            (sensor.id, f"line:{line.number}"): line
            for sensor in self.sensor
            for line in sensor.line
            if line.role in roles
        }

    def is_open(self, moment: float) -> bool:
        """Whether the store is open; a layout without opening hours is always open."""
        if not self.opening and not self.holiday:
            return True
        return any(a <= moment < b for a, b in openings(moment, self.zone_info, self.opening, self.holiday))

    def sensors_of(self, scope: str) -> frozenset[str]:
        """The sensors behind a scope: `store`, `zone:NAME`, `SENSOR/line:N`; none behind another."""
        if scope == "store":
            return frozenset(sensor for sensor, _ in self.lines(Role.ENTRANCE))
        if scope.startswith("zone:"):
            return next((zone.sensors for zone in self.zone if f"zone:{zone.name}" == scope), frozenset())
        return frozenset({scope.partition("/")[0]}) & {sensor.id for sensor in self.sensor}


def valid_at(versions: tuple[Layout, ...], moment: float) -> Layout:
    """The version that holds at a moment: the last whose `effective_from` has come, else the earliest there is.

    Raises:
        ValueError: there is no version at all.
    """
    if not versions:
        raise ValueError("no layout")
    ordered = sorted(versions, key=lambda layout: layout.effective)
    return next((layout for layout in reversed(ordered) if layout.effective <= moment), ordered[0])
