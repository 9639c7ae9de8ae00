"""Times: everything inside is UTC in whole seconds since 1970; everything shown is RFC 3339 with its zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MINUTE = 60
HOUR = 3600
DAY = 86400


def rfc3339(seconds: float) -> str:
    """UTC seconds as RFC 3339 ("2026-11-20T07:15:02Z"); fractions are kept to the millisecond where there are any."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def parse_rfc3339(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time.

    Raises:
        ValueError: the text is no time, or carries no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; write {text}Z or {text}+01:00")
    return moment.timestamp()


def utc_of(naive: datetime, zone: ZoneInfo, fold: int = 0) -> int:
    """UTC seconds of a local wall-clock time; `fold` 1 is the second pass of an hour that comes twice."""
    return int(naive.replace(tzinfo=zone, fold=fold).timestamp())


def comes_twice(naive: datetime, zone: ZoneInfo) -> bool:
    """Whether this wall-clock time happens twice (the hour that is repeated at the end of summer time)."""
    return utc_of(naive, zone, 0) < utc_of(naive, zone, 1)


def is_skipped(naive: datetime, zone: ZoneInfo) -> bool:
    """Whether this wall-clock time never happens (the hour that is left out at the start of summer time)."""
    return utc_of(naive, zone, 0) > utc_of(naive, zone, 1)


def store_day(seconds: float, zone: ZoneInfo, reset_hour: int) -> tuple[int, int]:
    """The store day around a moment as [start, end) in UTC: from reset hour to reset hour local, 23, 24 or 25 hours."""
    local = datetime.fromtimestamp(seconds, tz=zone)
    date = local.date()
    if local.hour < reset_hour:
        date -= timedelta(days=1)

    def reset(offset: int) -> int:
        return utc_of(
            datetime.combine(date + timedelta(days=offset), datetime.min.time().replace(hour=reset_hour)), zone
        )

    return reset(0), reset(1)
