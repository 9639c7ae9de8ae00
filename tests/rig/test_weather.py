"""The weather may repeat, delay and tear packets; it must never make a stream that is no MQTT."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.rig.weather import FOREIGN, Torn, Weather, renumbered, repeated, topic_of, whole_packets


def publish(topic: str, packet_id: int, payload: bytes = b"x") -> bytes:
    """A QoS 1 PUBLISH of MQTT 5 without properties."""
    body = len(topic).to_bytes(2, "big") + topic.encode() + packet_id.to_bytes(2, "big") + b"\0" + payload
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 0x80, len(body) // 128])
    return b"\x32" + length + body


PING = b"\xc0\0"
LONG = publish("s/d/batch", 7, b"y" * 5000)


def test_a_stream_is_cut_into_the_packets_it_was_made_of():
    """However the bytes come, whole packets come out and nothing is lost between them."""
    data = PING + LONG + publish("s/d/ack", 8) + PING
    packets, rest = [], b""
    for at in range(0, len(data), 7):
        more, rest = whole_packets(rest + data[at : at + 7])
        packets += more

    assert packets == [PING, LONG, publish("s/d/ack", 8), PING]
    assert rest == b""


def test_a_repeated_packet_is_marked_and_a_renumbered_one_keeps_the_rest():
    """A second copy says DUP; another packet id changes two bytes."""
    assert repeated(LONG)[0] == 0x3A
    assert topic_of(LONG) == b"s/d/batch"
    assert renumbered(LONG, 8) == publish("s/d/batch", 8, b"y" * 5000)


def stream(**shares: float):
    weather = Weather(Random(1))  # noqa: S311 - replayable
    vars(weather).update(shares)
    written: list[bytes] = []
    return weather, weather.stream(written.append, up=True), written


def test_only_messages_with_a_promise_are_touched():
    """Pings, and PUBLISHes of QoS 0, go through as they are."""
    _, line, _ = stream(repeats=1.0)
    unasked = b"\x30" + publish("s/d/live", 1)[1:]

    assert line.feed(PING + unasked) == PING + unasked
    assert line.feed(LONG) == LONG + repeated(LONG)


def test_a_torn_packet_ends_its_connection():
    """What came before it and half of it got through."""
    _, line, _ = stream(tears=1)

    with pytest.raises(Torn) as torn:
        line.feed(PING + LONG)
    assert torn.value.half == PING + LONG[: len(LONG) // 2]


async def test_a_late_packet_is_overtaken_and_arrives():
    """On its own connection while that is there, else on another one under a packet id nobody uses."""
    weather, line, written = stream(delays=1.0, latest=0.2)
    assert line.feed(LONG) == b""
    weather.calm()
    assert line.feed(publish("s/d/batch", 8)) == publish("s/d/batch", 8)
    while not written:  # noqa: ASYNC110 - the weather sets no event
        await asyncio.sleep(0.01)
    assert written == [LONG]

    weather.delays = 1.0
    assert line.feed(LONG) == b""
    weather.calm()
    later: list[bytes] = []
    line.end()
    weather.stream(later.append, up=True).feed(publish("s/d/batch", 1))
    while not later:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    assert later == [renumbered(repeated(LONG), FOREIGN + 1)]


def test_states_keep_their_order():
    """What MQTT promises for one topic is not taken away: a state is never overtaken by a later one."""
    _, line, _ = stream(delays=1.0, latest=0.1)

    assert line.feed(publish("hq/state", 3)) == publish("hq/state", 3)
