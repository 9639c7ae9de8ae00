"""One crowd, a camera of every brand at its doors, one real agent: each family's day is in the buffer, hour by hour."""

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from agent.contract.observation import Origin
from agent.contract.times import HOUR, utc_of
from agent.simulator.sender import Sender
from agent.simulator.store import open_store
from tests.drivers.families import ASKED, PUSHED, Day
from tests.runtime.sending import AGENT, SECRET, Agent
from tests.simulator.shops import scenario

pytestmark = pytest.mark.timeout(150)
ZONE = ZoneInfo("Europe/Lisbon")
DOORS = [{"number": 1, "counts": "door:main"}, {"number": 2, "counts": "door:side"}]


def yesterday():
    """The last local day that is over, in UTC seconds."""
    midnight = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return utc_of(midnight - timedelta(days=1), ZONE), utc_of(midnight, ZONE)


def camera(family):
    push = {"push": {"every": 900}} if family.how == "pushed" else {}
    model = {"id": family.name, "driver": family.driver, "family": family.family, "auth": family.auth}
    return model | {"line": DOORS[: family.lines]} | family.camera | push


def inline(found):
    """A TOML value."""
    if isinstance(found, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {inline(value)}" for key, value in found.items()) + " }"
    return json.dumps(found)


def sensor(family, address):
    way = f'push = {{ secret_file = "{family.name}.secret" }}' if family.how == "pushed" else ""
    account = 'username = "counter"\npassword_file = "camera.password"' if family.how == "history" else ""
    options = f"options = {inline(family.options)}" if family.options else ""
    about = f'[[sensor]]\nid = "{family.name}"\ndriver = "{family.driver}"\naddress = "{address}"\n'
    return f'{about}zone = "Europe/Lisbon"\n{account}\n{way}\n{options}\n'


def configured(folder, addresses):
    """The files of an agent whose sensors are these cameras."""
    layout = 'version = "1"\neffective_from = 2026-01-01\ntime_zone = "Europe/Lisbon"\n'
    text = AGENT.format(broker=9, port=0) + "[history]\ndays = 2\npause = 0.0\n[cameras]\nloopback = true\n"
    for family in ASKED + PUSHED:
        text += sensor(family, addresses[family.name])
        layout += f'[[sensor]]\nid = "{family.name}"\n'
        (folder / f"{family.name}.secret").write_text(SECRET)
        (folder / f"{family.name}.secret").chmod(0o600)
    (folder / "camera.password").write_text("example")
    (folder / "camera.password").chmod(0o600)
    (folder / "agent.toml").write_text(text)
    (folder / "layout.toml").write_text(layout)


def by_hour(folder, start, end):
    """What the buffer holds of the day, by sensor, line, metric and hour; finer rows added up."""
    with closing(sqlite3.connect(f"file:{folder / 'buffer.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            'SELECT sensor, place, metric, start, "end", value FROM observation JOIN series'
            " ON series.id = observation.series WHERE origin IN (?, ?) AND metric IN ('in', 'out')"
            " AND place LIKE 'line:%' AND start >= ? AND \"end\" <= ? AND value IS NOT NULL",
            (int(Origin.LOG), int(Origin.PUSH), start, end),
        ).fetchall()
    found, covered = {}, {}
    for name, place, metric, since, until, value in rows:
        if place in {"line:1", "line:2"}:
            key = name, place, metric, (since - start) // HOUR
            found[key] = found.get(key, 0) + value
            covered[key] = covered.get(key, 0) + until - since
    return {key: value for key, value in found.items() if covered[key] == HOUR}


async def handed_over(agent, camera, start, end, name):
    """The day's messages of a camera, sent late as after an outage; the camera's own sender does it."""
    sender = Sender(camera.brand, camera.served, time.time, lambda: (True, True))
    sender._waiting += [(message, True) for message in camera.brand.messages(start, end)]

    async def send(message, body):
        return await agent.post(name, body, headers={"Content-Type": message.content_type}) == 200

    while sender._waiting:
        await sender.hand_over(send)
        await asyncio.sleep(0.02)


async def test_every_brand(tmp_path):
    """A day asked of nine families and sent by nine is the same in the buffer: what really happened, line by line."""
    start, end = yesterday()
    plan = scenario(*(camera(family) for family in ASKED + PUSHED))
    async with open_store(plan, time.time) as store:
        addresses = {family.name: store.addresses["cameras"][family.name] for family in ASKED}
        addresses |= {family.name: "192.0.2.10" for family in PUSHED}
        agent = Agent(tmp_path, {})
        configured(tmp_path, addresses)
        truth = {
            (family.name, f"line:{n}", metric, hour): Day.truth(
                SimpleNamespace(camera=store.cameras[family.name]),
                f"line:{n}",
                metric,
                start + hour * HOUR,
                start + (hour + 1) * HOUR,
            )
            for family in ASKED + PUSHED
            for n in range(1, family.lines + 1)
            for metric in ("in", "out")
            for hour in range((end - start) // HOUR)
        }
        async with agent:
            await asyncio.gather(*(handed_over(agent, store.cameras[f.name], start, end, f.name) for f in PUSHED))
            told = await agent.until(lambda: whole(by_hour(tmp_path, start, end), truth), within=100)

    assert told == truth


def whole(found, truth):
    """What was found, once there is something of everything."""
    found = {key: value for key, value in found.items() if key in truth}
    return found if found.keys() == truth.keys() else None
