"""A source that its description describes, and descriptions that are wrong."""

import pytest

from agent.drivers.base import Kind, Unsupported
from agent.drivers.reading.brands import brand
from tests.drivers.test_log_in import CANARY
from tests.drivers.vendors import SINCE, UNTIL, Vendor, opened, told


async def test_generic(rig):
    """The description's question is asked, with its range of times and its key, and its columns are read."""

    keys = []

    def answer(request, _):
        keys.append(request.headers["X-Api-Key"])
        return "t;Entradas\n06.07.2026 08:00;12\n06.07.2026 08:15;3\n06.07.2026 23:00;0\n"

    options = {
        "path": "/export?from={start:%Y-%m-%dT%H:%M}&to={end}",
        "separator": ";",
        "start": "t",
        "time": "%d.%m.%Y %H:%M",
        "every": 900,
        "key_header": "X-Api-Key",
        "columns": {"line:1 in": "Entradas"},
    }
    vendor = Vendor(export=answer)
    driver = await opened(rig, "generic", vendor, **options)

    assert told(await driver.history(Kind.LINES, SINCE, UNTIL)) == [("line:1", "in", 12, 0), ("line:1", "in", 3, 0.25)]
    assert vendor.asked[0][1] == "/export?from=2026-07-06T08:00&to=2026-07-06T09:59:59"
    assert keys == [CANARY]
    with pytest.raises(Unsupported):
        await driver.counters()


async def test_generic_running_totals(rig):
    """Numbers that run on are counters."""

    options = {
        "path": "/now",
        "format": "json",
        "rows": "doors",
        "cumulative": True,
        "columns": {"line:2 in": "in.total"},
    }
    driver = await opened(rig, "generic", Vendor(now='{"doors": [{"in": {"total": "7"}}]}'), **options)

    assert [tuple(one) for one in await driver.counters()] == [("line:2", "in", 7)]
    assert list(driver.cadence) == [Kind.COUNTERS]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"format": "xml"}, "csv or json"),
        ({"separator": "::"}, "separator"),
        ({"columns": {}}, "columns is missing"),
        ({"columns": {"door in": "a"}}, "PLACE METRIC"),
        ({"columns": {"line:1 people": "a"}}, "PLACE METRIC"),
        ({"start": ""}, "start is missing"),
        ({"every": 0}, "every"),
        ({"every": True}, "every"),
        ({"path": "//evil.example.com/x y"}, "path"),
        ({"path": "http://evil.example.com/"}, "path"),
        ({"path": "/{when}"}, "path"),
        ({"zone": "Europe/Lissabon"}, "zone"),
        ({"cumulative": "yes"}, "cumulative"),
        ({"key_header": "X Key:"}, "key_header"),
        ({"time": 5}, "time"),
    ],
)
async def test_generic_wrong_description(rig, wrong, says):
    """A mistake in a description names the key and what to write."""

    right = {"start": "t", "columns": {"line:1 in": "a"}}

    with pytest.raises(ValueError, match=says):
        brand("generic").open_driver(await rig.device("192.0.2.10", **{**right, **wrong}))
