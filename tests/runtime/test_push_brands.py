"""Every brand that sends: its recorded messages through the port of a real agent, and what of them is stored."""

import base64
from pathlib import Path

import pytest

from agent.contract.observation import Origin
from agent.drivers.reading.brands import brand
from agent.drivers.reading.decoded import unwrapped
from tests.runtime.sending import Agent, now_minute, periodic, trigger

pytestmark = pytest.mark.timeout(120)

DATA = Path(__file__).parents[1] / "data"
SENT = {
    "milesight-nested": ("milesight", 'family = "push"', "milesight_vs125_periodic_multi_VENDORSAMPLE_20240530.json"),
    "milesight-flat": ("milesight", 'family = "push"', "milesight_vs135_flat_periodic_RECONSTRUCTED.json"),
    "milesight-stays": ("milesight", 'family = "push"', "milesight_vs125_dwell_trigger_VENDORSAMPLE_20240530.json"),
    "milesight-regions": ("milesight", 'family = "push"', "milesight_vs121p_interval_VENDORDOC.json"),
    "axis": ("axis", 'application = "3d"', "axis_retail_data_push_RECONSTRUCTED.json"),
    "hikvision": ("hikvision", "", "hikvision_event_timerange_v1_RECONSTRUCTED.xml"),
    "xovis-5": ("xovis", "", "xovis_v5_push_03_summated_logic_DEVICE.json"),
    "xovis-queue": ("xovis", "", "xovis_v5_push_10_logic_queue_statistic_DEVICE.json"),
    "xovis-4": ("xovis", "", "xovis_v4_line_count_RECONSTRUCTED.json"),
    "xovis-events": ("xovis", "", "xovis_v4_push_01_event_sensor_DEVICE.json"),
    "vivotek": ("vivotek", "", "vivotek_sc8131_report_push_VENDORDOC.csv"),
}
PICTURE = base64.b64encode(b"\xff\xd8\xff\xe0 the face of a shopper " * 400).decode()
PERSON = "canary-person-48151623"


def body_of(driver, file):
    return unwrapped((DATA / driver / file).read_bytes())


def expected(driver, body):
    """By `decode`, in the agent's minutes: sums of what adds up, and how many other values."""
    rows = brand(driver).decode(body, None, None, 4e9)[1].rows
    by_line = {(row.metric, row.start) for row in rows if row.place.startswith("line:")}
    kept = {}
    for row in rows:
        if row.end == row.start and row.metric in {"in", "out"}:
            continue  # a running total: the next one makes a difference
        if row.place == "sensor" and (row.metric, row.start) in by_line:
            continue
        start = row.start if row.end > row.start else row.start // 60 * 60
        kept.setdefault((row.place, row.metric, start), []).append(row.value)
    return kept


async def test_what_each_brand_sends_is_what_is_stored(tmp_path):
    """Line by line what `decode` says, with origin `push`; sent twice it is there once; the past is said to be late."""
    async with Agent(tmp_path, {name: (driver, options) for name, (driver, options, _) in SENT.items()}) as agent:
        for name, (driver, _, file) in SENT.items():
            for _ in range(2):
                assert await agent.post(name, body_of(driver, file)) == 200, name
        stored = agent.rows(Origin.PUSH)

    for name, (driver, _, file) in SENT.items():
        told = expected(driver, body_of(driver, file))
        mine = {key[1:]: row for key, row in stored.items() if key[0] == name}
        assert told, name
        assert mine.keys() == told.keys(), name
        for key, values in told.items():
            assert min(values) <= mine[key][1] <= sum(values), (name, key)
            assert len(values) > 1 or mine[key][1] == values[0], (name, key)


async def test_no_picture_and_no_person_is_stored(tmp_path):
    """What a camera sends beside its counts is in no file of the agent: not in the buffer, its journal, or the log."""
    minute = now_minute()
    message = trigger(minute + 1, snapshot=PICTURE, people_id=PERSON) | {
        "region_trigger_data": {
            "dwell_time_data": [{"region": 1, "duration": 9000, "people_id": PERSON, "region_name": PERSON}]
        }
    }
    garbled = f'{{"event": "Region People Counting", "snapshot": "{PICTURE}", "people_id": "{PERSON}"'.encode()
    async with Agent(tmp_path, {"door": ("milesight", 'family = "push"')}) as agent:
        assert await agent.post("door", message) == 200
        assert await agent.post("door", message | {"isRetransmission": True}) == 200
        assert await agent.post("door", periodic(minute - 60, 1, 1) | {"snapshot": PICTURE}) == 200
        assert await agent.post("door", garbled) == 400
        counted = sorted(key[2] for key in agent.rows())
        await agent.process.stop()
    found = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    assert counted == ["dwell_mean", "in", "in", "out"]
    for name, content in found.items():
        for piece in (PERSON.encode(), PICTURE[:60].encode(), PICTURE[200:260].encode()):
            assert piece not in content, (name, content[max(0, content.find(piece) - 300) :][:400])
