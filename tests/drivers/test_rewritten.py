"""Messages written from the vendors' descriptions: another order, fields nobody knows, optional ones missing."""

import json
import random

import pytest

from agent.drivers.base import Garbled
from tests.drivers.answers import counts, listener, shown

XOVIS = {
    "logics_data": {
        "package_info": {"version": "5.0", "id": 71, "agent_id": 1001},
        "sensor_info": {"serial_number": "00:6E:02:00:00:01", "type": "SINGLE_SENSOR"},
        "logics": [
            {
                "id": 3,
                "name": "Door",
                "info": "XLT_LINE_IN_OUT_COUNT",
                "geometries": [{"id": 2, "type": "LINE", "name": "Line 0"}],
                "records": [
                    {
                        "from": 1783497240000,
                        "to": 1783497300000,
                        "samples": 5,
                        "samples_expected": 5,
                        "counts": [
                            {"id": 6, "name": "fw", "value": 4},
                            {"id": 7, "name": "bw", "value": 1},
                            {"id": 8, "name": "balance", "value": 3},
                            {"id": 9, "name": "fw-male", "value": 2},
                        ],
                    }
                ],
            }
        ],
    }
}
LINE = {"line": 2, "line_name": "Door", "line_uuid": "00000000-0000-4000-8000-000000000001"}
MILESIGHT = {
    "device_info": {"device_sn": "6767E00000000021", "device_mac": "24:E1:24:00:00:01", "running_time": 1325},
    "line_periodic_data": [{**LINE, "total": {"in": 4, "out": 1}, "children": {"in": 1, "out": 0}}],
    "line_total_data": [{**LINE, "total": {"in_counted": 912, "out_counted": 914, "capacity_counted": -2}}],
    "time_info": {"start_time": "2025-07-16T06:40:00+01:00", "end_time": "2025-07-16T06:41:00+01:00"},
}
AXIS = {
    "apiName": "Axis Retail Data",
    "utcSent": "2025-05-22T08:15:38Z",
    "data": {
        "utcFrom": "2025-05-22T08:14:00Z",
        "utcTo": "2025-05-22T08:15:00Z",
        "measurements": [
            {"kind": "people-counts", "items": [{"direction": "in", "count": 4}, {"direction": "out", "count": 1}]}
        ],
    },
    "sensor": {"serial": "b8a44f000001", "timeZone": "Europe/Zurich"},
}
ONVIF = {
    "UtcTime": "2025-07-06T08:15:00Z",
    "Source": {"VideoSourceConfigurationToken": "VSC1", "Rule": "Gate 2 Out"},
    "Data": {"Count": 41},
}
HANWHA = {
    "PeopleCount": [{"Channel": 0, "Lines": [{"LineIndex": 1, "Name": "Gate1", "InCount": 4, "OutCount": 1}]}],
}
DAHUA = {
    "id": 9,
    "result": True,
    "params": {
        "found": 1,
        "info": [
            {
                "Channel": 0,
                "AreaID": 1,
                "EnteredSubtotal": 4,
                "ExitedSubtotal": 1,
                "PassbyTotal": 7,
                "StartTime": "2025-07-06 08:00:00",
                "EndTime": "2025-07-06 08:59:59",
            }
        ],
    },
}
MESSAGES = [
    ("xovis", XOVIS, [("line:3", "in", 4), ("line:3", "out", 1)]),
    ("milesight", MILESIGHT, [("line:2", "in", 4), ("line:2", "out", 1)]),
    ("axis", AXIS, [("line:1", "in", 4), ("line:1", "out", 1)]),
    ("onvif", ONVIF, [("line:2", "out", 41)]),
    ("hanwha", HANWHA, [("line:1", "in", 4), ("line:1", "out", 1)]),
    ("dahua", DAHUA, [("line:1", "in", 4), ("line:1", "out", 1)]),
]
OPTIONAL = {
    *("package_info", "sensor_info", "geometries", "samples", "samples_expected", "name", "id", "version"),
    *("device_mac", "running_time", "line_name", "line_uuid", "children", "line_total_data", "device_info"),
    *("apiName", "sensor", "VideoSourceConfigurationToken", "Channel", "Name", "PassbyTotal", "found", "result"),
}
KEEP = {("xovis", "name"), ("xovis", "id")}


def rewritten(found, dice, *, brand="", without=False):
    """The same message in another order, with more in it; `without` leaves out what is optional."""
    if isinstance(found, list):
        return [rewritten(one, dice, brand=brand, without=without) for one in found]
    if not isinstance(found, dict):
        return found
    parts = [
        (key, rewritten(part, dice, brand=brand, without=without))
        for key, part in found.items()
        if not (without and key in OPTIONAL and (brand, key) not in KEEP)
    ]
    parts += [(f"x_{dice.randrange(99)}", dice.choice([None, True, [], {"in": 7}, "in", 3.5]))]
    dice.shuffle(parts)
    return dict(parts)


@pytest.mark.parametrize(("name", "message", "expected"), MESSAGES, ids=[name for name, *_ in MESSAGES])
@pytest.mark.parametrize("without", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_another_order(name, message, expected, without, seed):
    """The order of fields means nothing, unknown fields are left alone, and what may be missing may be missing."""

    dice = random.Random(seed)  # noqa: S311 - the same shuffle in every run
    body = json.dumps(rewritten(message, dice, brand=name, without=without))

    assert sorted(counts(name, body)) == expected


def test_hikvision_in_another_order():
    """XML: elements in another order, elements nobody knows, and optional ones missing."""

    body = (
        "<EventNotificationAlert><peopleCounting><exit>5</exit><colour>red</colour><TimeRange><endTime>"
        "2025-07-08T12:30:00+08:00</endTime><startTime>2025-07-08T12:15:00+08:00</startTime></TimeRange>"
        "<enter>7</enter></peopleCounting><eventType>PeopleCounting</eventType></EventNotificationAlert>"
    )

    assert shown("hikvision", body) == (
        [
            ("line:1", "in", 7, "2025-07-08T04:15:00Z", "2025-07-08T04:30:00Z"),
            ("line:1", "out", 5, "2025-07-08T04:15:00Z", "2025-07-08T04:30:00Z"),
        ],
        [],
    )


def test_alert_stream():
    """A piece of an alert stream: parts with headers, and other events; what is cut off is left for later."""

    def alert(more, kind="PeopleCounting"):
        return (
            "--boundary\r\nContent-Type: application/xml\r\nContent-Length: 99\r\n\r\n"
            f"<EventNotificationAlert><eventType>{kind}</eventType>{more}</EventNotificationAlert>\r\n"
        )

    count = "<peopleCounting><enter>7</enter><exit>5</exit></peopleCounting>"
    body = alert("", "videoloss") + alert(count) + "--boundary\r\n\r\n<EventNotificationAlert><eventTy"

    assert counts("hikvision", body) == [("line:1", "in", 7), ("line:1", "out", 5)]


def test_vivotek_in_another_order():
    """Columns in another order and unknown ones; in lite mode a rule that counted nobody is not there."""

    body = (
        "MacAddress,UtcTime,Firmware\n00:02:D1:00:00:01,2025-05-28T06:30:01Z,9\n\n"
        "EndTime,Out,RuleName,Extra,In,RuleType,StartTime\n"
        "2025-05-28T06:30:00Z,2,Counting3,,1,Counting,2025-05-28T06:15:00Z\n"
    )

    assert counts("vivotek", body) == [("line:3", "in", 1), ("line:3", "out", 2)]


async def test_a_rule_by_name(rig):
    """A rule whose name ends in no number gets its line from the configuration, also where others are left out."""

    rules = {"Main door": "line:1", "Back door": "line:2"}
    driver = await listener(rig, "vivotek", rules=rules)
    times = "2025-05-28T06:15:00Z,2025-05-28T06:30:00Z"
    body = f"RuleType,RuleName,In,Out,StartTime,EndTime\nCounting,Back door,1,2,{times}\n".encode()

    found = driver.receive(body, "text/csv", {})

    assert {row.place for row in found.rows} == {"line:2"}


def xovis(**record):
    message = json.loads(json.dumps(XOVIS))
    message["logics_data"]["logics"][0]["records"][0] |= record
    return json.dumps(message)


async def test_less_watched_than_expected(rig):
    """A record of fewer samples than expected is partial; one of none is a gap, whatever its zeros say."""

    driver = await listener(rig, "xovis")

    def rows(**record):
        return driver.receive(xovis(**record).encode(), "application/json", {}).rows

    assert {row.partial for row in rows()} == {False}
    assert {row.partial for row in rows(samples=3)} == {True}
    assert rows(samples=0) == []
    assert len(rows(samples=0, samples_expected=0)) == 2


async def test_package_numbers(rig):
    """Packages are numbered by stream, so that a missing one shows; the sensor says who it is."""

    found = (await listener(rig, "xovis")).receive(xovis().encode(), "application/json", {})

    assert (found.sequence, found.serial) == (("1001", 71), "00:6E:02:00:00:01")
    assert found.clock == 1783497300


async def test_two_logics_on_one_place(rig):
    """Two logics that would have one place are a problem that says what to do, and the option mends it."""

    message = json.loads(xovis())
    logics = message["logics_data"]["logics"]
    logics.append({**logics[0], "id": 1003, "name": "Back"})
    body = json.dumps(message).encode()

    found = (await listener(rig, "xovis")).receive(body, "", {})
    assert (len(found.rows), len(found.problems)) == (2, 2)
    assert "places" in str(found.problems[0])
    found = (await listener(rig, "xovis", places={"Back": "line:9"})).receive(body, "", {})
    assert {row.place for row in found.rows} == {"line:3", "line:9"}


@pytest.mark.parametrize(("unit", "seconds"), [("seconds", 2.5), (None, 2.5), ("ms", 0.0025), ("minutes", 150)])
def test_units_of_a_wait(unit, seconds):
    """A wait is told in seconds, whatever its unit."""

    count = {"name": "queueing-time", "value": 2.5, **({"unit": unit} if unit else {})}
    message = json.loads(xovis(counts=[count]))
    message["logics_data"]["logics"][0]["info"] = "XLT_QUEUE_STATISTICS"

    assert counts("xovis", json.dumps(message)) == [("region:3", "queue_wait", seconds)]


def test_unknown_unit():
    """A wait in a unit nobody knows is refused."""

    message = json.loads(xovis(counts=[{"name": "queueing-time", "value": 2.5, "unit": "furlongs"}]))
    message["logics_data"]["logics"][0]["info"] = "XLT_QUEUE_STATISTICS"

    told, problems = shown("xovis", json.dumps(message))

    assert told == []
    assert "'furlongs'" in problems[0]


async def test_onvif_topic_of_mqtt(rig):
    """The topic of MQTT says what a message is about; a crossing adds one, and other topics count nobody."""

    driver = await listener(rig, "onvif", rules={"Gate 2 Out": "line:7 in"})
    topic = "door/onvif-ej/{}/VSC1/VAC1/Gate 2 Out"
    crossing = json.dumps({**ONVIF, "Data": {"ObjectId": "17"}}).encode()

    def received(name, body):
        return driver.receive(body, "application/json", {"topic": topic.format(name)})

    found = received("RuleEngine/CountAggregation/Counter", json.dumps(ONVIF).encode())
    assert [tuple(one) for one in found.counters] == [("line:7", "in", 41)]
    assert [row[:5] for row in received("RuleEngine/LineDetector/Crossed", crossing).crossings] == [
        ("line:7", "in", 1751789700, 1751789760, 1.0)
    ]
    nothing = received("RuleEngine/CellMotionDetector/Motion", crossing)
    assert (nothing.rows, nothing.crossings, nothing.counters) == ([], [], [])


async def test_privacy(rig):
    """Pictures and the ids of persons are in nothing that leaves the reader, not even in a problem."""

    driver = await listener(rig, "milesight", family="push")
    stays = [{"duration": 96799, "people_id": 987654321, "region": 1, "dwell_end_time": "2025-05-30T20:12:20+08:00"}]
    body = {
        "snapshot": "/9j/CANARY",
        "device_info": {"device_sn": "1"},
        "region_trigger_data": {"dwell_time_data": [*stays, {**stays[0], "duration": "x"}]},
        "time_info": {"time": "2025-05-30T20:12:20+08:00"},
    }

    found = driver.receive(json.dumps(body).encode(), "application/json", {})

    assert [row.value for row in found.rows] == [96.799]
    said = repr(found) + "".join(problem.raw for problem in found.problems)
    assert len(found.problems) == 1
    assert "CANARY" not in said
    assert "987654321" not in said


async def test_too_large(rig):
    """A message above 4 MiB is refused before it is read."""

    with pytest.raises(Garbled, match="4 MiB"):
        (await listener(rig, "xovis")).receive(b" " * (4 * 1024**2 + 1), "application/json", {})
