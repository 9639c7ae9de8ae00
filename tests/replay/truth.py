"""Truth by `footfall-agent replay`: known worlds go in as CSV, what comes out is held against what really was.

`python3 run.py truth` prints the table with whole worlds; the tests beside it use shorter ones. Each world is written
as a recording, replayed by the command itself, and read back from its JSON.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2]))

from agent.cli import app
from tests.kernels import worlds

HEADER = ("sensor", "place", "metric", "start", "end", "value")
MIDNIGHT = 1_772_409_600  # 2026-03-02T00:00:00Z
DAY = 86400
OPEN = (540, 1330)  # minutes of the day between which the simulated store is open

DOOR = """
version = "1"
effective_from = 2005-01-01
time_zone = "{zone}"
reset_hour = {reset}
[[sensor]]
id = "door"
line = [{{ number = 1 }}]
"""
QUEUE = """
version = "1"
effective_from = 2026-01-01
time_zone = "UTC"
reset_hour = 0
[[sensor]]
id = "till"
tells = ["crossings", "queue_length"]
region = [{ number = 1 }]
line = [{ number = 1, role = "internal" }, { number = 2, role = "internal" }]
[[zone]]
name = "checkout"
purpose = "queue"
places = ["till/region:1"]
joins = ["till/line:2"]
leaves = ["till/line:1"]
"""


class Told(NamedTuple):
    """What a replay told of a metric: moments (starts of windows, or minutes' ends where live), values, bounds."""

    at: np.ndarray
    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


class Answer:
    """The JSON of one replay."""

    def __init__(self, found: dict) -> None:
        self.found = found

    def windows(self, metric: str, place: str = "store") -> Told:
        rows = [one for one in self.found["observations"] if (one["metric"], one["place"]) == (metric, place)]
        return told(
            [one["start"] for one in rows], *([one[name] for one in rows] for name in ("value", "lower", "upper"))
        )

    def live(self, metric: str, place: str = "store") -> Told:
        one = next(one for one in self.found["live"] if (one["metric"], one["place"]) == (metric, place))
        return told(one["at"], one["value"], one["lower"], one["upper"])


def told(at, *columns) -> Told:
    seconds = np.array([datetime.fromisoformat(one).timestamp() for one in at])
    return Told(seconds, *(np.array([np.nan if one is None else one for one in column], float) for column in columns))


def replayed(folder: Path, layout: str, rows, *options: str) -> Answer:
    """A recording through the command."""
    layout_file, history = folder / "layout.toml", folder / "history.csv"
    layout_file.write_text(layout)
    with history.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    found = CliRunner().invoke(
        app, ["replay", str(layout_file), str(history), "--json", *options], catch_exceptions=False
    )
    if found.exit_code:
        raise RuntimeError(found.stderr)
    return Answer(json.loads(found.stdout))


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat()


def rows_of(sensor: str, place: str, metric: str, values, step: int = 60, start: int = MIDNIGHT):
    """A series of equal steps; what is missing is absent."""
    for i, value in enumerate(values):
        if not np.isnan(value):
            at = start + step * i
            yield (sensor, place, metric, moment(at), moment(at + step), repr(float(value)))


# ---- a real building


class Building(NamedTuple):
    """CalIt2, 62 days from 04:00 to 04:00."""

    least: float  # persons inside, ever
    drift: float  # persons a day by which the plain sum ends too high
    live_end: np.ndarray  # persons that live occupancy has left at each day's end
    night_end: np.ndarray  # the same after the night's look back


def building(folder: Path) -> Building:
    zone = ZoneInfo("America/Los_Angeles")
    rows = []
    with (worlds.DATA / "calit2" / "CalIt2.csv").open() as file:
        for flow, day, clock, count in csv.reader(file):
            start = datetime.strptime(f"{day} {clock}", "%m/%d/%y %H:%M:%S").replace(tzinfo=zone)
            way = {"9": "in", "7": "out"}[flow]
            end = start + timedelta(minutes=30)
            rows.append(("door", "line:1", way, start.isoformat(), end.isoformat(), count))
    answer = replayed(folder, DOOR.format(zone=zone.key, reset=4), rows, "--live")
    live, night, net = answer.live("occupancy"), answer.windows("occupancy"), answer.windows("net_flow")

    def by_day(one: Told, back: int) -> dict[int, list[float]]:
        found: dict[int, list[float]] = {}
        for at, value in zip(one.at, one.value, strict=True):
            local = datetime.fromtimestamp(at - back, tz=zone) - timedelta(hours=4)
            found.setdefault(local.toordinal(), []).append(value)
        return dict(sorted(found.items())[1:-1])  # the first and last day of the file are no whole store days

    # At the end of a day the next has begun, so what is left of one is what was told half an hour before.
    return Building(
        min(live.value.min(), night.value.min()),
        float(np.mean([sum(values) for values in by_day(net, 0).values()])),
        np.array([values[-2] for values in by_day(live, 1).values()]),
        np.array([values[-1] for values in by_day(night, 0).values()]),
    )


# ---- a store whose doors miss people


class Inside(NamedTuple):
    """Mean absolute errors of who is inside while the store is open."""

    midnight: float
    live: float
    night: float
    held: float  # the share of moments in which the live interval held the truth
    people: float  # inside on average


def inside(folder: Path, missed: tuple[float, float], days: int = 60, step: int = 1) -> Inside:
    """The simulated store by `step` minutes."""
    world = worlds.store(*missed, days=days)
    rows = [
        row
        for way, counts in (("in", world.entered), ("out", world.left))
        for row in rows_of("door", "line:1", way, counts.reshape(-1, step).sum(axis=1), step * 60)
    ]
    answer = replayed(folder, DOOR.format(zone="UTC", reset=0), rows, "--live")
    truth, minute = world.inside.ravel(), np.arange(world.inside.size) % 1440
    is_open = (minute >= OPEN[0]) & (minute < OPEN[1])

    def off(one: Told, back: int) -> tuple[np.ndarray, np.ndarray]:
        """Errors in the minutes that ended at these moments, while open."""
        at = ((one.at - MIDNIGHT) // 60).astype(int) - back
        mine = (at >= 0) & (at < truth.size)
        mine[mine] &= is_open[at[mine]]
        return np.abs(one.value[mine] - truth[at[mine]]), mine

    live, night = answer.live("occupancy"), answer.windows("occupancy")
    live_off, mine = off(live, 1)
    at = ((live.at[mine] - MIDNIGHT) // 60).astype(int) - 1
    return Inside(
        float(np.abs(np.cumsum(world.entered - world.left, axis=1) - world.inside).ravel()[is_open].mean()),
        float(live_off.mean()),
        float(off(night, 1)[0].mean()),
        float(((live.lower[mine] <= truth[at]) & (truth[at] <= live.upper[mine])).mean()),
        float(truth[is_open].mean()),
    )


# ---- a queue whose every customer is known


class Waits(NamedTuple):
    """Minutes. `now` is the mean error of the wait told to who joins, `naive` that of the formulas it replaces."""

    now: float
    naive: dict[str, float]
    below_ninety: float  # the share of true waits below the upper bound
    by_little: float  # mean wait of the intervals, weighed by who left
    truth: float  # mean wait of the records
    interval: float  # mean error of the interval's wait
    interval_naive: dict[str, float]
    lengths: float


def waits(folder: Path, name: str) -> Waits:
    """Records of ciw: joins and leavings by minute, and the length of the queue when the minute ends."""
    world = worlds.queue(name)
    steps = world.length.size
    length = np.append(world.length[1:], np.nan)
    rows = [
        *rows_of("till", "line:2", "in", world.joined),
        *rows_of("till", "line:1", "in", world.left),
        *rows_of("till", "region:1", "queue_length", length),
    ]
    answer = replayed(folder, QUEUE, rows, "--live")
    now, quarter = answer.live("wait_time", "zone:checkout"), answer.windows("wait_time", "zone:checkout")
    at = ((now.at - MIDNIGHT) // 60).astype(int)
    told_at, bound = np.full((2, steps + 1), np.nan)
    told_at[at], bound[at] = now.value / 60, now.upper / 60
    joins = (world.arrival < steps) & (world.arrival >= 1)
    minute, truth = world.arrival[joins].astype(int), world.wait[joins]
    known = ~np.isnan(told_at[minute])
    minute, truth = minute[known], truth[known]

    change = np.convolve(np.abs(np.diff(world.length, prepend=0)), np.full(20, 1 / 20))[:steps]
    waiting = world.length[minute]
    naive = {
        "length / mean absolute change": waiting / np.maximum(change[minute], 0.05),
        "1.5 min a person": 1.5 * waiting,
        "0.8 a minute": waiting / 0.8,
        "always the mean": np.full(truth.size, truth.mean()),
    }
    each = ((quarter.at - MIDNIGHT) // 900).astype(int)
    departs = ((world.arrival + world.wait) // 15).astype(int)
    there = [np.flatnonzero(departs == i) for i in each]
    true_mean = np.array([world.wait[who].mean() if who.size else np.nan for who in there])
    some = ~np.isnan(true_mean) & ~np.isnan(quarter.value)
    weight = np.array([who.size for who in there])[some]
    quarter_length = np.array([world.length[15 * i : 15 * i + 15].mean() for i in each])[some]
    quarter_change = np.array([np.abs(np.diff(world.length[15 * i : 15 * i + 16])).mean() for i in each])[some]
    guesses = {
        "length / mean absolute change": quarter_length / np.maximum(quarter_change, 0.05),
        "1.5 min a person": 1.5 * quarter_length,
        "0.8 a minute": quarter_length / 0.8,
        "always the mean": np.full(weight.size, world.wait.mean()),
    }
    return Waits(
        float(np.abs(told_at[minute] - truth).mean()),
        {name: float(np.abs(guess - truth).mean()) for name, guess in naive.items()},
        float((truth <= bound[minute]).mean()),
        float((quarter.value[some] / 60 * weight).sum() / weight.sum()),
        float(world.wait.mean()),
        float(np.average(np.abs(quarter.value[some] / 60 - true_mean[some]), weights=weight)),
        {name: float(np.average(np.abs(guess - true_mean[some]), weights=weight)) for name, guess in guesses.items()},
        float(world.length.mean()),
    )


# ---- how many tills


def tills(folder: Path, load: float, late: float) -> tuple[int, int]:
    """Tills for a load in erlangs, at a service level just below and just above the share that waits a service's time.

    n who join in a quarter of an hour are planned for as n + 1.28 √n; the n that makes the load of it is recorded.
    """
    joins = ((math.sqrt(1.28**2 + 4 * 15 * load) - 1.28) / 2) ** 2
    found = []
    for level in (1 - late * 1.000001, 1 - late * 0.999999):
        rows = [
            *rows_of("till", "line:2", "in", [joins / 15] * 15),
            *rows_of("till", "line:1", "in", [joins / 15] * 15),
            *rows_of("till", "region:1", "queue_length", [1.0] * 15),
        ]
        layout = QUEUE + f"lanes = {{ most = 40, service_s = 60, target_wait_s = 60, service_level = {level!r} }}\n"
        found.append(int(replayed(folder, layout, rows).windows("lanes_needed", "zone:checkout").value[0]))
    return found[0], found[1]
