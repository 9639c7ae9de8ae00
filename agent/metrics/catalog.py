"""How each metric of the edge is worked out: one row a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.contract.layout import Role
from agent.contract.times import MINUTE
from agent.kernels.occupancy import occupancy_clamped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from agent.contract.layout import Layout

# Minutes of one store day by (sensor, place, metric): persons, NaN where nothing was observed.
Minutes = dict[tuple[str, str, str], "NDArray[np.float64]"]


class Metric(NamedTuple):
    """One metric of the edge: its name, its unit, what it needs, and how it is computed over a store day."""

    name: str
    unit: str
    needs: frozenset[Role]
    compute: Callable[[Layout, Mapping[tuple[str, str, str], NDArray[np.float64]], int], NDArray[np.float64]]


def doors(
    layout: Layout, minutes: Mapping[tuple[str, str, str], NDArray[np.float64]], length: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Persons entering and leaving the store in each minute, over all entrance lines after inversion.

    A minute is NaN only where no door told anything: one silent door must not stop the others from counting.
    """
    entered, left = np.full(length, np.nan), np.full(length, np.nan)
    for (sensor, place), line in layout.lines(Role.ENTRANCE).items():
        inward, outward = ("out", "in") if line.inverted else ("in", "out")
        for total, metric in ((entered, inward), (left, outward)):
            told = minutes.get((sensor, place, metric))
            if told is not None:
                known = ~np.isnan(told)
                total[known] = np.nan_to_num(total[known]) + told[known]
    return entered, left


def _occupancy(
    layout: Layout, minutes: Mapping[tuple[str, str, str], NDArray[np.float64]], length: int
) -> NDArray[np.float64]:
    entered, left = doors(layout, minutes, length)
    return occupancy_clamped(entered, left, 0.0)


CATALOG = (Metric("occupancy", "persons", frozenset({Role.ENTRANCE}), _occupancy),)


def minute_of(moment: int, day_start: int) -> int:
    """The index of a moment's minute in its store day."""
    return (moment - day_start) // MINUTE
