"""Fifty simulated cameras polled once a second: the CPU of a request until its rows are committed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import aiohttp
import aiosqlite
from durable import BARE, DISK
from figures import Figure

from agent.buffer.buffer import Buffer
from agent.contract.times import HOUR
from agent.drivers.base import Device
from agent.drivers.milesight import open_driver
from agent.foundation.clock import Clock
from agent.runtime.book import Book
from agent.runtime.collector import Collector
from agent.runtime.poller import INTERVALS, Poller, settled_hour
from agent.runtime.readings import Memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CAMERAS = 50
SPEED = 60.0  # a tick of the store's minute is a second
TICKS = 10
ZONE = ZoneInfo("Europe/Lisbon")
NOON = 1_773_748_830.0  # 2026-03-17T12:00:30Z, half a second before a tick
PATIENCE = 60.0
ACCOUNT = ("counter", "example")  # of every simulated camera

SCENARIO = """
seed = 1
history_days = 1
store = {name = "Bench", time_zone = "Europe/Lisbon"}
arrivals = {visits_per_day = 2000, by_hour = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}
door = [{name = "main"}]
"""


def scenario() -> str:
    camera = '[[camera]]\nid = "cam-{n}"\nauth = "basic"\nline = [{{number = 1, counts = "door:main"}}]\n'
    return SCENARIO + "".join(camera.format(n=n) for n in range(CAMERAS))


def polling() -> list[Figure]:
    clock = Clock(SPEED, NOON, time.time())
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        ready = Path(folder, "ready.json")
        Path(folder, "scenario.toml").write_text(scenario())
        command = [sys.executable, "-m", "agent", "simulate", f"{folder}/scenario.toml", "--clock", clock.text]
        with Path(folder, "cameras.log").open("wb") as log:
            cameras = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + PATIENCE
            while not ready.exists():
                if cameras.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no cameras: {Path(folder, 'cameras.log').read_text()[-1500:]}")
                time.sleep(0.05)
            addresses = json.loads(ready.read_text())["cameras"]
            ours, requests = asyncio.run(_ours(Path(folder, "ours.db"), addresses, clock))
            bare = asyncio.run(_bare(Path(folder, "bare.db"), addresses))
        finally:
            cameras.terminate()
            cameras.wait(timeout=20)
    a_camera = ours * requests / TICKS / CAMERAS
    return [
        Figure(
            "a request: answered, parsed, committed (50 cameras at 1 Hz)", ours, "ms CPU", 1.0, bare, "GET + commit"
        ),
        Figure(f"  a camera and tick of {requests / TICKS / CAMERAS:.1f} requests", a_camera, "ms CPU"),
    ]


async def _measured(tick: Callable[[], Awaitable[object]], asked: list[int]) -> tuple[float, int]:
    """CPU milliseconds a request over some ticks, after two unmeasured ones."""
    for _ in range(2):
        await tick()
    asked[0] = 0
    before = time.process_time()
    for _ in range(TICKS):
        await tick()
    return (time.process_time() - before) * 1000 / asked[0], asked[0]


def _session(asked: list[int]) -> aiohttp.ClientSession:
    """A session as the agent's, which counts its requests."""
    trace = aiohttp.TraceConfig()

    async def count(*_: object) -> None:
        asked[0] += 1

    trace.on_request_end.append(count)
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        connector=aiohttp.TCPConnector(limit=64, limit_per_host=2),
        trace_configs=[trace],
    )


async def _ours(path: Path, addresses: dict[str, str], clock: Clock) -> tuple[float, int]:
    asked = [0]
    buffer = await Buffer.open(path, clock, 1 << 30)
    async with _session(asked) as session:
        pollers = []
        for name, address in addresses.items():
            device = Device(name, address, ZONE, session, clock.now, *ACCOUNT)
            book = Book()
            driver = open_driver(device)
            for kind in driver.cadence:
                if kind in INTERVALS:
                    book.memories[kind] = Memory(settled_hour(clock.now() - HOUR, ZONE), cold=False)
            pollers.append(Poller(name, driver, ZONE, book))
        collector = Collector(pollers, {}, buffer, clock, offset=0.0)

        async def tick() -> None:
            await collector.tick(await collector._next_tick())

        figures = await _measured(tick, asked)
        await collector.close()
    silent = [poller.sensor for poller in pollers if not poller.condition.up]
    if silent:
        raise RuntimeError(f"the benchmark's cameras do not answer: {silent[:3]} {pollers[0].condition}")
    await buffer.close()
    return figures


async def _bare(path: Path, addresses: dict[str, str]) -> float:
    """The same cameras asked for one value each, without understanding it, and one commit a tick."""
    asked, made = [0], [0]
    async with _session(asked) as session, aiosqlite.connect(path) as link:
        await link.executescript(BARE)

        async def one(address: str) -> bytes:
            target = f"http://{address}/cgi-bin/operator/operator.cgi?action=get.vca.alarmstatus"
            async with session.get(target, auth=aiohttp.BasicAuth(*ACCOUNT)) as answer:
                answer.raise_for_status()
                return await answer.read()

        async def tick() -> None:
            bodies = await asyncio.gather(*map(one, addresses.values()))
            made[0] += 1
            rows = [(made[0], n, made[0] + 60, len(body), 1, 1, n) for n, body in enumerate(bodies)]
            await link.executemany("INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            await link.commit()

        return (await _measured(tick, asked))[0]
