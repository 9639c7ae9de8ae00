"""Durations as people write them: 90s, 5m, 1h30m, 2d."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_PART = re.compile(r"(\d{1,6})(d|h|m|s)")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
LONGEST = 31 * 86400  # an alert that waits longer has been forgotten


def seconds(text: object) -> int:
    """The whole seconds of a duration.

    Raises:
        ValueError: it is none; the text says what to write.
    """
    if not isinstance(text, str):
        remedy = f'write "{text}s" or "{text}m"' if isinstance(text, int) else 'write a text such as "5m"'
        raise ValueError(f"{text!r} has no unit; {remedy}")  # noqa: TRY004 - pydantic takes ValueErrors alone
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise ValueError(f'{text!r} is no duration; write days, hours, minutes, seconds such as "90s", "5m", "1h30m"')
    units = [unit for _, unit in parts]
    if units != sorted(set(units), key=list(_SECONDS).index):
        raise ValueError(f'{text!r}: each unit once, the longest first, such as "1h30m"')
    total = sum(int(number) * _SECONDS[unit] for number, unit in parts)
    if total > LONGEST:
        raise ValueError(f"{text!r} is longer than 31 days")
    return total


def words(total: float) -> str:
    """Seconds for people: 45 s, 5 min, 2 h 10 min, 3 days."""
    whole = int(total)
    if whole < 2 * 60:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min"
    if whole < 2 * 86400:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 >= 60 else "")  # noqa: PLR2004 - a minute
    return f"{whole // 86400} days"


Duration = Annotated[
    int, BeforeValidator(seconds), WithJsonSchema({"type": "string", "pattern": r"^(\d{1,6}(d|h|m|s) ?)+$"})
]
