"""A year worked out again, in seconds: its loops beside C and pure Python, and the whole engine with all its rows."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING

import loops
import numpy as np
from durable import START
from figures import Figure, cpu_ms

from agent.contract.layout import Layout, Line, Sensor
from agent.contract.observation import Observation, Origin, Quality
from agent.kernels import occupancy, percentiles, trends, windows
from agent.kernels.registry import KERNELS, warm_up
from agent.metrics.history import History
from agent.metrics.past import Past

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.kernels.registry import Kernel

YEAR = 365 * 1440
DAYS = 3  # of the year that the engine is given; scaled
NOISE = np.array([0.1, 0.02, 1.0])


def layout(sensors: int) -> Layout:
    return Layout(
        version="1",
        effective_from="2026-03-01",
        time_zone="Europe/Lisbon",
        capacity=300,
        sensor=tuple(Sensor(id=f"cam-{n}", line=(Line(number=1), Line(number=2))) for n in range(sensors)),
    )


def _steps(entered: np.ndarray, left: np.ndarray) -> list[tuple[Kernel[..., object], tuple[object, ...]]]:
    """What a door's year goes through: who is inside, by minute and looked back on, and how that spreads."""
    unseen = np.full(entered.size, np.nan)
    inside = np.nan_to_num(occupancy.occupancy_clamped(entered, left, 0.0))
    return [
        (occupancy.occupancy_kalman, (entered, left, unseen, 1.02, 1.0, 0.0, 0.0, NOISE)),
        (occupancy.occupancy_reconciled, (entered, left)),
        (windows.tumbling, (entered, 15)),
        (windows.sliding, (entered, 60)),
        (percentiles.tumbling_percentiles, (inside, 60, np.array([0.95]))),
        (trends.smoothed, (entered, 0.1, np.nan)),
    ]


def year() -> list[Figure]:
    """A year of one door's minutes: its loops beside C and pure Python, then the whole engine with all its rows."""
    mode = warm_up()
    random = np.random.default_rng(3)
    entered, left = (random.poisson(0.7, YEAR).astype(np.float64) for _ in range(2))
    steps, day = _steps(entered, left), _steps(entered[:1440].copy(), left[:1440].copy())
    with tempfile.TemporaryDirectory() as folder:
        library = loops.compiled_c(folder)
        works: list[Callable[[], object]] = [lambda: [kernel(*args) for kernel, args in steps]]
        if library is not None:
            shapes = [np.shape(kernel(*args)) for kernel, args in steps]
            works.append(lambda: [loops.in_c(library, k, a, s) for (k, a), s in zip(steps, shapes, strict=True)])
        fast, *c = cpu_ms(*works, times=5)
    plain = cpu_ms(lambda: [kernel.plain(*args) for kernel, args in day], times=3)[0] * 365
    engine = _engine()
    compiled = [one.compiled for one in KERNELS]
    for one in KERNELS:
        one.compiled = None
    uncompiled = _engine()
    for one, was in zip(KERNELS, compiled, strict=True):
        one.compiled = was
    limit = {"limit": c[0] / 1000, "limit_name": "C -O3"} if c else {}
    return [
        Figure(f"a year of minutes of one door, six loops: {mode[:6]}", fast / 1000, "s", **limit),
        Figure("  in pure Python (a day of it, scaled)", plain / 1000, "s"),
        Figure(f"  the whole engine, rows and all ({DAYS} days, scaled): {mode[:6]}", engine, "s"),
        Figure("  the whole engine, kernels uncompiled", uncompiled, "s"),
    ]


def _engine() -> float:
    """Seconds for a year of days worked out from their rows, by the CPU that a few of them take."""
    random, history, made = np.random.default_rng(5), History(), layout(1)
    days = []
    for number in range(DAYS):
        start = START + 14400 + 86400 * number
        counts = random.poisson(0.7, (2, 1440))
        days.append(
            (
                start,
                [
                    _row(start + 60 * m, way, float(counts[w, m]))
                    for w, way in enumerate(("in", "out"))
                    for m in range(1440)
                ],
            )
        )
    before = time.process_time()
    for start, rows in days:
        past = Past(made, start, start + 86400, history)
        past.take(rows)
        found = past.worked_out()
        if found:
            history.put(found.lesson)
    return (time.process_time() - before) / DAYS * 365


def _row(start: int, way: str, value: float) -> Observation:
    return Observation("cam-0", "line:1", way, start, start + 60, value, Origin.LIVE, Quality.MEASURED)
