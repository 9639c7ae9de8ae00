"""Small shops for these tests, a clock in the hand, and a client that knows nothing of the simulator."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import re
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from yarl import URL

from agent.simulator import cgi
from agent.simulator.memory import Memory
from agent.simulator.scenario import Scenario
from agent.simulator.shop import Shop
from agent.simulator.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FRIDAY = "2026-11-20T14:20:00+00:00"  # Lisbon is on UTC then
ALL_DAY = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), "00:00-24:00")
LINES = "/dataloader.cgi?dw=vcalogcsv&report_type=0&statistics_type=3&linetype=31"
REGIONS = (
    "/dataloader.cgi?dw=regionalcountlogcsv&report_type=0&lengthtype=0&length=0&region1=1&region2=1&region3=1&region4=1"
)
HEAT = "/dataloader.cgi?dw=heatmapcsv&sub_type=0"
COUNTERS = "/cgi-bin/operator/operator.cgi?action=get.vca.alarmstatus"
CAMERA = {"id": "door", "auth": "none", "line": [{"number": 1, "counts": "door:main"}]}


def between(query: str, since: str, until: str) -> str:
    """The query with its times, both included."""
    return f"{query}&time_start={since}&time_end={until}"


def day(query: str, date: str) -> str:
    return between(query, f"{date}-00:00:00", f"{date}-23:59:59")


def scenario(*cameras: dict[str, Any], **changes: Any) -> Scenario:
    """A shop that is never empty for long, with the cameras given (`CAMERA` for none)."""
    return Scenario.model_validate(
        {
            "seed": 1,
            "history_days": 10,
            "store": {"name": "Test", "time_zone": "Europe/Lisbon", "hours": ALL_DAY},
            "arrivals": {"visits_per_day": 900, "by_hour": [1] * 24, "groups": [0.7, 0.3]},
            "door": [{"name": "main"}, {"name": "side"}],
            "corridor": {"passers_per_day": 600, "by_hour": [1] * 24, "window_share": 0.3},
            "zone": [{"name": "shoes", "pull": 0.5}, {"name": "sale", "pull": 0.4}],
            "till": {"buyers": 0.4},
            "camera": list(cameras) or [CAMERA],
            **changes,
        }
    )


class Hand:
    """A clock that somebody moves; `sleep` wakes when it was moved far enough."""

    def __init__(self, text: str = FRIDAY) -> None:
        self.at = datetime.fromisoformat(text).timestamp()
        self._moved = asyncio.Event()

    def __call__(self) -> float:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    def set(self, text: str) -> None:
        self.move(datetime.fromisoformat(text).timestamp() - self.at)

    async def sleep(self, seconds: float) -> None:
        until = self.at + seconds
        while self.at < until:
            await self._moved.wait()


def memory(plan: Scenario, clock: Hand) -> Memory:
    """The memory of the first camera."""
    return Memory(plan.camera[0], Shop(plan), clock)


def ask(asked: Memory, target: str) -> str:
    """What the camera says, without a network."""
    parts = urlsplit(target)
    return cgi.answer(asked, parts.path, dict(parse_qsl(parts.query))).body.decode()


def rows(body: str) -> list[dict[str, str]]:
    """A CSV body by header name."""
    return list(csv.DictReader(io.StringIO(body), skipinitialspace=True))


def column(body: str, name: str) -> list[int]:
    return [int(row[name]) for row in rows(body)]


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Any

    @property
    def text(self) -> str:
        return self.body.decode()


class Running:
    """A store that answers, its clock, and one session."""

    def __init__(self, addresses: Any, clock: Hand, session: aiohttp.ClientSession) -> None:
        self.addresses = addresses
        self.clock = clock
        self.session = session

    async def get(self, target: str, camera: str = "door", **headers: str) -> Reply:
        """A plain GET, the target sent as it is written here."""
        url = URL(f"http://{self.addresses['cameras'][camera]}{target}", encoded=True)
        async with self.session.get(url, headers=headers, allow_redirects=False) as answer:
            return Reply(answer.status, await answer.read(), answer.headers)

    async def tell(self, command: str, **body: object) -> int:
        async with self.session.post(f"{self.addresses['control']}/{command}", json=body) as answer:
            return answer.status

    async def truth(self, query: str = "", camera: str = "door") -> dict[str, Any]:
        async with self.session.get(f"{self.addresses['control']}/truth{query}") as answer:
            found = await answer.json()
            return dict(found["cameras"][camera])


@asynccontextmanager
async def running(plan: Scenario, clock: Hand | None = None) -> AsyncIterator[Running]:
    """A store on loopback ports."""
    clock = clock or Hand()
    timeout = aiohttp.ClientTimeout(total=10)
    async with open_store(plan, clock) as store, aiohttp.ClientSession(timeout=timeout) as session:
        plans = asyncio.create_task(store.follow_plans(clock.sleep))
        try:
            yield Running(store.addresses, clock, session)
        finally:
            plans.cancel()
            await asyncio.wait([plans])


def basic(username: str = "counter", password: str = "example") -> str:  # noqa: S107 - of a simulated camera
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def digest(challenge: str, target: str, password: str = "example", count: int = 1) -> str:  # noqa: S107 - of a simulated camera
    """A Digest answer made by hand, by RFC 7616."""
    said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    nc = f"{count:08x}"

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    who, what = md5(f"counter:{said['realm']}:{password}"), md5(f"GET:{target}")
    response = md5(f"{who}:{said['nonce']}:{nc}:c0ffee:auth:{what}")
    return (
        f'Digest username="counter", realm="{said["realm"]}", nonce="{said["nonce"]}", uri="{target}", '
        f'qop=auth, nc={nc}, cnonce="c0ffee", response="{response}"'
    )
