"""The driver against the simulated cameras: what it reads is what they served, whatever they are like."""

from zoneinfo import ZoneInfo

import pytest

from agent.contract.times import DAY, HOUR
from agent.drivers.base import Device, Garbled, Kind, Refused, SensorError, Unreachable, Unsupported
from agent.drivers.milesight import open_driver
from agent.simulator.store import open_store
from tests.simulator.shops import Hand, scenario

KINDS = (Kind.LINES, Kind.REGIONS, Kind.HEAT)
CAMERA = {
    "id": "door",
    "heat": True,
    "line": [{"number": 1, "counts": "door:main"}, {"number": 2, "counts": "door:side"}],
    "region": [{"number": 1, "watches": "zone:shoes"}],
}
# Five minutes into the hour after the one that came twice.
AFTER_SUMMER = "2026-10-25T02:05:00+00:00"


class Side:
    """A simulated store with one camera, and a driver that reads it."""

    def __init__(self, rig, changes, at=AFTER_SUMMER):
        self._rig = rig
        self.clock = Hand(at)
        self._plan = scenario(CAMERA | changes, history_days=4)

    async def open(self, **device):
        store = await self._rig.enter(open_store(self._plan, self.clock))
        self.camera = store.cameras["door"]
        account = {"username": "counter", "password": "example"} | device
        session = (await self._rig.device("192.0.2.10")).session
        address = store.addresses["cameras"]["door"]
        self.driver = open_driver(Device("door", address, ZoneInfo("Europe/Lisbon"), session, self.clock, **account))
        return self

    async def read(self, kind, since, until):
        history = await self.driver.history(kind, since, until)
        assert list(history.problems) == []
        return {(kind, row.place, row.metric, row.start, row.end): row.value for row in history.rows}

    def served(self):
        """What the camera said in its last answers, without its totals, which are lines added up."""
        return {tuple(row[:5]): row[5] for row in self.camera.served.rows()}


async def all_of(side):
    now = int(side.clock())
    found = {}
    for kind in KINDS:
        found |= await side.read(kind, now - 3 * DAY, now)
    return found


@pytest.mark.parametrize("auth", ["none", "basic", "digest", "basic-then-digest", "digest-then-basic"])
async def test_every_log_in(rig, auth):
    """Over any log-in the driver reads what the camera served, value by value."""

    side = await Side(rig, {"auth": auth}).open()

    found = await all_of(side)

    assert len(found) > 3 * 24 * 6
    assert found == side.served()


@pytest.mark.parametrize("header", ["tolal", "total", "no-total", "seven"])
async def test_every_header(rig, header):
    """Over any header the driver reads what the camera served."""

    side = await Side(rig, {"header": header}).open()

    assert await all_of(side) == side.served()


@pytest.mark.parametrize("fold", ["twice", "merged"])
async def test_end_of_summer_time(rig, fold):
    """Over the end of summer time 25 hours are read as they were served, in 25 rows or in 24."""

    side = await Side(rig, {"fold": fold}).open()

    assert await all_of(side) == side.served()


async def test_overwritten_hour(rig):
    """A camera that let the second pass replace the first is read afterwards as one row of two hours."""

    side = await Side(rig, {"fold": "overwritten"}).open()
    noon = int(side.clock()) // HOUR * HOUR

    history = await side.driver.history(Kind.LINES, noon - 3 * HOUR, noon)

    spans = sorted({((row.start - noon) // HOUR, (row.end - noon) // HOUR, row.repeated) for row in history.rows})
    assert spans == [(-3, -2, False), (-2, 0, True)]


@pytest.mark.parametrize("nothing", ["header", "zero-length"])
async def test_nothing(rig, nothing):
    """Before the camera's memory there is nothing, and nothing is not zero."""

    side = await Side(rig, {"nothing": nothing}).open()
    long_ago = int(side.clock()) - 30 * DAY

    assert await side.read(Kind.LINES, long_ago, long_ago + HOUR) == {}


@pytest.mark.parametrize("fault", ["crlf", "bom", "duplicate-row", "refuse-percent-3a"])
async def test_peculiar(rig, fault):
    """What is merely peculiar is read all the same."""

    side = await Side(rig, {"fault": [{"kind": fault}]}, at="2026-11-20T14:20:00+00:00").open()

    assert await all_of(side) == side.served()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("reset", Unreachable),
        ("unauthorized", Refused),
        ("not-found", Unsupported),
        ("bad-gateway", Unreachable),
        ("html-200", Garbled),
        ("redirect", SensorError),
        ("huge", Garbled),
    ],
)
async def test_broken(rig, fault, error):
    """What is broken costs that call, and the next one is right."""

    side = await Side(rig, {"fault": [{"kind": fault, "until": 60.0}]}).open()

    with pytest.raises(error):
        await all_of(side)
    side.clock.move(60)
    assert await all_of(side) == side.served()


@pytest.mark.parametrize("fault", ["truncated", "sum-mismatch"])
async def test_partly_broken(rig, fault):
    """A damaged row is a problem, and no number is read that the camera did not mean."""

    side = await Side(rig, {"fault": [{"kind": fault, "on": ["lines"], "until": 60.0}]}).open()
    now = int(side.clock())

    try:
        history = await side.driver.history(Kind.LINES, now - 5 * HOUR, now)
    except SensorError:
        history = None
    else:
        assert history.problems
    side.clock.move(60)
    truth = await side.read(Kind.LINES, now - 5 * HOUR, now)
    for row in history.rows if history else ():
        if row.end <= now:
            assert truth[Kind.LINES, row.place, row.metric, row.start, row.end] == row.value


async def test_counters(rig):
    """The running counters are those the camera served."""

    side = await Side(rig, {}).open()

    counters = {(counter.place, counter.metric): counter.value for counter in await side.driver.counters()}

    served = side.camera.served.counters
    assert counters["sensor", "in"] == served["in"]
    assert counters["sensor", "out"] == served["out"]
