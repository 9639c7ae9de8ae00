import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import caps, wire
from agent.contract.observation import LedgerEntry, Observation, Origin, Quality

T0 = 1_790_000_000

OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        st.sampled_from(["door-1", "till"]),
        st.sampled_from(["line:1", "region:3", "sensor", "cell:3,4"]),
        st.sampled_from(["in", "out", "a_metric_of_tomorrow"]),
        st.integers(T0, T0 + 10**6),
        st.just(0),
        st.none() | st.integers(0, 10**6).map(float) | st.floats(0, 1e6),
        st.sampled_from(list(Origin)),
        st.integers(0, 63).map(Quality),
        *[st.none() | st.floats(0, 100)] * 3,
    ).map(lambda row: row._replace(end=row.start + 60)),
    max_size=60,
)


def head(seq, n, schema=wire.OBSERVATIONS):
    return {
        "v": 1,
        "id": wire.batch_id("pi", "e1", seq),
        "device": "pi",
        "epoch": "e1",
        "seq": seq,
        "void": [],
        "lane": "fresh",
        "boot": 1,
        "run": "r",
        "sent": "2026-11-20T07:15:02Z",
        "clock": {"sync": "ntp", "offset_ms": 12},
        "schema": schema,
        "layout": "1",
        "n": n,
        "tz": "UTC",
    }


def encoded(rows):
    seq = [(5, 4 + len(rows))] if rows else []
    return wire.encode(head(seq or [(5, 5)], len(rows)) | {"seq": seq}, *wire.observation_columns(rows))


def forged(change, *, crc=True):
    """A valid batch with its JSON changed, its CRC right again or not."""
    rows = [Observation("door", "line:1", "in", T0, T0 + 60, 3.0, Origin.LIVE, Quality.MEASURED)]
    found = json.loads(caps.inflate(encoded(rows)))
    del found["crc"]
    change(found)
    body = json.dumps(found)[:-1].encode()
    return body + f',"crc":"{zlib.crc32(body) if crc else 0:08x}"}}'.encode()


@given(OBSERVATIONS)
def test_what_is_encoded_is_read_back(rows):
    """Every row survives the wire with its number, withdrawals, bounds and unknown metrics included."""
    envelope = wire.open_envelope(encoded(rows))

    assert [n.observation for n in wire.read_observations(envelope)] == rows
    assert [n.number for n in wire.read_observations(envelope)] == list(range(5, 5 + len(rows)))


def test_the_same_batch_is_the_same_bytes():
    """A resend is recognised by its bytes: nothing in the encoding depends on when it is done."""
    rows = [Observation("door", "line:1", "in", T0 + 60 * i, T0 + 60 * i + 60, 3.0, Origin.LIVE, Quality.MEASURED)
            for i in range(200)]  # fmt: skip

    assert encoded(rows) == encoded(rows)
    assert encoded(rows).startswith(caps.GZIP)


def test_ledger_entries_travel_with_the_numbers_given_up():
    """A gap names its sensor, its stretch, its reason, and the rows that were dropped."""
    entries = [LedgerEntry("door", T0, T0 + 60, "lost", "the buffer is full", ((3, 9), (12, 12)))]
    payload = wire.encode(head([(7, 7)], 1, wire.LEDGER), *wire.ledger_columns(entries))

    assert wire.read_ledger(wire.open_envelope(payload)) == [(7, entries[0])]


def test_a_real_looking_batch_is_below_six_bytes_a_row():
    """1,000 rows of five sensors' minutes; the target of targets.md."""
    rows = [
        Observation(f"s{s}", f"line:{line}", metric, T0 + 60 * t, T0 + 60 * t + 60, float((t * 7 + s * line) % 5),
                    Origin.LIVE, Quality.MEASURED)
        for t in range(25) for s in range(5) for line in range(1, 5) for metric in ("in", "out")
    ]  # fmt: skip

    assert len(encoded(rows)) / len(rows) < 6


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f["cols"].update(x=[1, 2]), "cols.x has 2 entries"),
        (lambda f: f["cols"].update(s=[9]), "outside the dictionary"),
        (lambda f: f["cols"].pop("d"), "cols.d"),
        (lambda f: f["cols"].update(d=[0]), "empty or longer"),
        (lambda f: f["cols"].update(o=[9]), "9 is not a valid Origin"),
        (lambda f: f["cols"].update(q=[1024]), "cols.q"),
        (lambda f: f["cols"].update(q=[-1]), "cols.q"),
        (lambda f: f["dict"].update(place=["kitchen"]), "place 'kitchen'"),
        (lambda f: f.update(n=2), "n says 2"),
        (lambda f: f.update(seq=[[9, 5]]), "not ascending"),
        (lambda f: f.update(v=2), "v:"),
        (lambda f: f["cols"].update(t0=10**30), "t0"),
        (lambda f: f["dict"].update(sensor=["../../etc"]), "dict.sensor"),
        (lambda f: f.update(cols={"deep": [[[[[[[[[[1]]]]]]]]]]}), "nested deeper"),
    ],
)
def test_what_breaks_the_contract_says_where(change, says):
    """A rejected batch names the field, so that somebody can mend what made it."""
    with pytest.raises(caps.WireError, match=says):
        wire.read_observations(wire.open_envelope(forged(change)))


def test_damage_on_the_way_is_found():
    """One flipped bit anywhere in the plain bytes fails the CRC or the JSON, never changes a number."""
    good = bytearray(caps.inflate(encoded([Observation("door", "line:1", "in", T0, T0 + 60, 3.0, Origin.LIVE,
                                                       Quality.MEASURED)])))  # fmt: skip
    for at in range(len(good)):
        good[at] ^= 4
        with pytest.raises(caps.WireError):
            wire.open_envelope(bytes(good))
        good[at] ^= 4


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"1e999"])
def test_numbers_json_does_not_have_are_refused(text):
    """NaN is no observation; absent is null."""
    body = caps.inflate(forged(lambda _: None)).replace(b'"x": [3]', b'"x": [' + text + b"]").rpartition(b',"crc"')[0]

    with pytest.raises(caps.WireError):
        wire.read_observations(wire.open_envelope(body + f',"crc":"{zlib.crc32(body):08x}"}}'.encode()))


def test_a_bomb_is_refused_within_its_budget():
    """32 kB that inflate to 32 MB cost no more than the cap."""
    with pytest.raises(caps.WireError, match="inflates beyond"):
        caps.inflate(gzip.compress(b"0" * 32 * 1024 * 1024))
    with pytest.raises(caps.WireError, match="more than the"):
        caps.inflate(b"x" * (caps.MAX_BYTES + 1))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_nothing_else(payload):
    """Whatever comes, the answer is a WireError."""
    with pytest.raises(caps.WireError):
        wire.open_envelope(payload)


@pytest.mark.parametrize("text", ["[[[[[[[[[[", '\\"[{]}', "\\\\", "{"])
def test_brackets_within_words_make_no_depth(text):
    """Words may hold brackets, quotes and backslashes; only what nests is deep."""
    assert caps.parse_json(json.dumps({"a": [text, {"b": [text]}]}).encode()) == {"a": [text, {"b": [text]}]}
    with pytest.raises(caps.WireError, match="nested deeper"):
        caps.parse_json(json.dumps({"a": [text, [[[[[[[[]]]]]]]]]}).encode())


def test_hostile_depth_is_refused():
    """A hundred thousand brackets do not end the process."""
    with pytest.raises(caps.WireError):
        caps.parse_json(b"[" * 100_000)
