"""The layout: what a store's sensors, lines, regions and zones mean. Applied when numbers are read, never stored in."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.contract.wire import Name


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


class Part(BaseModel):
    """A table of the layout; an unknown key is an error, so that a misspelt one is not silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Line(Part):
    """A counting line, numbered as the device numbers it. `inverted`: the drawn arrow points out of the store."""

    number: Annotated[int, Field(ge=1, le=64)]
    name: str = ""
    role: Role = Role.ENTRANCE
    inverted: bool = False


class Region(Part):
    """A region, numbered as the device numbers it."""

    number: Annotated[int, Field(ge=1, le=64)]
    name: str = ""


class Sensor(Part):
    """One sensor. `totals` says that the device's own totals (place `sensor`) count instead of its lines."""

    id: Name
    name: str = ""
    line: tuple[Line, ...] = ()
    region: tuple[Region, ...] = ()
    totals: bool = False


class Zone(Part):
    """A business area. `places` are `SENSOR/line:N` or `SENSOR/region:N` of one or many sensors."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    purpose: Purpose
    places: tuple[str, ...]
    capacity: Annotated[int, Field(ge=1)] | None = None


class Layout(Part):
    """One version of a store's layout, valid from the start of `effective_from` in the store's own zone."""

    version: str
    effective_from: date
    time_zone: str
    reset_hour: Annotated[int, Field(ge=0, le=23)] = 4
    sensor: tuple[Sensor, ...]
    zone: tuple[Zone, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone; write one such as Europe/Lisbon")
        return value

    @model_validator(mode="after")
    def _places_exist(self) -> Layout:
        known = {f"{s.id}/line:{x.number}" for s in self.sensor for x in s.line}
        known |= {f"{s.id}/region:{x.number}" for s in self.sensor for x in s.region}
        for zone in self.zone:
            for place in zone.places:
                if place not in known:
                    raise ValueError(f"zone {zone.name}: place {place!r} is none of {', '.join(sorted(known))}")
        ids = [sensor.id for sensor in self.sensor]
        if len(set(ids)) < len(ids):
            raise ValueError("two sensors have the same id")
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


def valid_at(versions: tuple[Layout, ...], moment: float) -> Layout:
    """The version that holds at a moment: the last whose `effective_from` has come, else the earliest there is.

    Raises:
        ValueError: there is no version at all.
    """
    if not versions:
        raise ValueError("no layout")
    ordered = sorted(versions, key=lambda layout: layout.effective)
    return next((layout for layout in reversed(ordered) if layout.effective <= moment), ordered[0])
