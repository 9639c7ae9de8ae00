"""Recorded histories for tests: written as CSV, replayed by the command itself, read back from its JSON."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime

from typer.testing import CliRunner

from agent.cli import app

HEADER = ("sensor", "place", "metric", "start", "end", "value")
START = 1_773_720_000  # 2026-03-17T04:00:00Z, when this store's day begins
LAYOUT = """
version = "1"
effective_from = 2026-03-01
time_zone = "Europe/Lisbon"
capacity = 20
[[sensor]]
id = "door-1"
line = [{ number = 1 }, { number = 2, role = "passer-by" }]
"""


def moment(seconds):
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat()


def row(sensor, place, metric, start, end, value):
    return (sensor, place, metric, moment(start), moment(end), value)


def write(path, rows, header=HEADER):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def command(*arguments):
    """The command as it is typed: its exit status, standard output and standard error."""
    found = CliRunner().invoke(app, ["replay", *map(str, arguments)], catch_exceptions=False)
    return found.exit_code, found.stdout, found.stderr


def replay(*arguments):
    """What the command tells programs."""
    status, out, err = command(*arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def values(told, metric, place="store"):
    """A metric's values by the start of their windows."""
    return {
        datetime.fromisoformat(one["start"]).timestamp(): one["value"]
        for one in told["observations"]
        if (one["metric"], one["place"]) == (metric, place)
    }
