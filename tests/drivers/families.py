"""Every family the agent reads, in one shop: the simulated camera, the driver that reads it, and what happened."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from agent.contract.times import DAY, HOUR, utc_of
from agent.drivers.base import Device, Kind
from agent.drivers.reading.brands import brand
from agent.simulator.store import open_store
from tests.simulator.shops import Hand, scenario


class Family(NamedTuple):
    """`how`: its memory is asked for (history), its messages are read (pushed), or its totals run (totals)."""

    driver: str
    family: str
    how: str
    lines: int = 2
    step: int = HOUR
    auth: str = "digest"
    options: dict[str, object] = {}  # noqa: RUF012 - never changed
    camera: dict[str, object] = {}  # noqa: RUF012 - never changed

    @property
    def name(self):
        return f"{self.driver}-{self.family}"


_RULES = {f"Door{n}{way}": f"line:{n} {way.lower()}" for n in (1, 2) for way in ("In", "Out")}
_PLACES = {
    f"line:{n} {metric}": f"{word} {n}" for n in (1, 2) for metric, word in (("in", "Entradas"), ("out", "Salidas"))
}
_ITEMS = {
    f"line:{n} {metric}": f"lines.{n}.{word}" for n in (1, 2) for metric, word in (("in", "entered"), ("out", "left"))
}
_EXPORT = {"path": "/export?from={start:%Y-%m-%dT%H:%M:%S}&to={end:%Y-%m-%dT%H:%M:%S}", "every": 900}
_CSV = _EXPORT | {"separator": ";", "start": "Timestamp", "time": "%d.%m.%Y %H:%M", "columns": _PLACES}
_JSON = _EXPORT | {"format": "json", "rows": "data.items", "start": "start", "columns": _ITEMS}
_ANALYTICS = {"application": "object-analytics", "scenario": 2, "scenarios": {"1": "line:1 in", "2": "line:1 out"}}
_RUNNING = {"counter_reset": ""}
_QUARTER = {"push": {"every": 900}}

FAMILIES = [
    Family("milesight", "camera", "history", auth="basic"),
    Family("milesight", "vs133", "history", options={"family": "vs133"}),
    Family("axis", "people-counter", "history", lines=1, step=900, options={"application": "people-counter"}),
    Family("axis", "3d", "history", lines=1, step=60, options={"application": "3d"}),
    Family("hikvision", "search", "history", lines=1, auth="basic-then-digest"),
    Family("dahua", "rpc2", "history"),
    Family("hanwha", "sunapi", "history", auth="basic-then-digest-then-sha256"),
    Family("generic", "csv", "history", step=900, auth="basic", options=_CSV),
    Family("generic", "json", "history", step=900, auth="none", options=_JSON),
    Family("milesight", "vs125", "pushed", step=60, options={"family": "push"}),
    Family("milesight", "vs135", "pushed", step=60, options={"family": "push"}),
    Family("axis", "retail-data", "pushed", lines=1, step=60, options={"application": "3d"}),
    Family("hikvision", "push", "pushed", lines=1, step=900, camera=_QUARTER),
    Family("xovis", "v5", "pushed", step=60, camera=_QUARTER),
    Family("xovis", "v4", "pushed", step=60),
    Family("vivotek", "csv", "pushed", step=900, camera=_QUARTER),
    Family("vivotek", "json", "pushed", step=900, camera=_QUARTER),
    Family("vivotek", "xml", "pushed", step=900, camera=_QUARTER),
    Family("axis", "object-analytics", "totals", lines=1, step=1800, options=_ANALYTICS, camera=_RUNNING),
    Family("onvif", "mqtt", "totals", step=1800, options={"rules": _RULES}, camera=_RUNNING),
]
ASKED = [family for family in FAMILIES if family.how == "history"]
PUSHED = [family for family in FAMILIES if family.how == "pushed"]


class Shown(NamedTuple):
    """What a driver told: [start, end) in UTC, and whether it covers both passes of a repeated hour."""

    place: str
    metric: str
    start: int
    end: int
    value: float
    repeated: bool = False


class Day:
    """One camera of a family at both doors of the shop, on one local day, when that is over."""

    def __init__(self, rig, family, zone="Europe/Lisbon", day=date(2026, 11, 19), **camera):
        self.family, self.zone, self._rig = family, ZoneInfo(zone), rig
        self.start, self.end = (utc_of(datetime.combine(day + timedelta(days=n), time()), self.zone) for n in (0, 1))
        # Totals run from when the camera was put up; a memory is best asked when the day is over.
        opened = self.start if family.how == "totals" else self.end + DAY
        self.clock = Hand(datetime.fromtimestamp(opened, self.zone).isoformat())
        doors = [{"number": n, "counts": door} for n, door in ((1, "door:main"), (2, "door:side"))]
        model = {"id": "door", "driver": family.driver, "family": family.family, "auth": family.auth}
        model |= {"line": doors[: family.lines], "region": [{"number": 1, "watches": "zone:shoes"}]}
        self.plan = scenario(model | family.camera | camera, store=_store(zone))

    async def open(self):
        store = await self._rig.enter(open_store(self.plan, self.clock))
        self.camera = store.cameras["door"]
        session = (await self._rig.device("192.0.2.10")).session
        address = store.addresses["cameras"]["door"]
        account = {"username": "counter", "password": "example", "options": self.family.options}
        self.driver = brand(self.family.driver).open_driver(
            Device("door", address, self.zone, session, self.clock, **account)
        )
        if hasattr(self.driver, "_pause"):
            self.driver._pause = 0.01  # a simulated counter looks its records up faster
        return self

    async def told(self):
        return await getattr(self, f"_{self.family.how}")()

    async def _history(self):
        found = await self.driver.history(Kind.LINES, self.start, self.end)
        assert list(found.problems) == []
        drawn = [f"line:{line.number}" for line in self.camera.memory.camera.line]
        return [Shown(r.place, r.metric, r.start, r.end, r.value, r.repeated) for r in found.rows if r.place in drawn]

    async def _pushed(self):
        found = []
        for message in self.camera.brand.messages(self.start, self.end):
            read = self.driver.receive(message.body, message.content_type, {"topic": message.topic})
            assert list(read.problems) == []
            assert (read.serial, read.fingerprint) != ("", "")
            found += [Shown(r.place, r.metric, r.start, r.end, r.value) for r in [*read.rows, *read.crossings]]
        return [row for row in found if row.metric in {"in", "out"}]

    async def _totals(self):
        """Running totals as differences from one reading to the next."""
        read = []
        step = self.family.step
        for at in range(self.start, self.end + 1, step):
            self.clock.move(at - self.clock())
            read.append({(c.place, c.metric): c.value for c in await self._counters(at)})
        return [
            Shown(*key, self.start + n * step, self.start + (n + 1) * step, after[key] - before[key])
            for n, (before, after) in enumerate(pairwise(read))
            for key in after
        ]

    async def _counters(self, at):
        if Kind.COUNTERS in self.driver.cadence:
            return await self.driver.counters()
        messages = self.camera.brand.messages(at - 60, at)
        return [c for m in messages for c in self.driver.receive(m.body, m.content_type, {"topic": m.topic}).counters]

    def truth(self, place, metric, start, end):
        """What really crossed."""
        door = {"line:1": "door:main", "line:2": "door:side"}[place]
        shop = self.camera.memory._shop
        moved = [(shop.day(piece.date).movements[door], piece) for piece in shop.pieces(start * 1000, end * 1000)]
        count = "entered" if metric == "in" else "left"
        return sum(getattr(movement, count)(piece.start, piece.end) for movement, piece in moved)


def _store(zone):
    always = dict.fromkeys(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), "00:00-24:00"
    )
    return {"name": "Test", "time_zone": zone, "hours": always}


def series(rows):
    """The rows of each place and metric, oldest first."""
    found = {}
    for row in rows:
        found.setdefault((row.place, row.metric), []).append(row)
    return {key: sorted(part, key=lambda row: row.start) for key, part in found.items()}
