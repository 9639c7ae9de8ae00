"""Weather on a line: whole MQTT packets come twice, late, out of order or torn, as lines and brokers do at QoS 1."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

PUBLISH, QOS1, DUP = 3, 0x02, 0x08
FOREIGN = 60_000  # packet ids from here on are the weather's: clients count from 1 and never get there in a campaign
# What may be overtaken: each message here stands for itself. The order of states on one topic is MQTT's promise.
UNORDERED = (b"/batch", b"/backlog", b"/ack")


class Torn(ConnectionError):
    """The line broke in the middle of a packet; `half` is what still got through."""

    def __init__(self, half: bytes) -> None:
        super().__init__("torn in the middle of a packet")
        self.half = half


class Weather:
    """What befalls the QoS 1 PUBLISH packets of a line, in shares of them; all zero is a quiet day."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.repeats = 0.0  # share that comes twice, the second time marked DUP
        self.delays = 0.0  # share that comes later than what was sent after it
        self.latest = 0.0  # seconds that it is late at most
        self.tears = 0  # so many of the next packets are torn, each with its connection
        self.counts = {"repeated": 0, "late": 0, "torn": 0}
        self._open: dict[bool, list[Stream]] = {True: [], False: []}
        self._foreign = FOREIGN

    def calm(self) -> None:
        """Nothing befalls the packets that come now; those that are under way still arrive late."""
        self.repeats, self.delays, self.tears = 0.0, 0.0, 0

    def stream(self, write: Callable[[bytes], None], *, up: bool) -> Stream:
        """One direction of one new connection."""
        return Stream(self, write, up=up)

    def befall(self, packet: bytes, stream: Stream) -> bytes:
        """What of a PUBLISH goes on now.

        Raises:
            Torn: the connection has to end here.
        """
        if self.tears:
            self.tears -= 1
            self.counts["torn"] += 1
            raise Torn(packet[: len(packet) // 2])
        if self.random.random() < self.delays and topic_of(packet).endswith(UNORDERED):
            self.counts["late"] += 1
            after = self.random.uniform(0.1, self.latest)
            asyncio.get_running_loop().call_later(after, self._arrive, packet, stream)
            return b""
        if self.random.random() < self.repeats:
            self.counts["repeated"] += 1
            return packet + repeated(packet)
        return packet

    def entered(self, stream: Stream) -> None:
        """A connection carried its first PUBLISH, so others may be put into it."""
        self._open[stream.up].append(stream)

    def left(self, stream: Stream) -> None:
        """A connection ended."""
        if stream in self._open[stream.up]:
            self._open[stream.up].remove(stream)

    def _arrive(self, packet: bytes, stream: Stream) -> None:
        """Late, on the connection it was sent on or on whichever is there by now."""
        there = self._open[stream.up]
        if stream in there:
            stream.write(packet)
        elif there:
            self._foreign = FOREIGN + (self._foreign - FOREIGN + 1) % 5000
            there[-1].write(renumbered(repeated(packet), self._foreign))


class Stream:
    """One direction of one connection, as whole packets."""

    def __init__(self, weather: Weather, write: Callable[[bytes], None], *, up: bool) -> None:
        self.write, self.up = write, up
        self._weather = weather
        self._rest = b""
        self._entered = False

    def feed(self, chunk: bytes) -> bytes:
        """What goes on of the bytes that came; a packet that is not whole yet waits for the rest of it.

        Raises:
            Torn: the connection has to end here.
        """
        packets, self._rest = whole_packets(self._rest + chunk)
        out = b""
        for packet in packets:
            if packet[0] >> 4 != PUBLISH or not packet[0] & QOS1:
                out += packet
                continue
            if not self._entered:
                self._entered = True
                self._weather.entered(self)
            try:
                out += self._weather.befall(packet, self)
            except Torn as torn:
                raise Torn(out + torn.half) from None
        return out

    def end(self) -> None:
        """The connection ended."""
        self._weather.left(self)


def whole_packets(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole MQTT packets at the beginning of the data, and what is left."""
    packets, at = [], 0
    while (end := _end_of(data, at)) is not None:
        packets.append(data[at:end])
        at = end
    return packets, data[at:]


def _end_of(data: bytes, at: int) -> int | None:
    length, shift = 0, 0
    for position in range(at + 1, min(at + 5, len(data))):
        length |= (data[position] & 0x7F) << shift
        shift += 7
        if not data[position] & 0x80:
            end = position + 1 + length
            return end if end <= len(data) else None
    return None


def _body(packet: bytes) -> int:
    """Where the variable header begins."""
    return next(position for position in range(1, 5) if not packet[position] & 0x80) + 1


def topic_of(packet: bytes) -> bytes:
    """The topic of a PUBLISH."""
    at = _body(packet)
    return packet[at + 2 : at + 2 + int.from_bytes(packet[at : at + 2], "big")]


def repeated(packet: bytes) -> bytes:
    """A PUBLISH marked as one that was perhaps sent before."""
    return bytes([packet[0] | DUP]) + packet[1:]


def renumbered(packet: bytes, number: int) -> bytes:
    """A PUBLISH with another packet id."""
    at = _body(packet) + 2 + len(topic_of(packet))
    return packet[:at] + number.to_bytes(2, "big") + packet[at + 2 :]
