from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from agent.simulator.installation import Fault, FaultKind
from agent.simulator.scenario import OpeningHours
from tests.simulator.shops import CAMERA, scenario


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"line": [{"number": 1, "counts": "door:back"}]}, "'door:back' is none of door:main"),
        ({"line": [{"number": 5, "counts": "corridor"}]}, "less than or equal to 4"),
        ({"line": [{"number": 1, "counts": "till"}] * 2}, "same number"),
        ({"lines": []}, "Extra inputs"),
        ({"zone": "Europe/Lisboa"}, "no IANA time zone"),
        ({"fault": [{"kind": "unplugged", "every": 3}]}, "only from, until and power"),
    ],
)
def test_a_wrong_camera_is_refused(wrong, said):
    """The text says what is wrong with it."""
    with pytest.raises(ValidationError, match=said):
        scenario({**CAMERA, **wrong})


def test_two_cameras_need_two_ids():
    """An id names one camera."""
    with pytest.raises(ValidationError, match="same id"):
        scenario(CAMERA, CAMERA)


@pytest.mark.parametrize("hours", ["9-21", "21:00-09:00", "09:00-24:30", "25:00-26:00"])
def test_hours_that_are_none_are_refused(hours):
    """A shop opens and closes on the same day."""
    with pytest.raises(ValidationError):
        OpeningHours(monday=hours)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (600, 600.0),
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        (datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 10, tzinfo=UTC)),
    ],
)
def test_a_fault_begins_after_seconds_or_at_a_time(told, meant):
    """Seconds since the start, or RFC 3339."""
    assert Fault.model_validate({"kind": "reset", "from": told}).since == meant


def test_the_hostile_scenario_shows_every_fault(request):
    """Whoever looks for a fault finds how it is written."""
    text = (request.config.rootpath / "config/scenarios/hostile.toml").read_text()

    assert [kind for kind in FaultKind if f'kind = "{kind}"' not in text] == []
