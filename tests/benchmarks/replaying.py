"""Recorded history replayed: the command's own way from CSV to alerts, days of minutes of twenty lines."""

from __future__ import annotations

import asyncio
import csv
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from figures import Figure

from agent.commands.recording import read_recording
from agent.kernels.registry import warm_up
from agent.layouts import read_rules, versions
from agent.runtime.replay import lived

DAYS, LINES, MONTH = 3, 20, 30
START = 1_772_409_600  # 2026-03-02T00:00:00Z
RULES = """
[[alert]]
name = "overcrowding"
when = "occupancy_ratio > 0.9"
for = "1m"
[[alert]]
name = "silent-sensor"
kind = "silent"
"""


def history(folder: Path, days: int) -> list[Path]:
    """A layout, its recording and rules."""
    layout, recorded, rules = (folder / name for name in ("layout.toml", "history.csv", "alerts.toml"))
    sensors = "".join(f'[[sensor]]\nid = "door-{i}"\nline = [{{ number = 1 }}]\n' for i in range(LINES))
    head = 'version = "1"\neffective_from = 2026-01-01\ntime_zone = "UTC"\nreset_hour = 0\ncapacity = 500\n'
    layout.write_text(head + sensors)
    rules.write_text(RULES)
    draw = np.random.default_rng(3)
    with recorded.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("sensor", "place", "metric", "start", "end", "value"))
        moments = [datetime.fromtimestamp(START + 60 * i, tz=UTC).isoformat() for i in range(days * 1440 + 1)]
        for start, end in pairwise(moments):
            counts = draw.poisson(0.5, 2 * LINES).tolist()
            table.writerows(
                (f"door-{i // 2}", "line:1", ("in", "out")[i % 2], start, end, n) for i, n in enumerate(counts)
            )
    return [layout, recorded, rules]


def replaying() -> list[Figure]:
    """Seconds for a month; three days are replayed."""
    warm_up()
    with tempfile.TemporaryDirectory() as made:
        layout, recorded, rules = history(Path(made), DAYS)
        before = time.process_time()
        told = read_recording(recorded)
        read = time.process_time() - before
        layouts = versions(layout)
        bound = read_rules(rules, layouts[0])
        before = time.process_time()
        asyncio.run(lived(told.recording, layouts, lambda _: bound, since=0, until=told.recording.ends))
        took = time.process_time() - before
    scale = MONTH / DAYS
    return [
        Figure(f"replay: a month of minutes, {LINES} lines, with rules (3 days, scaled)", took * scale, "s CPU"),
        Figure("  of which reading the CSV comes on top", read * scale, "s CPU"),
    ]
