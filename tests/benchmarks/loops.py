"""Every kernel of the tests' table beside the same loop in C -O3, two of them uncompiled: million steps a second."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from figures import Figure, cpu_ms

sys.path.insert(0, str(Path(__file__).parents[2]))  # the table lives with the tests

from agent.kernels.occupancy import occupancy_clamped
from agent.kernels.registry import warm_up
from agent.kernels.zones import zone_balance
from tests.kernels.table import CHAIN, TABLE

if TYPE_CHECKING:
    from agent.kernels.registry import Kernel
    from tests.kernels.table import Row

CAMERAS = 100
STEPS = 30 * 1440  # of each: 30 days of minutes
SLOW = 1440  # steps that the uncompiled loop is given; scaled
TARGETS = {"occupancy_clamped": 0.8, "zone_balance": 0.7}
SAME = {"rtol": 1e-9, "atol": 1e-9}  # gcc may order sums and fuse multiplications otherwise


def compiled_c(folder: str) -> ctypes.CDLL | None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    library = Path(folder, "twins.so")
    source = Path(__file__).with_name("twins.c")
    subprocess.run([compiler, "-O3", "-shared", "-fPIC", "-o", str(library), str(source), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def passed(arg: Any) -> list[Any]:
    """An argument as C takes it: an array with its sizes, a whole number, a number."""
    if isinstance(arg, np.ndarray):
        return [ctypes.c_void_p(arg.ctypes.data), *(ctypes.c_longlong(size) for size in arg.shape)]
    return [ctypes.c_longlong(arg) if isinstance(arg, int | np.integer) else ctypes.c_double(arg)]


def in_c(library: ctypes.CDLL, kernel: Kernel[..., Any], args: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The twin, called as the kernel is, with a new array for what comes out."""
    out = np.empty(shape)
    library[kernel.name](*(one for arg in args for one in passed(arg)), ctypes.c_void_p(out.ctypes.data))
    return out


def beside(
    library: ctypes.CDLL | None, kernel: Kernel[..., Any], sets: list[tuple[Any, ...]], what: str, times: int
) -> list[Figure]:
    """A kernel and its twin in C over several sets of arguments of STEPS steps each."""
    steps = len(sets) * STEPS
    shape = kernel(*sets[0]).shape
    if library is None:
        return [Figure(what, steps / cpu_ms(lambda: [kernel(*args) for args in sets], times=times)[0] / 1000, "M/s")]
    np.testing.assert_allclose(in_c(library, kernel, sets[0], shape), kernel(*sets[0]), **SAME)
    numba, c = cpu_ms(
        lambda: [kernel(*args) for args in sets],
        lambda: [in_c(library, kernel, args, shape) for args in sets],
        times=times,
    )
    target = TARGETS.get(kernel.name)
    fast, limit = steps / numba / 1000, steps / c / 1000
    return [Figure(what, fast, "M/s", target, limit, "C -O3", of_ratio=True, more=True)]


def uncompiled(row: Row) -> Figure:
    """The plain loop over a day of minutes."""
    args = row.args(np.random.default_rng(3), SLOW)
    took = cpu_ms(lambda: row.kernel.plain(*args), times=3)[0]
    return Figure(f"  {row.kernel.name}, uncompiled", SLOW / took / 1000, "M/s")


def kernels() -> list[Figure]:
    """The two with a target over 100 cameras, then all others of the table over 30 days of one."""
    mode = warm_up()
    if mode != "numba":
        return [uncompiled(row) for row in TABLE]
    with tempfile.TemporaryDirectory() as folder:
        library = compiled_c(folder)
        figures = [*large(library, occupancy_clamped, 100), *large(library, zone_balance, 25)]
        for row in TABLE:
            if row.kernel.name in TARGETS:
                figures.append(uncompiled(row))
                continue
            args = row.args(np.random.default_rng(3), STEPS)
            figures += beside(library, row.kernel, [args], f"  {row.kernel.name}", times=7)
    return figures


def large(library: ctypes.CDLL | None, kernel: Kernel[..., Any], stores: int) -> list[Figure]:
    random = np.random.default_rng(3)
    counts = random.poisson(0.5, (2 * CAMERAS, STEPS)).astype(np.float64)
    counts[random.random(counts.shape) < 0.01] = np.nan
    if kernel is zone_balance:
        sets: list[tuple[Any, ...]] = [(counts[8 * s : 8 * s + 8], CHAIN, np.zeros(4)) for s in range(stores)]
        what = "four zones from eight counts, 100 cameras x 30 days: numba"
    else:
        sets = [(counts[2 * s], counts[2 * s + 1], 0.0) for s in range(stores)]
        what = "occupancy, 100 cameras x 30 days of minutes: numba"
    return beside(library, kernel, sets, what, times=15)
