"""What is no answer of a camera is refused with its place, whatever it is."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.drivers.base import Garbled, Kind
from agent.drivers.milesight import decode
from tests.drivers.answers import HEADER, LATER, LISBON, lines, read, values


@pytest.mark.parametrize("kind", [None, *Kind])
@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE html><html><title>Login</title></html>",
        "<?xml version='1.0'?><error/>",
        '{"error": "unauthorized"}',
        '{"data": "none"}',
        '{"data": [], "map_w": 0}',
        '{"data": [1, 2',
        "[" * 100_000,
        '{"data": [' + "{}," * 300_000 + "{}]}",
        '{"data": ' + "9" * 5000 + "}",
        "502 Bad Gateway",
        "error=1",
        "StartTime",
        "StartTime, EndTime",
        "StartTime, EndTime, Tolal - Sum",
        "StartTime, Tolal - In",
        "StartTime, EndTime, Tolal - In, Total - In",
        "\x00\x01\x02",
        "0",
    ],
)
def test_garbage(body, kind):
    """Pages, errors in JSON, messages, damage: nothing is made of them, and the reason has a line and a column."""

    with pytest.raises(Garbled, match=r"^line \d+, column \d+: ") as caught:
        read(body, kind)
    assert len(caught.value.raw) <= 2000


def test_other_kind():
    """A table of another kind than was asked for is not taken for it."""

    with pytest.raises(Garbled, match="no table of regions"):
        read(lines("2025/07/22 10:00:00,2025/07/22 10:59:59,12,9,21,12,9,21"), Kind.REGIONS)
    with pytest.raises(Garbled, match="JSON, where lines was expected"):
        read('{"data": []}', Kind.LINES)


def test_empty_without_kind():
    """An empty body is of no kind, so the kind has to be said."""

    with pytest.raises(Garbled, match="--kind"):
        read("")


def test_bad_points():
    """A point outside the map, or with no number, is a problem; the others stay."""

    points = [
        '{"x":63,"y":9,"value":2.5}',
        '{"x":64,"y":0,"value":1}',
        '{"x":0}',
        "7",
        "null",
        '{"x":0,"y":0,"value":NaN}',
        '{"x":0,"y":0,"value":0}',
    ]

    _, rows, problems = read(f'{{"map_w":64,"map_h":10,"data":[{",".join(points)}]}}')

    assert values(rows) == {("cell:31,9", "person_seconds"): 2.5}
    assert [problem[:7] for problem in problems] == [f"data[{n}]" for n in (1, 2, 3, 4, 5)]


WORDS = [
    *HEADER.split(" "),
    *("region1,", "Sum", "Value(s)", "StartTime,EndTime,Line1 - In\n", "2025/07/22 10:00:00,", "2025-10-26 01:59:59,"),
    *("12,", "-1,", "\n", "\r\n", '"', ";", "var current_in_count='5'", "=", "{", "[", "9" * 400, "\0", "\ufeff"),
    *('{"data":[', '{"x":1,"y":1,"value":3}', "]}"),
]
PIECES = st.lists(st.sampled_from(WORDS), max_size=30).map(lambda pieces: "".join(pieces).encode())


@settings(max_examples=300)
@given(st.one_of(st.binary(), PIECES), st.sampled_from([None, *Kind]), st.sampled_from([None, LISBON]))
@example(b"", None, None)
@example(b"\xff\xfe", Kind.COUNTERS, None)
def test_anything(body, kind, zone):
    """Whatever the bytes, `decode` reads them or says why not; what it reads is rows that may be stored."""

    try:
        found, history = decode(body, kind, zone, LATER)
    except Garbled:
        return
    assert kind in (None, found)
    for row in history.rows:
        assert row.start <= LATER
        assert isinstance(row.value, float)
        assert row.value >= 0
