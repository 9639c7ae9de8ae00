"""The documents say what the programs send: made from the models, and held against real messages."""

import asyncio
import json
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from agent.contract import caps
from agent.contract.asyncapi import BATCHES, CHANNELS, CLOUD_EVENT, documents
from agent.contract.happenings import Alert, ManualCount
from agent.contract.messages import Desired, document_sha
from agent.documents import FOLDER, texts
from agent.foundation.mqtt import Link, LinkSettings
from agent.sync import desk, telling
from tests.sync.headquarters import BRANCH, QUICK, STARTED, Shop, eventually
from tests.sync.test_desk import desk as a_desk

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text()
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def test_what_is_checked_in_is_what_the_models_say():
    """`python3 run.py documents` after a change of a model, or this fails."""
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == texts()


def test_schemas_are_json_schema_and_references_lead_somewhere():
    """Draft 2020-12, and no link into nothing."""
    made = documents()
    for name, document in made.items():
        if name != "asyncapi.json":
            Draft202012Validator.check_schema(document)
    asyncapi = made["asyncapi.json"]
    for link in re.findall(r'"\$ref": "([^"]+)"', json.dumps(asyncapi)):
        file, _, place = link.removeprefix("./").partition("#")
        found = made[file] if file else asyncapi
        for part in place.split("/")[1:]:
            found = found[part]


def test_expiries_are_those_of_the_programs():
    """The document's figures are the code's."""
    expiry = {channel.leaf: channel.expiry for channel in CHANNELS}

    assert expiry["batch"] == expiry["backlog"] == telling.BATCH_EXPIRY
    assert expiry["health"] == telling.HEALTH_EXPIRY
    assert expiry["alert"] == telling.ALERT_EXPIRY
    assert expiry["reply"] == desk.REPLY_EXPIRY
    assert expiry["live/{zone}"] == 2 * telling.LIVE_EVERY


async def recorded(hq, folder, monkeypatch) -> list:
    """Every message of a device's life with a real receiver: rows of both lanes, a command, a configuration."""
    monkeypatch.setattr(telling, "HEALTH_EVERY", 0.1)
    monkeypatch.setattr(telling, "HEALTH_SOONEST", 0.1)
    heard = []
    ready = asyncio.Event()
    listener = Link(
        LinkSettings("127.0.0.1", hq.port, "listener"),
        subscriptions=[("footfall/v1/#", 1)],
        on_message=heard.append,
        on_up=ready.set,
    )
    listening = asyncio.create_task(listener.run())
    await ready.wait()
    async with Shop(folder / "shop", hq.port, QUICK, desk=a_desk) as shop:
        await shop.count(1, 200)
        await shop.count(300, 40, ago=86_400)
        await shop.settled(240)
        alert = Alert("a1", "queue", "zone:checkout", "firing", "warning", int(time.time()), 7.0, "seven wait")
        count = ManualCount("door", "line:1", STARTED - 900, STARTED, 12, 9)
        await shop.buffer.append(alerts=[alert], manual=[count])
        await shop.uplink.raised([alert])
        await shop.settled(242)
        for leaf, payload in commands().items():
            await shop.uplink._link.publish(telling.Message(BRANCH.topic(leaf), payload))
        leaves = {
            "birth",
            "state",
            "live/store",
            "batch",
            "backlog",
            "alert",
            "health",
            "reply",
            "config/reported",
            "ack",
        }
        await eventually(lambda: leaves <= {"/".join(m.topic.split("/")[5:]) for m in heard})
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return heard


def commands():
    doc = {"settings": {"history": {"days": 3}}}
    common = {"device": BRANCH.device, "expires": LATER}
    return {
        "cmd/diagnose": json.dumps({"id": "1", **common}).encode(),
        "cmd/resend": json.dumps({"id": "2", "epoch": "e", "first": 1, "last": 2, **common}).encode(),
        "config/desired": Desired(version=1, sha256=document_sha(doc), doc=doc).payload(),
    }


def channel_of(topic: str):
    leaf = "/".join(topic.split("/")[5:])
    return next((c for c in CHANNELS if re.fullmatch(c.leaf.replace("{zone}", "[^/]+"), leaf)), None)


async def test_real_messages_fit_their_schemas_and_bindings(receiver, tmp_path, monkeypatch):
    """What agent and receiver really send is what the documents promise, retain flag and user properties included."""
    made = documents()
    seen = set()
    for message in await recorded(receiver, tmp_path, monkeypatch):
        channel = channel_of(message.topic)
        if channel is None:
            assert "/_hq/state/" in message.topic
            continue
        found = json.loads(caps.inflate(message.payload))
        fits = [
            model
            for model in channel.models
            if Draft202012Validator(made[f"{model.__name__}.schema.json"]).is_valid(found)
        ]
        assert fits, (message.topic, found)
        assert channel.qos >= message.qos
        if channel.models == BATCHES:
            assert [name for name, _ in message.properties] == list(CLOUD_EVENT)
            assert message.content_type == channel.content
        seen.add(channel.leaf)

    assert len(seen) >= 13


@pytest.mark.parametrize("language", ["sh", "python"])
async def test_the_examples_for_third_parties_run_as_they_stand(receiver, language, tmp_path):
    """Only the broker's address is another, and there is no TLS on loopback."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    [example] = [block for block in blocks if "mosquitto_sub" in block or "subscribe" in block]
    example = example.replace("mqtt.example.com", "127.0.0.1").replace("8883", str(receiver.port))
    example = example.replace(" --cafile ca.crt", "").replace(', tls={"ca_certs": "ca.crt"}', "")
    command = ["bash", "-c", f"exec {example}"] if language == "sh" else [sys.executable, "-c", example]
    async with Shop(tmp_path / "shop", receiver.port, QUICK) as shop:
        await shop.count(1)
        reader = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        counting = asyncio.create_task(keep_counting(shop))
        line = (await reader.stdout.readline()).decode()
        counting.cancel()
        reader.kill()
        await reader.wait()

    if language == "sh":
        assert re.fullmatch(r"footfall/v1/acme/s1/pi-1/live/store \{.*\"occupancy\":7\.0\}\n", line)
    else:
        assert re.fullmatch(r"door cell:\d+,\d+ in \d+ 1(\.0)?\n", line)


async def keep_counting(shop):
    for k in range(2, 1000):
        await shop.count(k)
        await asyncio.sleep(0.1)
