"""A recorded answer as the rows that the agent would make of it: what `footfall-agent decode` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent.contract.observation import Origin, Quality
from agent.contract.times import rfc3339
from agent.drivers.base import Garbled, Kind, Row
from agent.drivers.reading.brands import brand
from agent.drivers.reading.sheet import kind_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MOST = 4 * 1024 * 1024  # bytes of an envelope
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
        _, history = brand(driver).decode(unwrapped(body), kind, zone, now)
    except Garbled as error:
        return [], [error]
    by_line = {(row.metric, row.start) for row in history.rows if row.place.startswith("line:")}
    counting = [row for row in history.rows if row.place != "sensor" or (row.metric, row.start) not in by_line]
    return [_shown(row, now, pushed=history.pushed) for row in counting], list(history.problems)


def unwrapped(body: bytes) -> bytes:
    """The body itself where it was recorded in an envelope, `{"content_type": …, "body": …}`, to keep its line ends."""
    if len(body) > MOST or body.lstrip()[:1] != b"{" or b'"body"' not in body or b'"content_type"' not in body:
        return body
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return body
    found = envelope.get("body")
    return found.encode("utf-8", "replace") if isinstance(found, str) and "content_type" in envelope else body


def _shown(row: Row, now: float, *, pushed: bool) -> dict[str, Any]:
    origin, quality = _told(row, now, pushed=pushed)
    return {
        "place": row.place,
        "metric": row.metric,
        "start": rfc3339(row.start),
        "end": rfc3339(row.end),
        "value": int(row.value) if row.value.is_integer() else row.value,
        "origin": origin.word,
        "quality": quality.words,
    }


def _told(row: Row, now: float, *, pushed: bool) -> tuple[Origin, Quality]:
    if kind_of(row) is Kind.COUNTERS or (row.start == row.end and not pushed):  # a reading of a moment
        return Origin.LIVE, Quality.PROVISIONAL
    quality = Quality.ESTIMATED if row.repeated or row.partial else Quality.MEASURED
    if pushed:
        return Origin.PUSH, quality
    return Origin.LOG, quality | Quality.PROVISIONAL if now < row.end + SETTLED else quality
