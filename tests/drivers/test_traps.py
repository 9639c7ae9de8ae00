"""The traps of the list of wire formats that are not about Milesight's tables, by their numbers."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web

from agent.drivers.base import Garbled, Kind, Unreachable
from agent.drivers.reading.brands import brand, brands
from agent.drivers.reading.fetch import Access
from agent.drivers.reading.values import posix_offset
from tests.drivers.answers import counts, listener, read, shown, values

VS125 = {
    "device_info": {"device_sn": "6384E1", "running_time": 106},
    "time_info": {"start_time": "2025-05-30T20:20:00+08:00", "end_time": "2025-05-30T20:21:00+08:00"},
}
TRIGGER = {"device_info": VS125["device_info"], "time_info": {"time": "2025-05-30T20:20:31+08:00"}}


def sent(base, **sections):
    return json.dumps({**base, **sections})


async def pushed(rig, name, body):
    options = {"family": "push"} if name == "milesight" else {}
    return (await listener(rig, name, **options)).receive(body.encode(), "application/json", {})


def test_every_trap_has_its_test():
    """28 traps, each with a test that is named after it."""

    named = {
        int(number)
        for path in Path(__file__).parent.glob("test_*.py")
        for number in re.findall(r"def test_(?:quirk|trap)_(\d+)", path.read_text())
    }

    assert named == set(range(1, 29))


def test_trap_12_region_counts_are_visits():
    """What a camera's regions count are visits in the hour, and nobody's presence."""

    _, rows, _ = read("StartTime,EndTime,region1\n2025/07/22 10:00:00,2025/07/22 10:59:59,1344\n")

    assert values(rows) == {("region:1", "visits"): 1344}


async def test_trap_14_bad_gateway(rig):
    """A status of 502 is a camera that does not answer now, not a model that lacks it."""

    async def answer(_):
        return web.Response(status=502)

    with pytest.raises(Unreachable, match="502"):
        await Access(await rig.device(await rig.serve(answer))).get("/dataloader.cgi?dw=spaceheatmap")


async def test_trap_15_heat_scale(rig):
    """Some models tell tenths of a second: the scale is set for each camera."""

    async def answer(_):
        return web.Response(text="StartTime,EndTime,Value(s)\n2025-07-22 10:00:00,2025-07-22 10:59:59,174260\n")

    device = await rig.device(await rig.serve(answer), heat_scale=0.1)
    history = await brand("milesight").open_driver(device).history(Kind.HEAT, 1_753_171_200, 1_753_178_400)

    assert [row.value for row in history.rows] == [17426]


def test_trap_16_nested_and_flat():
    """VS125's counts lie in `total`, VS135's beside the line: both are the same counts."""

    nested = sent(VS125, line_periodic_data=[{"line": 1, "total": {"in": 3, "out": 2}, "group": {"in": 1, "out": 1}}])
    flat = sent(VS125, line_periodic_data=[{"line": 1, "in": 3, "out": 2}])

    assert counts("milesight", nested) == counts("milesight", flat) == [("line:1", "in", 3), ("line:1", "out", 2)]


@pytest.mark.parametrize("capacity", [-7141, -1, 0])
def test_trap_17_negative_capacity(capacity):
    """A capacity below zero neither counts nor spoils the totals beside it."""

    total = {"in_counted": 20, "out_counted": 7161, "capacity_counted": capacity}
    expected = [("line:1", "in", 20), ("line:1", "out", 7161)]

    assert counts("milesight", sent(VS125, line_total_data=[{"line": 1, "total": total}])) == expected
    assert counts("milesight", sent(VS125, line_total_data=[{"line": 1, **total}])) == expected


def test_trap_18_two_lines_of_one_name():
    """Two lines with the same name and uuid are two lines: their numbers tell them apart."""

    same = {"line_name": "Door", "line_uuid": "9a0440de-3188-4f6d-b886-bb20c97bd26b"}
    body = sent(VS125, line_periodic_data=[{"line": n, **same, "total": {"in": n, "out": 0}} for n in (1, 2)])

    assert counts("milesight", body)[::2] == [("line:1", "in", 1), ("line:2", "in", 2)]


async def test_trap_19_one_of_three_tellings(rig):
    """Crossings, periods and totals of one line in one message count once, the periods before the rest."""

    line = {"line": 1, "total": {"in": 4, "out": 1}}
    total = {"line": 1, "total": {"in_counted": 904, "out_counted": 801}}
    everything = sent(VS125, line_periodic_data=[line], line_trigger_data=[line], line_total_data=[total])
    found = await pushed(rig, "milesight", everything)

    assert [(row.metric, row.value) for row in found.rows] == [("in", 4), ("out", 1)]
    assert (list(found.crossings), list(found.counters)) == ([], [])
    found = await pushed(rig, "milesight", sent(TRIGGER, line_trigger_data=[line], line_total_data=[total]))
    assert [(row.metric, row.value, row.end - row.start) for row in found.crossings] == [("in", 4, 60), ("out", 1, 60)]
    assert (list(found.rows), list(found.counters)) == ([], [])


async def test_trap_19_sent_again(rig):
    """A message that is sent again has the fingerprint of the first, although it says so and its clock went on."""

    line = [{"line": 1, "total": {"in": 27, "out": 27}}]
    first = await pushed(rig, "milesight", sent(TRIGGER, line_trigger_data=line))
    again = {**TRIGGER, "device_info": {"device_sn": "6384E1", "running_time": 166}, "isRetransmission": True}
    second = await pushed(rig, "milesight", sent(again, line_trigger_data=line))
    other = await pushed(rig, "milesight", sent(TRIGGER, line_trigger_data=[{"line": 1, "total": {"in": 1, "out": 0}}]))

    assert (first.fingerprint, first.again, second.again) == (second.fingerprint, False, True)
    assert other.fingerprint != first.fingerprint
    assert [row.value for row in first.crossings] == [27, 27]


async def test_trap_19_hikvision_sends_again(rig, recorded_of):
    """`isDataRetransmission` says so, and changes nothing of the fingerprint."""

    body = recorded_of("hikvision", "hikvision_event_timerange_v1_RECONSTRUCTED.xml").decode()
    first = await pushed(rig, "hikvision", body)
    second = await pushed(rig, "hikvision", body.replace(">false</isData", ">true</isData"))

    assert (first.again, second.again) == (False, True)
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize("time", ["1970-01-01T00:00:31+00:00", "2031-05-30T20:20:31+08:00"])
async def test_trap_20_frozen_clock(rig, time):
    """What a clock that stands still or runs ahead says is kept and told, so that the time of receipt can be used."""

    body = sent(
        {"device_info": {"device_sn": "1"}, "time_info": {"time": time}}, line_trigger_data=[{"line": 1, "in": 1}]
    )
    found = await pushed(rig, "milesight", body)

    assert found.clock == pytest.approx(datetime.fromisoformat(time).timestamp())
    assert [row.value for row in found.crossings] == [1]


def test_trap_21_two_spellings(recorded_of):
    """`max_counted` and `Max_counted` are neither counts; a document's JSON with comments is refused with its place."""

    body = recorded_of("milesight", "milesight_vs121p_interval_VENDORDOC.json").decode()

    assert counts("milesight", body) == counts("milesight", body.replace("Max_counted", "max_counted"))
    assert counts("milesight", body.replace('"Max_counted": 12,', '"max_counted": 12, "Max_counted": 13,')) == counts(
        "milesight", body
    )
    _, problems = shown("milesight", body.replace('"event"', '// the event\n "event"'))
    assert problems[0].startswith("line 2, column 2: damaged JSON")


def test_trap_23_numbers_as_text():
    """Counts, flags and totals that are written as text are the numbers they say."""

    data = {"total": "12", "totalHuman": "12", "totalCar": "0"}
    topic = "axis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario2"
    assert counts("axis", json.dumps({"topic": topic, "message": {"data": data}})) == [("line:2", "in", 12)]
    body = sent(
        VS125, network_info={"network_status": "true"}, line_periodic_data=[{"line": "1", "in": "3", "out": "0"}]
    )
    assert counts("milesight", body) == [("line:1", "in", 3), ("line:1", "out", 0)]


ALERT = (
    '<?xml version="1.0" encoding="UTF-8"?>\r\n<{p}EventNotificationAlert version="2.0" {ns}>\r\n'
    "<{p}dateTime>2025-07-08T12:27:24+08:00</{p}dateTime>\r\n<{p}eventType>PeopleCounting</{p}eventType>\r\n"
    "<{p}peopleCounting>\r\n<{p}enter>7</{p}enter><{p}exit>5</{p}exit>{more}\r\n</{p}peopleCounting>\r\n"
    "</{p}EventNotificationAlert>\r\n"
)


@pytest.mark.parametrize(
    ("prefix", "namespace"),
    [
        ("", 'xmlns="urn:psialliance-org"'),
        ("", 'xmlns="http://www.isapi.org/ver20/XMLSchema"'),
        ("", 'xmlns="http://www.hikvision.com/ver20/XMLSchema"'),
        ("", ""),
        ("hik:", 'xmlns:hik="http://www.isapi.org/ver20/XMLSchema"'),
    ],
)
@pytest.mark.parametrize("more", ["", "<pass>3</pass>", "<duplicatePeople>4</duplicatePeople>"])
def test_trap_24_namespaces(prefix, namespace, more):
    """Whatever the namespace, with CRLF, and with or without what is optional: the same counts."""

    body = ALERT.format(p=prefix, ns=namespace, more=more)

    assert counts("hikvision", body) == [("line:1", "in", 7), ("line:1", "out", 5)]


@pytest.mark.parametrize("many", [1, 2])
def test_trap_24_one_match_or_several(many):
    """One match is no list in JSON and one element in XML; both are read like several."""

    def match(hour):
        times = {"startTime": f"2025-09-03T0{hour}:00:00Z", "endTime": f"2025-09-03T0{hour}:59:59Z"}
        return {**times, "enterCount": hour, "exitCount": 0}

    matches = [match(hour) for hour in range(1, many + 1)]
    listed = {"matchElement": matches if many > 1 else matches[0]}
    as_json = json.dumps({"CountingStatisticsResult": {"responseStatusStrg": "OK", "matchList": listed}})
    as_xml = "".join(
        "<matchElement>" + "".join(f"<{name}>{value}</{name}>" for name, value in one.items()) + "</matchElement>"
        for one in matches
    )
    as_xml = f"<CountingStatisticsResult><matchList>{as_xml}</matchList></CountingStatisticsResult>"

    assert shown("hikvision", as_json) == shown("hikvision", as_xml)
    assert counts("hikvision", as_json)[::2] == [("line:1", "in", hour) for hour in range(1, many + 1)]
    assert shown("hikvision", as_json)[0][0][3:] == ("2025-09-03T01:00:00Z", "2025-09-03T02:00:00Z")


def test_trap_24_children_are_counted_already():
    """The counts of children are among those of all, inside and beside them."""

    child = "<childCounting><enter>2</enter><exit>1</exit></childCounting>"
    inside = ALERT.format(p="", ns="", more=child)
    beside = ALERT.format(p="", ns="", more="").replace(
        "</EventNotificationAlert>", f"{child}</EventNotificationAlert>"
    )

    assert counts("hikvision", inside) == counts("hikvision", beside) == [("line:1", "in", 7), ("line:1", "out", 5)]


def test_trap_24_inverted_sign():
    """A POSIX zone counts hours west: CST-8 is China, UTC+8; CST+5 is five hours behind UTC."""

    assert posix_offset("CST-8:00:00") == 8 * 3600
    assert posix_offset("CST+5:00:00") == -5 * 3600
    assert posix_offset("CST+5:00:00DST01:00:00,M4.1.0/02:00:00,M10.5.0/02:00:00") == -5 * 3600
    for wrong in ("", "CST", "+08:00", "CST+99", "Europe/Lisbon"):
        with pytest.raises(ValueError, match="POSIX"):
            posix_offset(wrong)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_trap_25_bare_carriage_return(end):
    """Lines end in CR alone, LF, or both."""

    body = end.join(["Channel.0.LineIndex.1.InCount=12", "Channel.0.LineIndex.1.OutCount=9", ""])

    assert counts("hanwha", body) == [("line:1", "in", 12), ("line:1", "out", 9)]


@pytest.mark.parametrize("hours", [23, 25])
def test_trap_25_hours_in_one_text(hours):
    """A day is 24 numbers in one text; another number of them is refused, since no one knows which is missing."""

    directions = [
        {"Direction": "In", "Result": ",".join(["1"] * hours)},
        {"Direction": "Out", "Result": " 2" + ",0" * 23},
    ]
    lines = [{"Line": "Gate1", "DirectionResults": directions}]
    told, problems = shown("hanwha", json.dumps({"PeopleCountSearchResults": [{" LineResults": lines}]}))

    assert problems == [f"Gate1 in: {hours} hours in a day"]
    assert len(told) == 24
    assert {row[1] for row in told} == {"out"}


@pytest.mark.parametrize("name", [name for name in brands() if name != "generic"])
@pytest.mark.parametrize("body", [b"12", b'"12"', b"true", b"null", b"[]", b"{}"])
def test_trap_27_a_bare_number(name, body):
    """A number, a word or an empty object is no answer: it does not become a count by being JSON."""

    with pytest.raises(Garbled):
        brand(name).decode(body, None, None, 0.0)
