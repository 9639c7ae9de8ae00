"""A store day of rows as cameras tell them, and a clock that the test moves."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from agent.contract.layout import Layout, Line, Region, Role, Sensor, Told, Zone
from agent.contract.observation import Observation, Origin, Quality
from agent.foundation.clock import Clock
from agent.metrics.history import Lesson, dumped, slot
from agent.metrics.past import fingerprint
from agent.runtime.lookback import LESSON

START = 1_773_720_000  # 2026-03-17T04:00:00Z, when this store's day begins
END = START + 86400
HOUR = 3600

LAYOUT = Layout(
    version="1",
    effective_from="2026-03-01",
    time_zone="Europe/Lisbon",
    sensor=(
        Sensor(id="door-1", line=(Line(number=1), Line(number=2, role=Role.PASSER_BY))),
        Sensor(
            id="door-2",
            line=(Line(number=1, inverted=True),),
            region=(Region(number=1),),
            tells=(Told.CROSSINGS, Told.VISITS, Told.PERSON_SECONDS, Told.OCCUPANCY),
        ),
    ),
    zone=(Zone(name="tills", purpose="queue", places=("door-2/region:1",), capacity=10),),
)


class Hands(Clock):
    """A clock that the test moves."""

    moment = float(START)

    def now(self):
        return Hands.moment


def row(sensor, place, metric, start, end, value, *, origin=Origin.LIVE, quality=Quality.MEASURED):
    return Observation(sensor, place, metric, start, end, value, origin, quality)


def minutes(first, last, *, seed=1, sensors=("door-1", "door-2")):
    """What the cameras told minute by minute: the doors, and the pavement before the first."""
    random = np.random.default_rng(seed)
    made = []
    for minute in range(first, last):
        start = START + 60 * minute
        crossed = [(sensor, "line:1", 1.0) for sensor in sensors] + [("door-1", "line:2", 6.0)]
        made += [
            row(sensor, place, way, start, start + 60, float(random.poisson(mean)))
            for sensor, place, mean in crossed
            for way in ("in", "out")
        ]
    return made


def hours(rows, *, extra=0.0):
    """The same as the cameras' memories tell it, `extra` more in each hour and line."""
    sums = {}
    for one in rows:
        key = (one.sensor, one.place, one.metric, (one.start - START) // HOUR)
        sums[key] = sums.get(key, 0.0) + one.value
    return [
        row(sensor, place, metric, START + HOUR * hour, START + HOUR * (hour + 1), value + extra, origin=Origin.LOG)
        for (sensor, place, metric, hour), value in sums.items()
    ]


def taught(usual, starts, layout):
    """What the cycle keeps of days that were all alike: so many persons in each hour, by scope."""
    minutes = base64.b64encode(zlib.compress(np.zeros((2, 1440), np.float32).tobytes())).decode()
    lessons = [
        Lesson(int(start), int(start) + 86400, fingerprint(layout), 0, 0.0, 0.0, 1.0,
               {scope: [persons] * 24 for scope, persons in usual.items()}, (), minutes)
        for start in starts
    ]  # fmt: skip
    return {LESSON.format(slot(one.start)): dumped(one) for one in lessons}
