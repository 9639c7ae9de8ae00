"""How each part of a store stands, judged from a view. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.contract.times import HOUR
from agent.web.phrases import Moment, ago

if TYPE_CHECKING:
    from agent.web.view import SensorView, StoreView

# Real seconds, whatever the store's clock does.
FIRST_ANSWER = 60.0  # a camera has so long to answer for the first time
FIRST_CONTACT = 20.0  # and the broker
HQ_SILENT = 120.0  # rows that wait longer than this while the broker is there: four resends went unanswered
STALE = 300.0  # no poll ends for so long: whatever a sensor last said, it does not count now

REFUSED, GARBLED = "credentials refused", "answer not understood"
BROKER_REFUSES = "broker: refused:"  # how a CONNACK, a PUBACK or a TLS alert that says no is worded
HAS_EXPIRED = "our own certificate has expired"  # how the broker's TLS alert is worded
CLOCK_IS_WRONG = "this device's clock"  # how a failed TLS handshake is worded where time is the likely cause


class Level(StrEnum):
    """How bad it is; the style sheet and the icons are named after these."""

    GOOD = "good"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"


class Standing(StrEnum):
    """How one sensor stands; its own words on the page."""

    ANSWERS = "Answers"
    PARTLY = "Answers in part"
    WAITING = "Being asked"
    SILENT = "Silent"
    REFUSED = "Refuses our password"
    GARBLED = "Not understood"

    @property
    def level(self) -> Level:
        """How bad that is for the sensor itself."""
        return {
            Standing.ANSWERS: Level.GOOD,
            Standing.WAITING: Level.WAIT,
            Standing.PARTLY: Level.WARN,
        }.get(self, Level.BAD)


class Line(StrEnum):
    """How the line to headquarters stands."""

    OPEN = "open"
    CONNECTING = "connecting"
    NO_BROKER = "no broker"
    REFUSED = "refused"
    CLOCK = "clock"
    HQ_SILENT = "hq silent"


COUNTING = (Standing.ANSWERS, Standing.PARTLY)
CUT = (Line.NO_BROKER, Line.REFUSED, Line.CLOCK, Line.HQ_SILENT)


def standing(view: StoreView, sensor: SensorView) -> Standing:
    """How one sensor stands."""
    quiet = None if sensor.last_answer is None else view.now - sensor.last_answer
    if sensor.up and quiet is not None and (quiet <= sensor.patience or quiet / view.speed <= STALE):
        return Standing.PARTLY if sensor.problem else Standing.ANSWERS
    if sensor.last_answer is None and not sensor.problem and real(view, view.started) <= FIRST_ANSWER:
        return Standing.WAITING
    return {REFUSED: Standing.REFUSED, GARBLED: Standing.GARBLED}.get(sensor.trouble, Standing.SILENT)


def line(view: StoreView) -> Line:
    """How the line to headquarters stands."""
    uplink = view.uplink
    quiet = real(view, max(uplink.last_answer or 0.0, view.started))
    if BROKER_REFUSES in uplink.problem:
        return Line.REFUSED
    if not uplink.broker:
        if CLOCK_IS_WRONG in uplink.problem:
            return Line.CLOCK
        return Line.CONNECTING if real(view, view.started) <= FIRST_CONTACT else Line.NO_BROKER
    oldest = view.tally.oldest_unsent
    overdue = quiet > HQ_SILENT and oldest is not None and real(view, oldest) > HQ_SILENT
    if uplink.hq and not overdue:
        return Line.OPEN
    return Line.CONNECTING if quiet <= FIRST_CONTACT else Line.HQ_SILENT


def has_expired(view: StoreView) -> bool:
    """Whether the device's own certificate is what the broker does not take."""
    days = view.health.certificate_days
    return HAS_EXPIRED in view.uplink.problem or (days is not None and days <= 0)


def last_count(view: StoreView) -> float | None:
    """When a sensor last answered."""
    return max((sensor.last_answer for sensor in view.sensors if sensor.last_answer is not None), default=None)


def crossings(sensor: SensorView) -> tuple[int, int] | None:
    """Persons in and out today; None where it has no entrance, or told nothing yet: that is not zero."""
    told = any(value is not None for value in sensor.today)
    return (sensor.entered, sensor.left) if told and sensor.entered is not None and sensor.left is not None else None


def waiting_rows(view: StoreView) -> int:
    """Rows that headquarters does not have yet."""
    return view.tally.unsent_fresh + view.tally.unsent_backlog


def is_losing(view: StoreView) -> bool:
    """Whether the buffer is full of rows that nobody takes. Full of acknowledged ones it is most of its life."""
    return line(view) in CUT and view.tally.dropped > 0 and view.room_s is not None and view.room_s < HOUR


def zone_of(view: StoreView) -> ZoneInfo:
    """The store's time zone."""
    return ZoneInfo(view.time_zone)


def real(view: StoreView, moment: float) -> float:
    """How many real seconds ago."""
    return (view.now - moment) / view.speed


def since(view: StoreView, moment: float) -> Moment:
    """How long ago by the store's clock."""
    return ago(moment, view.now, zone_of(view))
