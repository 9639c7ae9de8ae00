"""Cameras that publish over MQTT, through a real broker to a real agent that is killed meanwhile."""

import asyncio
import json
import subprocess

import pytest

from agent.contract.observation import Origin, Quality
from agent.runtime.subscriber import matches
from tests.rig.broker import Broker, mosquitto_path
from tests.runtime.sending import MILESIGHT, Agent, iso, now_minute, periodic, trigger

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(mosquitto_path() is None, reason="Mosquitto is not installed"),
]


@pytest.fixture
async def broker(tmp_path):
    (tmp_path / "broker").mkdir()
    made = Broker(tmp_path / "broker", {}, mosquitto=True)
    await made.start()
    yield made
    await made.stop()


async def publish(broker, topic, message):
    """As a camera does, with QoS 1: it has done its part when the broker has the message."""
    command = ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", topic, "-s"]
    made = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE)
    await made.communicate(json.dumps(message).encode())
    assert made.returncode == 0


async def test_the_broker_keeps_what_comes_while_the_agent_is_dead(tmp_path, broker):
    """A subscription outlives a kill; what was published twice, or delivered again, counts once."""
    minute = now_minute() - 600
    sensors = {"door": MILESIGHT, "side": MILESIGHT}
    topics = {"door": "cameras/door/+", "side": "cameras/side"}
    async with Agent(tmp_path, sensors, broker.port, topics=topics) as agent:
        await agent.until(lambda: "cameras_broker_reached" in agent.process.log.read_text())
        await publish(broker, "cameras/door/uplink", periodic(minute, 4, 3))
        await agent.until(agent.rows)
        await agent.kill()
        for number in range(1, 6):
            await publish(broker, "cameras/door/uplink", periodic(minute + 60 * number, number, 0))
            await publish(broker, "cameras/side", trigger(minute + number))
        await publish(broker, "cameras/door/uplink", periodic(minute + 60, 1, 0, again=True))
        await publish(broker, "cameras/elsewhere", periodic(minute, 100, 100))
        await agent.start()
        rows = await agent.until(lambda: len(found := agent.rows()) == 13 and found)

    told = {key: row[1] for key, row in rows.items() if row[1]}
    assert told == {
        ("door", "line:1", "in", minute): 4.0,
        ("door", "line:1", "out", minute): 3.0,
        ("side", "line:1", "in", minute): 5.0,
        **{("door", "line:1", "in", minute + 60 * number): float(number) for number in range(1, 6)},
    }


async def test_running_totals_over_mqtt(tmp_path, broker):
    """Counters of ONVIF Profile M and of Axis: what they grew by is told by the minute, a restart of theirs once."""
    onvif = ("onvif", 'rules = { "In" = "line:1 in", "Out" = "line:1 out" }')
    axis = ("axis", 'application = "object-analytics"\nscenarios = { "1" = "line:1 in" }')
    topics = {"side": "onvif-ej/#", "door": "axis/+/Device1Scenario1"}
    agent = Agent(tmp_path, {"side": onvif, "door": axis}, broker.port, topics=topics, clock=f"60x,{iso(now_minute())}")

    async def tell(came, left, total):
        for rule, count in (("In", came), ("Out", left)):
            source = {"VideoSourceConfigurationToken": "0", "Rule": rule}
            topic = "onvif-ej/RuleEngine/CountAggregation/Counter"
            await publish(broker, topic, {"UtcTime": iso(0), "Source": source, "Data": {"Count": str(count)}})
        message = {"serial": "S", "message": {"data": {"total": str(total)}}}
        await publish(broker, "axis/ObjectAnalytics/Device1Scenario1", message)
        seen = len(agent.rows(Origin.LIVE))
        await agent.until(lambda: len(agent.rows(Origin.LIVE)) >= seen + 3)

    async with agent:
        await agent.until(lambda: "cameras_broker_reached" in agent.process.log.read_text())
        for told in ((40, 7, 9000), (44, 7, 9002), (44, 9, 9003), (1, 0, 9003)):
            await tell(*told)
        rows = agent.rows(Origin.LIVE)

    sums, estimated = {}, {}
    for (sensor, place, metric, _), (length, value, quality) in rows.items():
        assert length <= 300
        sums[sensor, place, metric] = sums.get((sensor, place, metric), 0) + value
        if quality & Quality.ESTIMATED:
            estimated[sensor, metric] = value
    assert sums == {("side", "line:1", "in"): 5, ("side", "line:1", "out"): 2, ("door", "line:1", "in"): 3}
    assert estimated == {("side", "in"): 1, ("side", "out"): 0}


@pytest.mark.parametrize(
    ("subscription", "topic", "is_one"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a", True),
        ("a/b", "a/b/", False),
        ("+/b", "a", False),
    ],
)
def test_which_topics_are_subscribed_to(subscription, topic, is_one):
    """As MQTT says it; a message goes to all sensors whose subscription has its topic."""
    assert matches(subscription, topic) is is_one
