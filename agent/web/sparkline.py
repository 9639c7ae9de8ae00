"""A sensor's day as bars, drawn by the server: a zero is a bar's foot, a gap is a gap, the future is empty."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import HOUR
from agent.web.phrases import number, stretch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

HOURS = 24  # of a day; the two days of the year with 23 and 25 show as they are
STEP = 16  # units an hour, of which the bar takes 12
HEIGHT = 36
FOOT = 1.5  # of a measured zero


class Sparkline(NamedTuple):
    """The path data of the bars and of the gaps, and the same in words."""

    width: int
    bars: str
    gaps: str
    words: str


def sparkline(today: Sequence[float | None], since: float, zone: ZoneInfo) -> Sparkline:
    """The day that began at `since`, a bar for each hour that was told."""
    highest = max((value for value in today if value is not None), default=0.0)
    bars = "".join(
        f"M{index * STEP + STEP // 2} {HEIGHT}v-{FOOT + (HEIGHT - FOOT) * max(0.0, value) / max(1.0, highest):.4g}"
        for index, value in enumerate(today)
        if value is not None
    )
    gaps = "".join(f"M{start * STEP} {HEIGHT - 1}H{end * STEP}" for start, end in _gaps(today))
    return Sparkline(max(HOURS, len(today)) * STEP, bars, gaps, _words(today, highest, since, zone))


def _gaps(today: Sequence[float | None]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for index, value in enumerate(today):
        if value is None and found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        elif value is None:
            found.append((index, index + 1))
    return found


def _words(today: Sequence[float | None], highest: float, since: float, zone: ZoneInfo) -> str:
    told = [value for value in today if value is not None]
    if not told:
        return "Nothing counted yet today"
    busiest = since + today.index(highest) * HOUR
    begin, end = (datetime.fromtimestamp(moment, zone).strftime("%H:%M") for moment in (busiest, busiest + HOUR))
    most = f"most, {number(highest)}, from {begin} to {end}" if highest else "nobody so far"
    missing = len(today) - len(told)
    gap = f"; no numbers for {stretch(missing * HOUR)}" if missing else ""
    return f"Today by the hour: {most}{gap}"
