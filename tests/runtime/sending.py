"""A real agent whose sensors send, and messages such as their cameras write."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from datetime import UTC, datetime

import aiohttp

from agent.contract.observation import Origin, Quality
from tests.rig.processes import Process, python

# Planted: no log, page or file of the agent may ever hold it.
SECRET = "canary-5f2c9d10b7e84a63"  # noqa: S105 - of nothing
AGENT = """
[store]
tenant = "acme"
id = "s1"
[device]
id = "pi-1"
[mqtt]
host = "127.0.0.1"
port = {broker}
[push]
host = "127.0.0.1"
port = {port}
[buffer]
path = "buffer.db"
[page]
port = 0
[kernels]
mode = "python"
"""
SENSOR = """
[[sensor]]
id = "{id}"
driver = "{driver}"
address = "192.0.2.10"
{push}
[sensor.options]
{options}
"""
LAYOUT = """
version = "1"
effective_from = 2026-01-01
time_zone = "UTC"
"""
MILESIGHT = ("milesight", 'family = "push"')


class Agent:
    """`footfall-agent run` in a folder, started and killed as often as a test likes."""

    def __init__(self, folder, sensors, broker=9, *, topics=None, port=0, clock=""):
        self.folder = folder
        text, layout = AGENT.format(broker=broker, port=port), LAYOUT
        for name, (driver, options) in sensors.items():
            push = f'push = {{ topic = "{topics[name]}" }}' if topics else f'push = {{ secret_file = "{name}.secret" }}'
            text += SENSOR.format(id=name, driver=driver, options=options, push=push)
            layout += f'[[sensor]]\nid = "{name}"\n'
            (folder / f"{name}.secret").write_text(SECRET)
            (folder / f"{name}.secret").chmod(0o600)
        (folder / "agent.toml").write_text(text)
        (folder / "layout.toml").write_text(layout)
        self._ready = folder / "ready.json"
        command = python("agent", "run", "--config", str(folder / "agent.toml"), "--ready-file", str(self._ready))
        command += ["--clock", clock] if clock else []
        self.process = Process("agent", command, folder, {"PYTHONPATH": ":".join(filter(None, sys.path))})
        self.session = None

    async def __aenter__(self):
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=10))
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        await self.process.stop()

    async def start(self):
        self._ready.unlink(missing_ok=True)
        await self.process.start()
        facts = await self.process.ready(self._ready)
        self.port, self.page = facts["push_port"], facts["page"]

    async def kill(self):
        await self.process.kill()

    def url(self, sensor, secret=SECRET):
        return f"http://127.0.0.1:{self.port}/push/{sensor}" + (f"/{secret}" if secret else "")

    async def post(self, sensor, body, *, secret=SECRET, **options):
        """The status of a message that is answered; 0 where the agent went away meanwhile."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            async with self.session.post(self.url(sensor, secret), data=data, **options) as answer:
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return 0

    def rows(self, origin=Origin.PUSH):
        """What the buffer holds, by sensor, place, metric and start."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'buffer.db'}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                'SELECT sensor, place, metric, start, "end", value, quality FROM observation JOIN series'
                " ON series.id = observation.series WHERE origin = ?",
                (int(origin),),
            ).fetchall()
        return {tuple(row[:4]): (row[4] - row[3], row[5], Quality(row[6])) for row in found}

    async def until(self, claim, within=30.0):
        """What `claim` returns once that is something."""
        async with asyncio.timeout(within):
            while not (found := claim()):  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(0.05)
        return found


def now_minute():
    return int(time.time()) // 60 * 60


def iso(moment):
    return datetime.fromtimestamp(moment, UTC).isoformat()


def info(serial="6767E00000000021"):
    return {"device_sn": serial, "device_mac": "24:E1:24:00:00:01", "running_time": int(time.monotonic())}


def periodic(start, came, left, *, line=1, length=60, again=None):
    """VS125: the persons of a period, nested, with a running total that tells of the same persons."""
    made = {
        "device_info": info(),
        "time_info": {"start_time": iso(start), "end_time": iso(start + length), "time_zone": "UTC+0:00"},
        "line_periodic_data": [{"line": line, "line_name": "Line1", "total": {"in": came, "out": left}}],
        "line_total_data": [
            {"line": line, "total": {"in_counted": 9000 + came, "out_counted": 9100, "capacity_counted": -7141}}
        ],
    }
    return made | ({} if again is None else {"isRetransmission": again})


def trigger(at, came=1, left=0, *, line=1, **more):
    """VS135: one crossing, flat."""
    return {
        "device_info": info(),
        "time_info": {"time": iso(at), "time_zone": "UTC+0:00"},
        "line_trigger_data": [{"line": line, "in": came, "out": left}],
        **more,
    }
