"""Single values as devices write them: persons, amounts, moments and wall clocks. Each raises ValueError.

What the error says continues a sentence that begins with the value.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from agent.drivers.reading.localtime import wall_seconds
from agent.drivers.reading.table import MOST, count

_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})", re.ASCII)
_UTC_OFFSET = re.compile(r"(?:UTC|GMT)\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII)
_POSIX = re.compile(r"[A-Za-z]{2,9}([+-]?)(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?(?:[A-Za-z].*)?", re.ASCII)
_LATEST = 7_258_118_400  # the year 2200; beyond, dates are damage
_MILLISECONDS = 10**11  # above, a number of the epoch counts milliseconds: as seconds it would be the year 5138
_HOURS = 15  # no zone is further from UTC


def persons(value: object) -> float:
    """A whole number of persons from 0; some devices write it as text."""
    if isinstance(value, str):
        return count(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST or value != int(value):
        raise ValueError("is no whole number from 0")
    return float(value)


def amount(value: object) -> float:
    """A number from 0, with or without decimals."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) < 40 else math.nan  # noqa: PLR2004 - no number is that long
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise ValueError("is no number from 0")
    return float(value)


def moment(value: object) -> float:
    """UTC seconds of a time that says its zone, or of a number of seconds or milliseconds since 1970."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not value < _LATEST * 1000:  # also NaN, and what is too large to be divided
            raise ValueError("is no date and time")
        return _plausible(value / 1000 if value > _MILLISECONDS else value)
    try:
        found = datetime.fromisoformat(str(value).strip()[:40])
    except ValueError:
        raise ValueError("is no date and time") from None
    if found.tzinfo is None:
        raise ValueError("says no zone")
    try:
        return _plausible(found.timestamp())
    except (OverflowError, ValueError):
        raise ValueError("is no date and time") from None


def _plausible(seconds: float) -> float:
    if not 0 <= seconds < _LATEST:
        raise ValueError("is no date and time")
    return seconds


def has_zone(value: object) -> bool:
    """Whether a time says its own zone: a number does."""
    return not isinstance(value, str) or bool(re.search(r"(?:[Zz]|[+-]\d{2}:?\d{2})\s*\Z", value[10:], re.ASCII))


def wall(value: object) -> int:
    """What a local clock shows: `2026-07-06 08:00:00`, with slashes, a T, a fraction, or all digits together."""
    text = str(value).strip()[:40]
    if found := _COMPACT.fullmatch(text):
        text = "{}-{}-{} {}:{}:{}".format(*found.groups())
    return wall_seconds(text.replace("T", " ", 1).partition(".")[0])


def offset_of(text: object) -> int:
    """Seconds east of UTC from `UTC+8:00`."""
    if isinstance(text, str) and (found := _UTC_OFFSET.match(text.strip())) and int(found[2]) < _HOURS:
        return (int(found[2]) * 3600 + int(found[3] or 0) * 60) * (-1 if found[1] == "-" else 1)
    raise ValueError("is no offset such as UTC+8:00")


def posix_offset(text: str) -> int:
    """Seconds east of UTC from a POSIX zone, whose sign is the other way round: `CST+5:00:00` is UTC-5."""
    if (found := _POSIX.fullmatch(text.strip())) and int(found[2]) < _HOURS:
        west = int(found[2]) * 3600 + int(found[3] or 0) * 60 + int(found[4] or 0)
        return west if found[1] == "-" else -west
    raise ValueError("is no POSIX time zone such as CST-8:00:00")


def wall_in_utc(value: object, offset: int) -> float:
    """UTC seconds of a local time whose offset from UTC is known."""
    return _plausible(wall(value) - offset)


def utc_text(seconds: float) -> str:
    """For a question to a device that wants UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
