"""Whatever the bytes, every brand reads them or says why not; what it reads may be stored."""

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.contract.metrics import METRICS
from agent.contract.observation import is_place
from agent.drivers.base import Garbled, Kind
from agent.drivers.reading.brands import brand, brands
from agent.drivers.reading.decoded import observations, unwrapped
from tests.drivers.answers import LATER, LISBON
from tests.drivers.conftest import DATA

SEEDS = {
    name: [unwrapped(path.read_bytes()) for path in sorted((DATA / name).iterdir()) if path.stat().st_size < 5000]
    for name in brands()
}
WORDS = [
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"<",
    b">",
    b"/",
    b"&",
    b"\r",
    b"\n",
    b"\0",
    b"\xff",
    b"=",
    b"+++\n",
]
WORDS += [
    b"-1",
    b"NaN",
    b"1e999",
    b"9" * 400,
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"2025-10-26T01:30:00",
    b"<!DOCTYPE a>",
    b"Z",
]
ODD = [
    None,
    True,
    [],
    {},
    -1,
    1.5,
    1e300,
    "",
    "x",
    "9" * 30,
    "2025-10-26 01:30:00",
    [[]],
    2**70,
    10**400,
    float("nan"),
    "\ud800",
]


@st.composite
def damaged(draw, name):
    """A recorded answer with a few places cut, doubled, or written over."""
    body = bytearray(draw(st.sampled_from(SEEDS[name])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(body) - 1)))
        until = min(len(body), at + draw(st.integers(0, 30)))
        body[at:until] = draw(st.sampled_from([*WORDS, bytes(body[at:until]) * 2]))
    return bytes(body)


@st.composite
def twisted(draw, name):
    """A recorded answer of JSON in which some values are of another kind than they should be."""
    found = [seed for seed in SEEDS[name] if seed.lstrip()[:1] in {b"{", b"["}]
    if not found:
        return draw(damaged(name))
    left = draw(st.integers(1, 4))

    def twist(part):
        nonlocal left
        if left and draw(st.integers(0, 9)) == 0:
            left -= 1
            return draw(st.sampled_from(ODD))
        if isinstance(part, dict):
            return {key: twist(value) for key, value in part.items()}
        return [twist(one) for one in part] if isinstance(part, list) else part

    return json.dumps(twist(json.loads(draw(st.sampled_from(found))))).encode()


@pytest.mark.parametrize("name", brands())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_anything(name, data):
    """Only `Garbled` is raised; rows are of places and metrics that exist, with finite values from zero."""

    body = data.draw(st.one_of(damaged(name), twisted(name), st.binary(max_size=200)))
    kind = data.draw(st.sampled_from([None, None, *Kind]))
    zone = data.draw(st.sampled_from([LISBON, None]))
    try:
        found, history = brand(name).decode(body, kind, zone, LATER)
    except Garbled:
        return
    assert kind in (None, found)
    for row in history.rows:
        assert row.metric in METRICS
        assert is_place(row.place)
        assert math.isfinite(row.value)
        assert row.value >= 0
        assert 0 <= row.end - row.start <= 25 * 3600
    json.dumps(observations(name, body, kind, zone, LATER)[0])


@pytest.mark.parametrize("name", ["xovis", "vivotek", "onvif", "hikvision", "axis", "milesight"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_any_message(rig, name, data):
    """The same of messages: whatever is sent is `Garbled`, or rows that may be stored."""

    options = {"family": "push"} if name == "milesight" else {}
    driver = brand(name).open_driver(await rig.device("192.0.2.10", **options))
    body = data.draw(st.one_of(damaged(name), twisted(name)))
    try:
        found = driver.receive(body, "application/json", {"topic": data.draw(st.sampled_from(["", "a/b", "x" * 999]))})
    except Garbled:
        return
    assert found.fingerprint
    for row in [*found.rows, *found.crossings]:
        assert is_place(row.place)
        assert 0 <= row.value < math.inf
