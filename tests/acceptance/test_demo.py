"""The promise itself: nothing is lost and nothing counted twice, shown with real processes and real kills."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.rig.broker import mosquitto_path
from tests.rig.processes import CHECKOUT, living_in

ZERO = {"lost": 0, "duplicated": 0, "invented": 0, "wrong": 0}

needs_mosquitto = pytest.mark.skipif(
    mosquitto_path() is None and not os.environ.get("FOOTFALL_REQUIRE_ALL"),
    reason="Mosquitto is not installed: apt install mosquitto",
)


async def begin(*options: str) -> asyncio.subprocess.Process:
    """The demo, as run.py starts it."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "tests/rig/demo.py",
        *options,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def demo(tmp_path: Path, *options: str) -> tuple[int, dict, str]:
    """Exit status, figures and output of one run."""
    figures = tmp_path / "figures.json"
    running = await begin("--once", "--json", str(figures), *options)
    try:
        output, _ = await running.communicate()
    except asyncio.CancelledError:
        running.send_signal(signal.SIGINT)  # it stops its processes; a SIGKILL would leave them to nobody
        await running.wait()
        raise
    text = output.decode()
    print(text)
    return running.returncode, json.loads(figures.read_text()), text


def assert_whole(figures: dict) -> None:
    found = figures["reconciliation"]
    assert {name: found[name] for name in ZERO} == ZERO
    assert found["served"] == found["at_hq"] > 0
    assert figures["sensors"] >= 4
    assert figures["history"]["days"] >= 14
    assert figures["outage"]["first_sent_after"] >= 200
    assert figures["ok"] is True


@needs_mosquitto
@pytest.mark.timeout(240)
async def test_nothing_is_lost_while_every_part_is_killed_once(tmp_path: Path):
    """SIGKILL to agent, broker, receiver and database, and an outage: every number arrives once, as it was."""

    status, figures, output = await demo(tmp_path, "--kill", "agent,broker,receiver,database")

    assert_whole(figures)
    assert status == 0
    assert figures["broker"] == "mosquitto"
    assert output.count("killed with SIGKILL") == 4


@pytest.mark.timeout(240)
async def test_nothing_is_lost_without_mosquitto(tmp_path: Path):
    """The embedded broker, which speaks MQTT 3.1.1, carries the same promise."""

    status, figures, _ = await demo(tmp_path, "--no-mosquitto")

    assert_whole(figures)
    assert status == 0
    assert figures["broker"] == "amqtt"


@needs_mosquitto
@pytest.mark.timeout(240)
async def test_deleting_on_puback_is_caught(tmp_path: Path):
    """An agent that believes the broker loses numbers under the same kills, and the demo says so."""

    status, figures, _ = await demo(tmp_path, "--unsafe-delete-on-puback", "--kill", "broker,receiver,database")

    assert figures["reconciliation"]["lost"] > 0
    assert figures["ok"] is False
    assert status == 1


@pytest.mark.timeout(120)
async def test_ctrl_c_leaves_nothing_behind():
    """Once everything runs, SIGINT ends every process and removes every file."""

    running = await begin("--no-mosquitto")
    said = [line async for line in until(running.stdout, b"agent")]
    folder = stage_of(running.pid)
    running.send_signal(signal.SIGINT)
    rest, _ = await running.communicate()

    assert running.returncode == 130
    assert b"Traceback" not in b"".join(said) + rest
    assert not folder.exists()
    assert not any(living_in(folder))


async def until(stream: asyncio.StreamReader, word: bytes):
    """The lines up to the first that has the word."""
    async for line in stream:
        yield line
        if word in line:
            return


def stage_of(demo: int) -> Path:
    """The folder of a running demo, read from its children's command lines."""
    children = Path(f"/proc/{demo}/task/{demo}/children").read_text().split()
    words = b"\0".join(Path(f"/proc/{child}/cmdline").read_bytes() for child in children).split(b"\0")
    return next(Path(word.decode()).parent for word in words if word.endswith(b"agent.toml"))
