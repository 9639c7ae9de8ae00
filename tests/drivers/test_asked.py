"""Drivers that ask: each against a server that answers like the vendor's description, and keeps what it was asked."""

import json

import pytest
from aiohttp import web

from agent.drivers.base import Garbled, Kind, Refused, Unreachable, Unsupported
from agent.drivers.families.milesight_vs133 import Counters
from agent.drivers.reading.brands import brand
from tests.drivers.test_log_in import BASIC, CANARY, DIGEST, Camera
from tests.drivers.vendors import NOW, SINCE, UNTIL, Vendor, opened, told, utc


async def test_axis_people_counter(rig):
    """The export is asked for by local days in quarters; the running total is today's."""

    quarters = {f"202607060{h}{m:02}00": [h, m] for h in (7, 8, 9) for m in (0, 15, 30, 45)}
    export = {"counter": {"delta": 900, "types": {"Total In": 66, "Total Out": 67}}, "data": quarters}
    live = '{"serial":"00408C000001","name":"door","timestamp":"20260706130000","in":12,"out":318}'
    vendor = Vendor(local_tvpc__api=lambda request, _: live if "live" in request.query_string else json.dumps(export))
    driver = await opened(rig, "axis", vendor)

    found = told(await driver.history(Kind.LINES, SINCE, UNTIL))

    assert vendor.asked[0][1] == "/local/tvpc/.api?export-json&date=20260706-20260706&res=15m"
    assert found[:4] == [
        ("line:1", "in", 8, 0),
        ("line:1", "out", 0, 0),
        ("line:1", "in", 8, 0.25),
        ("line:1", "out", 15, 0.25),
    ]
    assert len(found) == 16
    assert [(one.place, one.metric, one.value) for one in await driver.counters()] == [
        ("line:1", "in", 12),
        ("line:1", "out", 318),
    ]
    with pytest.raises(Unsupported):
        await driver.history(Kind.REGIONS, SINCE, UNTIL)


async def test_axis_3d(rig):
    """A day ends with the start of the next, and so does a part of one."""

    rows = [{"start": f"2026-07-06 0{h}:00:00", "end": f"2026-07-06 0{h}:01:00", "in": h, "out": 0} for h in (8, 9)]
    vendor = Vendor(a3dpc_api_export_json=json.dumps({"data": rows}))
    driver = await opened(rig, "axis", vendor, application="3d")

    found = told(await driver.history(Kind.LINES, SINCE, UNTIL))

    assert vendor.asked[0][1] == "/a3dpc/api/export/json?start=20260706&end=20260707&resolution=minute"
    assert found[::2] == [("line:1", "in", 8, 0), ("line:1", "in", 9, 1)]


async def test_axis_3d_totals(rig):
    """What is new each minute is asked for in hours, of which a day has 24: they add up to what ran since midnight."""

    hours = [
        {"start": f"2026-07-06 {h:02}:00:00", "end": f"2026-07-06 {h + 1:02}:00:00", "in": h, "out": 1} for h in (8, 9)
    ]
    answers = iter([json.dumps({"data": hours}), json.dumps({"data": []})])
    vendor = Vendor(a3dpc_api_export_json=lambda *_: next(answers))
    driver = await opened(rig, "axis", vendor, application="3d")

    assert await driver.counters() == [("line:1", "in", 17), ("line:1", "out", 2)]
    assert await driver.counters() == []  # just after midnight: understood, and nothing yet
    assert {target for _, target, *_ in vendor.asked} == {
        "/a3dpc/api/export/json?start=20260706&end=20260707&resolution=hour"
    }


async def test_axis_object_analytics(rig):
    """Two scenarios are the two ways through one door; only persons count."""

    def answer(_, body):
        scenario = json.loads(body)["params"]["scenario"]
        return json.dumps({"method": "getAccumulatedCounts", "data": {"total": 99, "totalHuman": str(40 + scenario)}})

    vendor = Vendor(local_objectanalytics_control_cgi=answer)
    scenarios = {"1": "line:1 in", "2": "line:1 out"}
    driver = await opened(rig, "axis", vendor, application="object-analytics", scenario=2, scenarios=scenarios)

    assert [tuple(one) for one in await driver.counters()] == [("line:1", "in", 41), ("line:1", "out", 42)]
    assert [method for method, _, _ in vendor.asked] == ["POST", "POST"]


async def test_hikvision_search(rig):
    """A search is posted for local times of a day; hours to come and hours not asked for are left out."""

    matches = "".join(
        f"<matchElement><timeSpan><startTime>2026-07-06T{h:02}:00:00</startTime>"
        f"<endTime>2026-07-06T{h:02}:59:59</endTime></timeSpan><enterCount>{h}</enterCount><exitCount>1</exitCount>"
        "</matchElement>"
        for h in (7, 8, 9, 23)
    )
    result = f"<matchList>{matches}</matchList>"
    result = f"<CountingStatisticsResult><responseStatusStrg>OK</responseStatusStrg>{result}</CountingStatisticsResult>"
    vendor = Vendor(ISAPI_System_Video_inputs_channels_1_counting_search=result)
    driver = await opened(rig, "hikvision", vendor)

    found = told(await driver.history(Kind.LINES, SINCE, UNTIL))

    assert found == [("line:1", "in", 8, 0), ("line:1", "out", 1, 0), ("line:1", "in", 9, 1), ("line:1", "out", 1, 1)]
    assert "<startTime>2026-07-06T08:00:00</startTime><endTime>2026-07-06T09:59:59</endTime>" in vendor.asked[0][2]
    with pytest.raises(Unsupported):
        await driver.counters()


async def test_hikvision_lacks_it(rig):
    """A camera that cannot search says so in its own words."""

    status = "<ResponseStatus><statusCode>4</statusCode><statusString>Invalid Operation</statusString></ResponseStatus>"
    driver = await opened(rig, "hikvision", Vendor(ISAPI_System_Video_inputs_channels_1_counting_search=status))

    with pytest.raises(Unsupported, match="Invalid Operation"):
        await driver.history(Kind.LINES, SINCE, UNTIL)


class Hanwha(Vendor):
    def __init__(self, *states):
        super().__init__(
            stw_cgi_recording_cgi=self.search, stw_cgi_eventsources_cgi="Channel.0.LineIndex.1.InCount=5\r"
        )
        self.states = list(states)

    def search(self, request, _):
        query = request.query
        if query.get("Mode") == "Start":
            return '{" SearchToken": "4711"}'
        if query.get("Type") == "Status":
            return f"Status={self.states.pop(0)}\r"
        if query.get("Type") == "Results":
            directions = [{"Direction": "In", "Result": ",".join(map(str, range(24)))}]
            return json.dumps(
                {"PeopleCountSearchResults": [{"LineResults": [{"Line": "Gate1", "DirectionResults": directions}]}]}
            )
        return "OK\r"


async def test_hanwha_search(rig):
    """A search is started, waited for, read, and given up, for a local day."""

    vendor = Hanwha("Searching", "Completed")
    driver = await opened(rig, "hanwha", vendor)

    assert told(await driver.history(Kind.LINES, SINCE, UNTIL)) == [("line:1", "in", 8, 0), ("line:1", "in", 9, 1)]
    assert "FromDate=2026-07-06T00:00:00&ToDate=2026-07-06T23:59:59" in vendor.asked[0][1]
    assert "Mode=Cancel" in vendor.asked[-1][1]
    assert [tuple(one) for one in await driver.counters()] == [("line:1", "in", 5)]


class Vs133(Vendor):
    """Asks for Digest; the result is there at the third question."""

    def __init__(self, empty=2):
        super().__init__(
            api_v1_counting_getAlgoParams='{"data":{"areas":{"lineUuids":["00000000-0000-4000-8000-000000000001"]}}}',
            api_v1_counting_getDatabseRecords='{"code":0}',
            api_v1_counting_getRecordsResult=self.result,
        )
        self.empty = empty

    def result(self, _, __):
        self.empty -= 1
        records = [{"time": f"2026-07-06T0{h}:00:00.000", "enter": h, "exit": 1} for h in (7, 8, 9)]
        return '{"data":{}}' if self.empty >= 0 else json.dumps({"data": {"lineRecords": {"records": records}}})


async def test_trap_22_ask_and_wait(rig):
    """The misspelt question is asked, and the result fetched until it is there."""

    vendor = Vs133()
    device = await rig.device(await rig.serve(vendor.answer), now=utc(NOW))

    found = told(await Counters(device, pause=0).history(Kind.LINES, SINCE, UNTIL))

    assert found == [("line:1", "in", 8, 0), ("line:1", "out", 1, 0), ("line:1", "in", 9, 1), ("line:1", "out", 1, 1)]
    assert [target.rpartition("/")[2] for _, target, _ in vendor.asked] == [
        "getAlgoParams",
        "getDatabseRecords",
        *["getRecordsResult"] * 3,
    ]
    assert json.loads(vendor.asked[1][2])["timeStart"] == "2026-07-06T08:00:00.000"


async def test_trap_22_never_there(rig):
    """A result that never comes is no answer, and not an empty one."""

    vendor = Vs133(empty=100)
    device = await rig.device(await rig.serve(vendor.answer), now=utc(NOW))

    with pytest.raises(Unreachable):
        await Counters(device, pause=0).history(Kind.LINES, SINCE, UNTIL)


@pytest.mark.parametrize("offers", [(DIGEST,), (BASIC, DIGEST)])
async def test_vs133_logs_in_by_digest(rig, offers):
    """The log-in is Digest, wherever it is offered."""

    camera = Camera(*offers)
    device = await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY, family="vs133")

    with pytest.raises(Garbled):  # this camera knows no JSON
        await brand("milesight").open_driver(device).history(Kind.LINES, SINCE, UNTIL)
    assert camera.seen[1].startswith("Digest ")


async def test_trap_26_one_address_many_ports(rig):
    """Devices behind one address are told apart by port; what one remembers of its log-in is not the other's."""

    text = "summary.EnteredSubtotal.Today={}\r\n"
    drivers = [await opened(rig, "dahua", Vendor(cgi_bin_videoStatServer_cgi=text.format(n))) for n in (1, 2)]

    assert [(await driver.counters())[0].value for driver in drivers] == [1, 2]


ASKED = [("axis", Kind.LINES), ("hikvision", Kind.LINES), ("dahua", Kind.LINES), ("hanwha", Kind.LINES)]


@pytest.mark.parametrize(("name", "kind"), ASKED)
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, "<html>log in</html>", Garbled),
        (200, "\0\1\2", Garbled),
        (200, "", Garbled),
        (401, "", Refused),
        (403, "", Refused),
        (404, "", Unsupported),
        (502, "", Unreachable),
        (302, "", Unreachable),
    ],
)
async def test_bad_answers(rig, name, kind, status, body, error):
    """Whatever is wrong with an answer is one of the four errors, for every brand that is asked."""

    async def answer(_):
        return web.Response(status=status, text=body, headers={"Location": "http://evil.example.com/"})

    driver = brand(name).open_driver(
        await rig.device(await rig.serve(answer), now=utc(NOW), username="u", password=CANARY)
    )

    with pytest.raises(error):
        await driver.history(kind, SINCE, UNTIL)
