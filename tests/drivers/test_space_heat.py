"""Where in the picture the time was spent: a grid an hour, from the models that have it."""

import re
from zoneinfo import ZoneInfo

import pytest

from agent.contract.times import DAY, HOUR
from agent.drivers.base import Device, Kind
from agent.drivers.milesight import open_driver
from agent.simulator.brands.milesight import Milesight
from agent.simulator.store import open_store
from tests.simulator.shops import Hand, scenario

CAMERA = {"id": "door", "heat": True, "line": [{"number": 1, "counts": "door:main"}]}
SPOTS = 60  # of the simulated grid, each rounded down


@pytest.fixture
def asked(monkeypatch):
    """What cameras were asked, by `dw`."""
    found = []
    answer = Milesight.answer

    def note(self, question):
        found.append(question.query.get("dw"))
        return answer(self, question)

    monkeypatch.setattr(Milesight, "answer", note)
    return found


async def opened(rig, clock, **changes):
    store = await rig.enter(open_store(scenario(CAMERA | changes), clock))
    session = (await rig.device("192.0.2.10")).session
    address, options = store.addresses["cameras"]["door"], {"heat_scale": 0.5}
    return open_driver(
        Device("door", address, ZoneInfo("Europe/Lisbon"), session, clock, "counter", "example", options)
    )


async def test_a_grid_an_hour(rig, asked):
    """Each hour that is over has cells whose seconds are those of the hour; the running hour has none yet."""
    clock = Hand("2026-11-20T14:20:00+00:00")
    driver = await opened(rig, clock, space_heat=True)
    now = int(clock())

    found = await driver.history(Kind.HEAT, now - 5 * HOUR, now)

    hours = {(row.start, row.end): row.value for row in found.rows if row.place == "sensor"}
    cells = [row for row in found.rows if row.place != "sensor"]
    assert (len(hours), asked.count("spaceheatmap"), list(found.problems)) == (6, 5, [])
    for span, value in hours.items():
        seconds = sum(row.value for row in cells if (row.start, row.end) == span)
        assert value - SPOTS <= seconds <= value if span[1] <= now else seconds == 0
    assert all(re.fullmatch(r"cell:([12]?\d|3[01]),([12]?\d|3[01])", row.place) for row in cells)
    assert {row.metric for row in cells} == {"person_seconds"}
    assert len({(row.place, row.start) for row in cells}) == len(cells) > 100


async def test_without_it(rig, asked):
    """A model that has none answers 502: its heat is read all the same, and the grid is asked for once a day."""
    clock = Hand("2026-11-20T14:20:00+00:00")
    driver = await opened(rig, clock)

    for _ in range(3):
        found = await driver.history(Kind.HEAT, int(clock()) - 5 * HOUR, int(clock()))
        assert {row.place for row in found.rows} == {"sensor"}
    assert asked.count("spaceheatmap") == 1
    clock.move(DAY)
    await driver.history(Kind.HEAT, int(clock()) - 5 * HOUR, int(clock()))
    assert asked.count("spaceheatmap") == 2
