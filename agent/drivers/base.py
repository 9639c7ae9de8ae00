"""The contract of a driver, and everything that may go wrong with a device.

    SensorError
    ├── Unreachable   no connection, no answer in time, or the answer broke off
    ├── Refused       the credentials were not accepted
    │   └── Forbidden they were, and this user may not read it
    ├── Unsupported   this model or firmware does not have it
    └── Garbled       an answer came and could not be understood; keeps the raw text

A driver raises nothing else. Whatever the HTTP client raises is translated where it is called (`reading.fetch`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    import aiohttp


class SensorError(Exception):
    """Something is wrong with one device; the text says what, in words for a technician."""


class Unreachable(SensorError):
    """No connection, no answer within the deadline, or the answer broke off."""


class Refused(SensorError):
    """The device does not accept the credentials."""


class Forbidden(Refused):
    """The device knows the user, who may not read this."""


class Unsupported(SensorError):
    """This model or firmware does not have what was asked for."""


class Garbled(SensorError):
    """The answer could not be understood.

    `raw` is the text it was about, `line` and `column` count from 1 where they are known.
    """

    def __init__(self, what: str, raw: str = "", line: int | None = None, column: int | None = None) -> None:
        where = "" if line is None else f"line {line}" + ("" if column is None else f", column {column}") + ": "
        super().__init__(where + what)
        self.raw = raw[:2000]  # enough for support to see, too little to fill a log
        self.line = line
        self.column = column


class Kind(StrEnum):
    """The kinds of data a device may tell."""

    LINES = "lines"
    REGIONS = "regions"
    HEAT = "heat"
    COUNTERS = "counters"
    OCCUPANCY = "occupancy"
    DWELL = "dwell"
    QUEUE = "queue"


class Row(NamedTuple):
    """One interval of one place as the device's memory says it, [start, end) in UTC seconds.

    The row of a running interval grows; that it is final is for the poller to judge. `raw` is the device's own
    start text. `repeated` marks a single row for a local hour that came twice: it then spans both passes; `partial` one
    of which the device says that it watched only a part.
    """

    place: str
    metric: str
    start: int
    end: int
    value: float
    raw: str = ""
    repeated: bool = False
    partial: bool = False


class Counter(NamedTuple):
    """A total that runs since the device last reset it, or (metrics alarm_*) a flag of 0 or 1."""

    place: str
    metric: str
    value: float


class History(NamedTuple):
    """What the memory answered: rows oldest first, and what of the answer could not be read.

    `pushed`: nobody asked, the device sent it. `missing`: from, to and why of what it usually tells beside these rows
    and did not tell this time.
    """

    rows: Sequence[Row]
    problems: Sequence[Garbled] = ()
    pushed: bool = False
    missing: Sequence[tuple[int, int, str]] = ()


class Pushed(NamedTuple):
    """What one message of a device said, without pictures and person ids; those go no further than its reader.

    rows: intervals the device closed, and states of a moment (start and end are the same).
    crossings: what happened at single moments, in rows of a minute. They *add* to what others said of that minute, so
        a message counts only where its `fingerprint` is new; a message that is sent again has the same.
    counters: running totals. Only where the message has neither intervals nor crossings of the same counts.
    serial, clock: whose message it is, and what the device's own clock said when it was made (UTC seconds).
    sequence: (stream, number) where messages are numbered, so that a missing one shows.
    again: the device itself says that it sends this once more.
    """

    rows: Sequence[Row] = ()
    crossings: Sequence[Row] = ()
    counters: Sequence[Counter] = ()
    fingerprint: str = ""
    problems: Sequence[Garbled] = ()
    serial: str = ""
    clock: float | None = None
    sequence: tuple[str, int] | None = None
    again: bool = False


class Identity(NamedTuple):
    """Who a device is, by its own word. The serial number is what is kept: an address may be another's tomorrow."""

    serial: str
    model: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """What a driver is given; it opens nothing of its own.

    `address` is host or host:port, `now` the store's clock in UTC seconds, `options` the brand's own keys of the
    sensor's TOML table. The password never appears in a text or a URL.
    """

    sensor: str
    address: str
    zone: ZoneInfo
    session: aiohttp.ClientSession
    now: Callable[[], float]
    username: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, object] = field(default_factory=dict)


class Driver(Protocol):
    """One device on the local network. Calls never overlap; they raise `SensorError` and nothing else.

    Nothing is written down here: a driver returns what the device said, as it said it. Empty is a valid answer, and
    never means zero.
    """

    cadence: Mapping[Kind, float]
    """What this driver asks for, and every how many seconds of the store's time.

    A kind asked once an hour or less often makes no live differences: its finished intervals alone are of use. So it is
    with lines whose running counters are told for the same places.
    """

    async def history(self, kind: Kind, since: int, until: int) -> History:
        """The device's intervals of a kind that touch [since, until), without those that have not yet begun."""

    async def counters(self) -> Sequence[Counter]:
        """The running counters and alarm flags at this moment."""


@runtime_checkable
class Known(Driver, Protocol):
    """A driver of a device that can be asked who it is and what time it has. Not every brand tells."""

    async def identity(self) -> Identity:
        """Serial number, model and firmware; asked daily, as a device may be replaced behind its address."""

    async def clock(self) -> float:
        """What the device's own clock shows, in UTC seconds; its difference from ours is told and corrected."""


class Listener(Driver, Protocol):
    """A driver of a device that sends its counts; its `cadence` may be empty, as it may have nothing to ask for."""

    def receive(self, body: bytes, content_type: str, headers: Mapping[str, str]) -> Pushed:
        """Read one message, over HTTP or MQTT (then `headers` holds `topic`); opens and keeps nothing.

        Raises `Garbled` where nothing at all can be read. A message that is understood and has no counts is empty.
        """


class Streaming(Listener, Protocol):
    """A driver of a device that sends its messages over a connection of ours, where option `alerts` asks for it."""

    def messages(self) -> AsyncIterator[bytes]:
        """Each message as `receive` reads it, until the connection ends; raises `SensorError`."""


class Brand(Protocol):
    """What a brand's module offers: `open_driver` for the poller, `decode` for a recorded answer."""

    def open_driver(self, device: Device) -> Driver:
        """A driver for this device; connects to nothing yet."""

    def decode(self, body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
        """Read one recorded body; `kind` None means recognise it.

        Counters come as rows of zero length at `now`. Raises `Garbled` where nothing at all can be read.
        """
