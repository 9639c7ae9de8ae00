"""A recorded answer as the rows that the agent would make of it: what `footfall-agent decode` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.contract.observation import Origin, Quality
from agent.contract.times import rfc3339
from agent.drivers.base import Garbled, Kind, Row
from agent.drivers.reading.brands import brand

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

SETTLED = 90  # seconds after its end until a device no longer revises an interval


def observations(
    driver: str, body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float
) -> tuple[list[dict[str, Any]], list[Garbled]]:
    """The rows of one body that count as JSON objects, oldest first, and what of it could not be read.

    A total that the device itself added up from lines of the same answer is no number of its own and is left out.

    Raises:
        ValueError: there is no such driver.
    """
    try:
        _, history = brand(driver).decode(body, kind, zone, now)
    except Garbled as error:
        return [], [error]
    by_line = {(row.metric, row.start) for row in history.rows if row.place.startswith("line:")}
    counting = [row for row in history.rows if row.place != "sensor" or (row.metric, row.start) not in by_line]
    return [_shown(row, now) for row in counting], list(history.problems)


def _shown(row: Row, now: float) -> dict[str, Any]:
    origin, quality = _told(row, now)
    return {
        "place": row.place,
        "metric": row.metric,
        "start": rfc3339(row.start),
        "end": rfc3339(row.end),
        "value": int(row.value) if row.value.is_integer() else row.value,
        "origin": origin.word,
        "quality": quality.words,
    }


def _told(row: Row, now: float) -> tuple[Origin, Quality]:
    if row.start == row.end:  # a running counter: a reading of a moment
        return Origin.LIVE, Quality.PROVISIONAL
    quality = Quality.ESTIMATED if row.repeated else Quality.MEASURED
    return Origin.LOG, quality | Quality.PROVISIONAL if now < row.end + SETTLED else quality
