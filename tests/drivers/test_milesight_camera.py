"""The driver asks a camera for exactly what it answers to, and gives back what lies in the stretch asked for."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from agent.drivers.base import Garbled, Kind, Refused, Unreachable, Unsupported
from agent.drivers.milesight import open_driver

HOURS = "StartTime, EndTime, Line1 - In, Line1 - Out"


def utc(text):
    return int(datetime.fromisoformat(text).timestamp())


class Camera:
    """Answers every request with the next of its bodies, the last one for ever, and keeps what it was asked."""

    def __init__(self, *bodies, status=200):
        self.bodies = list(bodies)
        self.status = status
        self.asked = []

    async def answer(self, request):
        self.asked.append(request.raw_path)
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        return web.Response(text=body, status=self.status)


async def driver_of(rig, camera, now="2025-11-20T12:00:00Z", **options):
    return open_driver(await rig.device(await rig.serve(camera.answer), now=utc(now), **options))


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (Kind.LINES, "dw=vcalogcsv&report_type=0&statistics_type=3&linetype=31"),
        (
            Kind.REGIONS,
            "dw=regionalcountlogcsv&report_type=0&lengthtype=0&length=0&region1=1&region2=1&region3=1&region4=1",
        ),
        (Kind.HEAT, "dw=heatmapcsv&sub_type=0"),
    ],
)
async def test_questions(rig, kind, query):
    """A question names whole local hours with an inclusive end, and its colons are sent as they are."""

    camera = Camera("")
    driver = await driver_of(rig, camera)

    history = await driver.history(kind, utc("2025-07-22T09:20:00Z"), utc("2025-07-22T11:00:00Z"))

    times = "&time_start=2025-07-22-10:00:00&time_end=2025-07-22-11:59:59"
    assert camera.asked == [f"/dataloader.cgi?{query}{times}"]
    assert (list(history.rows), list(history.problems)) == ([], [])


async def test_days(rig):
    """More than a local day is asked for day by day, and only what touches the stretch comes back, oldest first."""

    days = [
        f"{HOURS}\n2025/10/{day} 00:00:00,2025/10/{day} 00:59:59,{day},0\n"
        f"2025/10/{day} 23:00:00,2025/10/{day} 23:59:59,{day},1\nbroken\n"
        for day in (25, 26, 27)
    ]
    camera = Camera(*days)
    driver = await driver_of(rig, camera)

    history = await driver.history(Kind.LINES, utc("2025-10-25T12:00:00Z"), utc("2025-10-27T12:00:00Z"))

    assert [path.partition("&time_start=")[2] for path in camera.asked] == [
        "2025-10-25-13:00:00&time_end=2025-10-25-23:59:59",
        "2025-10-26-00:00:00&time_end=2025-10-26-23:59:59",
        "2025-10-27-00:00:00&time_end=2025-10-27-11:59:59",
    ]
    assert [(row.raw, row.value) for row in history.rows if row.metric == "in"] == [
        ("2025/10/25 23:00:00", 25),
        ("2025/10/26 00:00:00", 26),
        ("2025/10/26 23:00:00", 26),
        ("2025/10/27 00:00:00", 27),
    ]
    assert [problem.line for problem in history.problems] == [4, 4, 4]


async def test_running_hour(rig):
    """The running hour is there, the next one is not."""

    body = f"{HOURS}\n2025/11/20 12:00:00,2025/11/20 12:59:59,5,4\n2025/11/20 13:00:00,2025/11/20 13:59:59,0,0\n"
    driver = await driver_of(rig, Camera(body), now="2025-11-20T12:30:00Z")

    history = await driver.history(Kind.LINES, utc("2025-11-20T12:00:00Z"), utc("2025-11-20T14:00:00Z"))

    assert [(row.metric, row.value) for row in history.rows] == [("in", 5), ("out", 4)]


async def test_heat_scale(rig):
    """A heat value times the option is seconds."""

    body = "StartTime,EndTime,Value(s)\n2025-11-20 10:00:00,2025-11-20 10:59:59,17426\n"
    driver = await driver_of(rig, Camera(body), heat_scale=0.1)

    history = await driver.history(Kind.HEAT, utc("2025-11-20T10:00:00Z"), utc("2025-11-20T11:00:00Z"))

    assert [row.value for row in history.rows] == [1742.6]


@pytest.mark.parametrize(
    "body", ['{"data":[{"x":1,"y":1,"value":3}]}', "var current_in_count='45';", "502 Bad Gateway"]
)
async def test_no_table(rig, body):
    """Where a table was asked for, another shape of answer is an error, never rows without a length."""

    driver = await driver_of(rig, Camera(body))

    with pytest.raises(Garbled, match="no column 'StartTime'"):
        await driver.history(Kind.HEAT, utc("2025-11-20T11:00:00Z"), utc("2025-11-20T13:00:00Z"))


@pytest.mark.parametrize(
    "options", [{"heat_scale": 0}, {"heat_scale": "1"}, {"heat_scale": True}, {"heat_scale": 1e300}, {"heatscale": 1}]
)
async def test_wrong_options(rig, options):
    """A wrong option is said before anything is opened, by its name."""

    with pytest.raises(ValueError, match=r"heat_?scale"):
        open_driver(await rig.device("192.0.2.10", **options))


async def test_counters(rig):
    """The running counters come with one question."""

    camera = Camera("var current_in_count='45';var current_out_count='38';var counter_alarm_status='1';")
    driver = await driver_of(rig, camera)

    assert [tuple(counter) for counter in await driver.counters()] == [
        ("sensor", "in", 45),
        ("sensor", "out", 38),
        ("sensor", "alarm_counter", 1),
    ]
    assert camera.asked == ["/cgi-bin/operator/operator.cgi?action=get.vca.alarmstatus"]


@pytest.mark.parametrize("body", ["", "var count_enable='1';", "var current_in_count='-1';", "not found", "<html>"])
async def test_no_counters(rig, body):
    """An answer without counters is an error, never none and never zero."""

    with pytest.raises(Garbled):
        await (await driver_of(rig, Camera(body))).counters()


@pytest.mark.parametrize(("status", "error"), [(401, Refused), (404, Unsupported), (502, Unreachable)])
async def test_errors(rig, status, error):
    """What the camera refuses, lacks or fails in is told apart."""

    driver = await driver_of(rig, Camera("", status=status))

    with pytest.raises(error):
        await driver.history(Kind.LINES, utc("2025-11-20T10:00:00Z"), utc("2025-11-20T11:00:00Z"))
    with pytest.raises(error):
        await driver.counters()


async def test_no_history_of_counters(rig):
    """Counters have no memory."""

    with pytest.raises(Unsupported):
        await (await driver_of(rig, Camera(""))).history(Kind.COUNTERS, 0, 1)


async def test_two_behind_one_address(rig):
    """Cameras that differ in nothing but the port are two cameras (quirk 26)."""

    first = await driver_of(rig, Camera("var current_in_count='1';"))
    second = await driver_of(rig, Camera("var current_in_count='2';"))

    assert [(await driver.counters())[0].value for driver in (first, second)] == [1, 2]


async def test_zone(rig):
    """The fixture's device lives in Lisbon, on which the times above rely."""

    assert (await rig.device("192.0.2.10")).zone == ZoneInfo("Europe/Lisbon")
