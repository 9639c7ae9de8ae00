"""What the drivers of devices that send their counts have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled, History, Kind, Pushed, Unsupported
from agent.drivers.reading.fetch import Access
from agent.drivers.reading.sheet import Sheet, of_kind
from agent.drivers.reading.text import text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Counter, Device

MAX_MESSAGE = 4 * 1024 * 1024


def only(options: Mapping[str, object], brand: str, known: Collection[str]) -> None:
    """Refuse an option that the brand does not have.

    Raises:
        ValueError: there is one; the text names those there are.
    """
    if unknown := options.keys() - set(known):
        there_are = ", ".join(sorted(known)) or "none"
        raise ValueError(f"option {min(unknown)!r}: the options of {brand} are: {there_are}")


def choice(options: Mapping[str, object], name: str, choices: Sequence[str]) -> str:
    """The option's value, the first choice where it is not given.

    Raises:
        ValueError: it is none of them.
    """
    found = options.get(name, choices[0])
    if found not in choices:
        raise ValueError(f"option {name} is {found!r}: write one of {', '.join(choices)}")
    return str(found)


def number(options: Mapping[str, object], name: str, default: int, least: int = 0, most: int = 999) -> int:
    """The option's whole number.

    Raises:
        ValueError: it is none, or out of bounds.
    """
    found = options.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise ValueError(f"option {name} is {found!r}: write a whole number from {least} to {most}")
    return found


def places(options: Mapping[str, object], name: str) -> dict[str, str]:
    """A table that gives a device's own names their places.

    Raises:
        ValueError: it is no table of text.
    """
    found = options.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f'option {name} is {found!r}: write a table, such as {{ "Door" = "line:1" }}')
    return {str(key): value for key, value in found.items()}


class Letter(Sheet):
    """A sheet for one message of a device, and what the message says of itself; see `base.Pushed`."""

    def __init__(self, zone: ZoneInfo | None, now: float, options: Mapping[str, object], topic: str = "") -> None:
        super().__init__(zone, now, closed=False)
        self.options, self.topic = options, topic
        self.fingerprint = self.serial = ""
        self.clock: float | None = None
        self.sequence: tuple[str, int] | None = None
        self.again = False

    def settle(self) -> None:
        """One of several tellings of the same persons: intervals before single crossings before running totals."""
        self.place_local()
        told = {(place, metric) for place, metric, _ in self.rows}
        self.crossings = {key: row for key, row in self.crossings.items() if key[:2] not in told}
        told |= {(place, metric) for place, metric, _ in self.crossings}
        self.counters = {key: counter for key, counter in self.counters.items() if key not in told}

    def pushed(self) -> Pushed:
        """All that was found and counts."""
        self.settle()
        return Pushed(
            sorted(self.rows.values(), key=lambda row: row.start),
            list(self.crossings.values()),
            list(self.counters.values()),
            self.fingerprint,
            self.problems,
            self.serial[:64],
            self.clock,
            self.sequence,
            self.again,
        )


Read = Callable[[Letter, str], None]


def decoded(read: Read, body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """A recorded message for `decode`: its running totals are of the moment that the device's clock showed."""
    letter = Letter(zone, now, {})
    read(letter, text_of(body))
    letter.settle()
    if letter.clock is not None:
        letter.now = min(now, letter.clock)
    return of_kind(letter.history(pushed=True), kind)


class Sender:
    """A device of which nothing is asked: it sends."""

    def __init__(self, device: Device, read: Read) -> None:
        """Take the address as configured, although nothing is opened; ValueError says what is wrong with it."""
        Access(device)
        self.cadence: Mapping[Kind, float] = {}
        self._device, self._read = device, read

    async def history(self, kind: Kind, since: int, until: int) -> History:
        """Nothing can be asked."""
        raise Unsupported(f"it sends its counts; its {kind} from {since} to {until} cannot be asked for")

    async def counters(self) -> Sequence[Counter]:
        """Nothing can be asked."""
        raise Unsupported("it sends its counts; it cannot be asked for them")

    def receive(self, body: bytes, content_type: str, headers: Mapping[str, str]) -> Pushed:
        """One message; see `base.Listener`."""
        return received(self._device, self._read, body, content_type, headers)


def received(device: Device, read: Read, body: bytes, content_type: str, headers: Mapping[str, str]) -> Pushed:
    """One message of this device."""
    if len(body) > MAX_MESSAGE:
        raise Garbled(f"a message larger than {MAX_MESSAGE // 1024**2} MiB, of {content_type[:80]}")
    letter = Letter(device.zone, device.now(), device.options, headers.get("topic", ""))
    read(letter, text_of(body))
    return letter.pushed()
