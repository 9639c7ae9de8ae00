"""One row of the table: a figure, the limit measured beside it in the same run, and what we hold ourselves to."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass
class Figure:
    """`target` is an upper bound of the figure, or of its ratio to the limit (`of_ratio`); `more`: a lower one."""

    what: str
    value: float
    unit: str
    target: float | None = None
    limit: float | None = None
    limit_name: str = ""
    of_ratio: bool = False
    more: bool = False

    @property
    def ratio(self) -> float | None:
        return self.value / self.limit if self.limit else None

    @property
    def holds(self) -> bool | None:
        judged = self.ratio if self.of_ratio else self.value
        if self.target is None or judged is None:
            return None
        return judged >= self.target if self.more else judged <= self.target

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "holds": self.holds}

    def as_line(self) -> str:
        limit = f"{_short(self.limit)} {self.limit_name}" if self.limit is not None else "-"
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else "-"
        sign = "≥" if self.more else "≤"
        target = (
            f"{sign} {_short(self.target)}{' x limit' if self.of_ratio else ''}" if self.target is not None else "-"
        )
        mark = {True: "holds", False: "MISSED", None: ""}[self.holds]
        return f"{self.what:58} {_short(self.value):>9} {self.unit:7} {limit:38} {ratio:>6}  {target:15} {mark}"


HEADING = f"{'what':58} {'figure':>9} {'unit':7} {'limit, same run':38} {'ratio':>6}  {'target':15}"


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cpu_ms(*works: Callable[[], object], times: int = 15) -> list[float]:
    """The median CPU milliseconds of each, taken in turns so that a noisy moment hits all of them."""
    return medians(works, times, time.process_time)


def medians(works: Iterable[Callable[[], object]], times: int, clock: Callable[[], float]) -> list[float]:
    """The median milliseconds of each by this clock, after one unmeasured turn."""
    works = list(works)
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(times + 1):
        for work, mine in zip(works, taken, strict=True):
            before = clock()
            work()
            if turn:
                mine.append((clock() - before) * 1000)
    return [statistics.median(mine) for mine in taken]


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
