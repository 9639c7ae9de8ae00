"""How many persons are inside, from those who came and those who left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.kernels.registry import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@kernel("float64[::1](float64[::1], float64[::1], float64)")
def occupancy_clamped(entered: NDArray[np.float64], left: NDArray[np.float64], start: float) -> NDArray[np.float64]:
    """Persons inside after each interval, never below zero; a missing count is no movement. Arrays of equal length."""
    out = np.empty_like(entered)
    inside = start
    for i in range(entered.size):
        step = entered[i] - left[i]
        if not np.isnan(step):
            inside = max(0.0, inside + step)
        out[i] = inside
    return out
