"""`footfall-agent simulate --broker`: cameras that publish do so at a real broker, as somebody would try it by hand."""

import asyncio
import json
import sys

import pytest

from tests.rig.broker import Broker, mosquitto_path
from tests.rig.processes import Process, python

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(mosquitto_path() is None, reason="Mosquitto is not installed"),
]

ENVIRONMENT = {"PYTHONPATH": ":".join(filter(None, sys.path))}
SCENARIO = """
seed = 3
store = {{name = "Test", time_zone = "Europe/Lisbon"}}
arrivals = {{visits_per_day = 2000, by_hour = [{hours}]}}
door = [{{name = "main"}}]
{cameras}
"""
CAMERA = """
[[camera]]
id = "{family}"
driver = "{driver}"
family = "{family}"
auth = "none"
line = [{{number = 1, counts = "door:main"}}]
push = {{topic = "{topic}"}}
"""
FAMILIES = [("onvif", "mqtt", ""), ("axis", "object-analytics", ""), ("milesight", "vs125", "cameras/door")]


def scenario(cameras):
    return SCENARIO.format(cameras=cameras, hours=", ".join("1" * 24))


async def test_three_families_publish(tmp_path):
    """ONVIF and Axis under the topics that are theirs, Milesight under the one it is given; each is JSON."""
    cameras = "".join(CAMERA.format(driver=d, family=family, topic=topic) for d, family, topic in FAMILIES)
    (tmp_path / "scenario.toml").write_text(scenario(cameras))
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker", {}, mosquitto=True)
    await broker.start()
    command = ["simulate", str(tmp_path / "scenario.toml"), "--clock", "600x"]
    shop = Process("shop", python("agent", *command, "--broker", f"127.0.0.1:{broker.port}"), tmp_path, ENVIRONMENT)
    ear = await asyncio.create_subprocess_exec(
        *("mosquitto_sub", "-p", str(broker.port), "-t", "#", "-v"), stdout=asyncio.subprocess.PIPE
    )
    try:
        await shop.start()
        heard = {}
        async with asyncio.timeout(40):
            while len(heard) < len(FAMILIES):
                topic, _, body = (await ear.stdout.readline()).decode().partition(" ")
                heard["vs125" if topic == "cameras/door" else topic.partition("/")[0]] = json.loads(body)
    finally:
        ear.kill()
        await ear.wait()
        await shop.stop()
        await broker.stop()

    assert "line_periodic_data" in heard["vs125"] or "line_total_data" in heard["vs125"]
    assert len(heard) == 3


@pytest.mark.parametrize("broker", ["127.0.0.1:0", "127.0.0.1:x", ":1883"])
def test_a_broker_that_is_none(tmp_path, broker):
    """It is said before anything opens."""
    from typer.testing import CliRunner  # noqa: PLC0415 - rich and Typer are the command line's

    from agent.cli import app  # noqa: PLC0415 - as above

    (tmp_path / "scenario.toml").write_text(scenario(CAMERA.format(driver="onvif", family="mqtt", topic="")))
    found = CliRunner().invoke(app, ["simulate", str(tmp_path / "scenario.toml"), "--broker", broker])
    assert found.exit_code == 2
    assert "write host or host:port" in found.output
