"""Seals: the CRC-32 that everything stored carries, so that a flipped bit is found when it is read."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_ROW = struct.Struct("<qIqqdH")  # number, series, start, end, value, quality: 0.4 us where JSON takes 4
_BOUNDS = struct.Struct("<ddd")
_SIGNED = 1 << 31  # SQLite stores a signed 32-bit integer in four bytes, an unsigned one in six
_ABSENT = 1 << 15  # beside the quality: there is no value, which is not 0


def seal_of(*values: object) -> int:
    """The seal of a few texts and numbers."""
    return crc32(json.dumps(values).encode()) - _SIGNED


def seal_of_row(  # the columns of the table, in its order
    number: int,
    series: int,
    start: int,
    end: int,
    value: float | None,
    quality: int,
    lower: float | None,
    upper: float | None,
    n: float | None,
) -> int:
    """The seal of an observation's row; struct.error or TypeError where a column is not even a number."""
    # + 0.0: SQLite keeps no -0.0
    told = _ROW.pack(
        number, series, start, end, 0.0 if value is None else value + 0.0, quality | _ABSENT * (value is None)
    )
    if lower is None and upper is None and n is None:
        return crc32(told) - _SIGNED
    bounds = [float("nan") if bound is None else bound + 0.0 for bound in (lower, upper, n)]
    return crc32(_BOUNDS.pack(*bounds), crc32(told)) - _SIGNED


def seal_of_plain(number: int, series: int, start: int, end: int, value: float, quality: int) -> int:
    """The same of a row with a value and without bounds, as nearly all are."""
    return crc32(_ROW.pack(number, series, start, end, value + 0.0, quality)) - _SIGNED


def is_whole_row(row: Sequence[Any]) -> bool:
    """Whether an observation's row is what was written."""
    try:
        return bool(seal_of_row(*row[:9]) == row[9])
    except (struct.error, TypeError, IndexError):
        return False


def is_whole(row: Sequence[Any]) -> bool:
    """Whether another row, its seal last, is what was written."""
    try:
        return bool(seal_of(*row[:-1]) == row[-1])
    except (TypeError, IndexError):
        return False


def teach(connection: sqlite3.Connection) -> None:
    """Let migrations seal what older versions wrote."""
    connection.create_function("seal_of", -1, seal_of, deterministic=True)
    connection.create_function("seal_of_row", 9, seal_of_row, deterministic=True)
