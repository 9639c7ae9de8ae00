"""How campaigns end: a broken promise is an exit status, a missed target is not."""

from __future__ import annotations

import json

import pytest

from tests.campaigns.verdict import judged, to_the_end
from tests.rig.processes import ProcessError


async def ended(capsys, promises, targets):
    async def perform():
        return judged({"rows": 7}, promises, targets)

    status = await to_the_end(perform(), as_json=True)
    return status, json.loads(capsys.readouterr().out)


async def test_a_missed_target_is_told_and_does_not_fail(capsys):
    """A machine that others use too may be slow."""
    status, told = await ended(capsys, {"nothing is lost": True}, {"seconds": (3.0, 2.0), "megabytes": (None, 5.0)})

    assert status == 0
    assert told["targets"]["seconds"] == {"is": 3.0, "at_most": 2.0, "met": False}
    assert not told["targets"]["megabytes"]["met"]


async def test_a_broken_promise_fails(capsys):
    """Whatever targets were met."""
    status, told = await ended(capsys, {"nothing is lost": False, "all is covered": True}, {"seconds": (1.0, 2.0)})

    assert status == 1
    assert told["promises"]["nothing is lost"] is False


async def test_a_campaign_says_what_it_tried_and_where(capsys):
    """A figure without its commit and the machine's load tells little."""
    _, told = await ended(capsys, {}, {})

    assert told["commit"]
    assert told["load"] >= 0
    assert told["cores"] >= 1


@pytest.mark.parametrize("problem", [ProcessError("the agent ended"), TimeoutError()])
async def test_a_campaign_that_could_not_go_on_fails(capsys, problem):
    """It proved nothing."""

    async def perform():
        raise problem

    assert await to_the_end(perform(), as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
