"""Kernels beside the same loop in C and beside themselves uncompiled."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from figures import Figure, cpu_ms

if TYPE_CHECKING:
    from collections.abc import Callable

from agent.kernels.occupancy import occupancy_clamped
from agent.kernels.registry import warm_up

CAMERAS = 100
STEPS = 30 * 1440  # of each: 30 days of minutes
SLOW = 2  # cameras run uncompiled, where a million steps take a second; scaled

C = """
#include <math.h>
void occupancy(const double *entered, const double *left, double *out, int n) {
    double inside = 0.0;
    for (int i = 0; i < n; i++) {
        double step = entered[i] - left[i];
        if (!isnan(step)) { inside += step; if (inside < 0) inside = 0; }
        out[i] = inside;
    }
}
"""


def counts() -> tuple[np.ndarray, np.ndarray]:
    """Persons in and out by minute, with one minute in a hundred missing."""
    random = np.random.default_rng(3)
    entered, left = (random.poisson(0.5, (CAMERAS, STEPS)).astype(np.float64) for _ in range(2))
    entered[random.random(entered.shape) < 0.01] = np.nan
    return entered, left


def compiled_c(folder: str) -> ctypes.CDLL | None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source, library = Path(folder, "twin.c"), Path(folder, "twin.so")
    source.write_text(C)
    subprocess.run([compiler, "-O3", "-shared", "-fPIC", "-o", str(library), str(source), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def in_c(library: ctypes.CDLL, entered: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The twin, called as the kernel is: one call a camera, with a new array for what comes out."""
    out = np.empty_like(entered)
    library.occupancy(*(ctypes.c_void_p(array.ctypes.data) for array in (entered, left, out)), STEPS)
    return out


def occupancy() -> list[Figure]:
    entered, left = counts()
    mode = warm_up()

    def over_cameras(loop: Callable[[np.ndarray, np.ndarray], object], cameras: int) -> None:
        for camera in range(cameras):
            loop(entered[camera], left[camera])

    (slow,) = cpu_ms(lambda: over_cameras(lambda e, x: occupancy_clamped.plain(e, x, 0.0), SLOW), times=3)
    slow *= CAMERAS / SLOW
    with tempfile.TemporaryDirectory() as folder:
        library = compiled_c(folder)
        if library is None or mode != "numba":
            return [Figure(f"occupancy uncompiled (kernels: {mode})", _speed(slow), "M/s")]
        if not np.array_equal(in_c(library, entered[7], left[7]), occupancy_clamped(entered[7], left[7], 0.0)):
            raise RuntimeError("C and the kernel disagree")
        fast, c = cpu_ms(
            lambda: over_cameras(lambda e, x: occupancy_clamped(e, x, 0.0), CAMERAS),
            lambda: over_cameras(lambda e, x: in_c(library, e, x), CAMERAS),
            times=15,
        )
    what = "occupancy, 100 cameras x 30 days of minutes: numba"
    return [
        Figure(what, _speed(fast), "M/s", 0.8, _speed(c), "C -O3", of_ratio=True, more=True),
        Figure("  the same uncompiled", _speed(slow), "M/s", None, _speed(c), "C -O3"),
    ]


def _speed(milliseconds: float) -> float:
    """Million steps a second."""
    return CAMERAS * STEPS / milliseconds / 1000
