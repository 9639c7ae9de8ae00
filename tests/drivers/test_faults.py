"""Whatever goes wrong with a camera of any brand: an error of ours or the right number, and afterwards all is well."""

import pytest

from agent.contract.times import HOUR
from agent.drivers import hanwha
from agent.drivers.base import Kind, SensorError
from agent.drivers.families.milesight_vs133 import Counters
from agent.simulator.installation import FaultKind
from tests.drivers.families import ASKED, Day

BROKEN = ["reset", "unauthorized", "not-found", "bad-gateway", "html-200", "redirect", "huge", "empty", "truncated"]
PECULIAR = ["crlf", "bom"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(hanwha, "_PAUSE", 0.01)
    monkeypatch.setattr(Counters.__init__, "__defaults__", (0.01,))


def right(day, history):
    rows = [row for row in history.rows if row.place in {"line:1", "line:2"}]
    return all(row.value == day.truth(row.place, row.metric, row.start, row.end) for row in rows)


@pytest.mark.parametrize("fault", BROKEN + PECULIAR)
@pytest.mark.parametrize("family", ASKED, ids=[family.name for family in ASKED])
async def test_fault(rig, family, fault):
    """No fault makes a wrong number or another error than ours; what is merely peculiar is read all the same."""

    day = await Day(rig, family).open()
    day.camera.faults.switch(FaultKind(fault), on=True)

    since, until = day.start + 9 * HOUR, day.start + 13 * HOUR
    error = None
    try:
        found = await day.driver.history(Kind.LINES, since, until)
    except SensorError as problem:
        error = problem
    else:
        assert right(day, found)
        assert found.rows or found.problems or fault == "empty"
    day.camera.faults.switch(FaultKind(fault), on=False)
    afterwards = await day.driver.history(Kind.LINES, since, until)

    assert error is None or (fault in BROKEN and str(error))
    assert right(day, afterwards)
    assert {row.place for row in afterwards.rows} >= {f"line:{n}" for n in range(1, family.lines + 1)}


LOCKED = [family for family in ASKED if family.auth != "none"]


@pytest.mark.parametrize("family", LOCKED, ids=[family.name for family in LOCKED])
async def test_password_changed(rig, family):
    """A password that no longer holds is tried once each time it is asked for, and said to be refused by the second.

    The first refusal may come with a new nonce alone, which a device that was started again sends as well.
    """
    day = await Day(rig, family).open()
    await day.driver.history(Kind.LINES, day.start, day.start + HOUR)
    asked = []
    admits = day.camera._gate.admits
    object.__setattr__(day.camera.memory.camera, "password", "changed")  # somebody set another one
    day.camera.brand._sessions = {}  # and with it everybody was logged out
    day.camera._gate.admits = lambda *request: asked.append(request[2]) or admits(*request)

    told = []
    for times in (1, 2):
        with pytest.raises(SensorError) as failed:
            await day.driver.history(Kind.LINES, day.start, day.end)
        told.append(str(failed.value))
        assert sum(bool(header) for header in asked) <= times
    assert "does not accept the user name and password" in told[-1]
