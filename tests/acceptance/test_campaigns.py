"""The campaigns in their short forms, as run.py starts them; the long ones are for a night."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from tests.rig.broker import mosquitto_path
from tests.rig.processes import CHECKOUT

pytestmark = pytest.mark.skipif(
    mosquitto_path() is None and not os.environ.get("FOOTFALL_REQUIRE_ALL"),
    reason="Mosquitto is not installed: apt install mosquitto",
)
ZERO = {"lost": 0, "duplicated": 0, "invented": 0, "wrong": 0}


async def campaign(name: str, *options: str) -> tuple[int, dict]:
    """Exit status and figures of one run; where it is interrupted, its processes are too."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        f"tests/campaigns/{name}.py",
        *options,
        "--json",
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await running.communicate()
    except asyncio.CancelledError:
        running.send_signal(signal.SIGINT)
        await running.wait()
        raise
    return running.returncode, json.loads(output)


@pytest.mark.timeout(400)
async def test_sixty_kills_on_bad_lines_lose_nothing():
    """SIGKILL to every part at random, lines that cut, delay, tear, repeat and reorder: each number arrives once."""

    status, found = await campaign("chaos", "--kills", "60", "--seed", "60")

    assert {name: found[name] for name in ZERO} == ZERO
    assert sum(found["kills"].values()) == 60
    assert min(found["kills"].values()) == 15
    assert found["rows"] > 1000
    assert status == 0


@pytest.mark.timeout(400)
async def test_the_same_kills_are_felt_by_an_agent_that_believes_puback():
    """Deleting when the broker has it, as most collectors do, loses numbers: the campaign can fail."""

    status, found = await campaign("chaos", "--kills", "16", "--seed", "60", "--unsafe-delete-on-puback")

    assert found["kills"]["receiver"] == 4
    assert found["lost"] > 0
    assert status == 1


@pytest.mark.timeout(300)
async def test_a_store_that_was_offline_for_days_does_not_make_its_fresh_numbers_wait():
    """All of it comes, fresh numbers overtake the backlog on 64 kbit/s, and what waits stays within its bounds."""

    status, found = await campaign("offline", "--days", "2")

    assert found["promises"] == dict.fromkeys(found["promises"], True)
    assert status == 0
    assert found["rows"] == 2 * 1440 * 20
    assert found["narrow"]["rows_left"] > 0
    assert found["drained_rows"] > 0


@pytest.mark.timeout(200)
async def test_a_fleet_is_received_whole_beside_a_flood():
    """As many batches a second as 5,000 stores send, one device gone mad, forty stores back at once: all covered."""

    status, found = await campaign(
        "fleet", "--devices", "500", "--every", "6", "--seconds", "12", "--stores", "40", "--backlog", "2"
    )

    assert found["promises"] == dict.fromkeys(found["promises"], True)
    assert status == 0
    assert found["flood"]["batches"] > 1000
    assert found["return"]["rows"] == 40 * 2 * 1000
    assert found["steady"]["cores"]["receiver"] <= 0.5


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("life", "every", "least"), [("agent", 70, 4), ("receiver", 50, 3)])
async def test_a_life_killed_at_a_write_or_send_loses_nothing(life, every, least):
    """Killed before some of its writes, syncs and sends and started again: HQ has what the cameras served, once."""

    status, found = await campaign(
        "powercut/run", "--states", "0", "--cuts", "0", "--flips", "0", "--life", life, "--every", str(every)
    )

    assert {name: found[life][name] for name in ZERO} == ZERO
    assert found[life]["problems"] == []
    assert found[life]["kills"] >= least
    assert found[life]["next"] is None
    assert status == 0
