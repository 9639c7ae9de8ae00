"""What each line counted on the last whole days: for doors that disagree, and for the share each way usually has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent.contract.times import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.contract.layout import Layout
    from agent.metrics.day import Day

KEPT = 28  # days
WHOLE = 0.95  # completeness below which a day says nothing
LEAST_DAYS, LEAST_CROSSINGS = 3, 200.0  # before which a share is not known

Total = list[float]  # the day's start, persons in, persons out


class Days:
    """Totals by scope, oldest first; kept as JSON with the alerts' state."""

    def __init__(self, layout: Layout, stored: dict[str, list[Total]] | None = None) -> None:
        self._layout = layout
        self._totals = stored or {}
        self._shares: dict[tuple[str, str], float | None] = {}

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return self._totals

    def add(self, day: Day) -> None:
        """A day is over. What was not whole teaches nothing, and a day counts once."""
        self._shares = {}
        told = float(np.mean((day.entered.told, day.left.told)))
        if day.entered.rows.size and told >= WHOLE:
            self._put("store", day.start, float(np.nansum(day.entered.persons)), float(np.nansum(day.left.persons)))
        for sensor in self._layout.sensor:
            for line in sensor.line:
                place = (sensor.id, f"line:{line.number}")
                ways = [day.rows_of([place], metric) for metric in ("in", "out")]
                if all(rows.size and day.covered[rows].mean() >= WHOLE for rows in ways):
                    came, went = (float(np.nansum(day.counts[rows])) for rows in ways)
                    ordered = (went, came) if line.inverted else (came, went)
                    self._put("/".join(place), day.start, *ordered)

    def _put(self, scope: str, start: int, entered: float, left: float) -> None:
        earlier = [one for one in self._totals.get(scope, []) if start - KEPT * DAY < one[0] < start]
        self._totals[scope] = [*earlier, [float(start), entered, left]]

    def figures(self) -> Iterator[tuple[str, str, float]]:
        """Scope, name and value of what the last whole day was like."""
        for scope, days in self._totals.items():
            yield scope, "entered_last_day", days[-1][1]
            yield scope, "left_last_day", days[-1][2]
            entered, left = _sums(days[:-1])
            if scope != "store" and len(days) > LEAST_DAYS and entered + left >= LEAST_CROSSINGS:
                yield scope, "in_share_expected", entered / (entered + left)

    def share(self, scope: str, name: str) -> float | None:
        """Of all crossings of a line's sensor, the share that falls to the line one way; None before it is known."""
        key = scope, name
        if key not in self._shares:
            self._shares[key] = self._share(scope, name)
        return self._shares[key]

    def _share(self, scope: str, name: str) -> float | None:
        sensor = scope.partition("/")[0]
        lines = [one for own, one in self._totals.items() if own.startswith(f"{sensor}/")]
        total = sum(sum(_sums(days)) for days in lines)
        own = self._totals.get(scope, [])
        if len(own) < LEAST_DAYS or total < LEAST_CROSSINGS:
            return None
        return _sums(own)[0 if name == "entered" else 1] / total


def _sums(days: list[Total]) -> tuple[float, float]:
    return sum(day[1] for day in days), sum(day[2] for day in days)
