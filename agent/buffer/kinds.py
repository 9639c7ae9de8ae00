"""The four kinds of row in the one sequence of numbers: their tables, their schemas, and their records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.buffer.seals import is_whole, is_whole_row
from agent.contract import happenings, wire
from agent.contract.happenings import Alert, ManualCount
from agent.contract.observation import LedgerEntry, Observation, Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.contract.observation import Series

    Row = tuple[Any, ...]
    Columns = tuple[dict[str, list[str]], dict[str, Any]]

AFTER = "SELECT * FROM observation WHERE number > ? ORDER BY number LIMIT ?"
BETWEEN = 'SELECT * FROM observation WHERE start >= ? AND start < ? AND "end" > ? ORDER BY start'
OPEN_ENTRIES = "SELECT * FROM ledger WHERE state = 'pending' ORDER BY start"
EVER = 2**62  # seconds


class Kind(NamedTuple):
    """One kind: which table, which schema on the wire, at most how many a batch, and how rows become columns."""

    table: str
    schema: str
    most: int
    is_whole: Callable[[Sequence[Any]], bool]
    columns: Callable[[Sequence[Row], Mapping[int, Series]], Columns]


def observation_of(row: Row, series: Mapping[int, Series]) -> Observation:
    """The record of a row of the table."""
    _, key, start, end, value, quality, lower, upper, n, _ = row
    sensor, place, metric, origin = series[key]
    return Observation(sensor, place, metric, start, end, value, origin, Quality(quality), lower, upper, n)


def entry_of(row: Row) -> LedgerEntry:
    """The ledger entry of a row of the table."""
    _, sensor, start, end, state, reason, numbers, _ = row
    return LedgerEntry(sensor, start, end, state, reason, tuple((a, b) for a, b in json.loads(numbers)))


OBSERVATION = Kind(
    "observation",
    wire.OBSERVATIONS,
    1000,
    is_whole_row,
    lambda rows, series: wire.observation_columns([observation_of(row, series) for row in rows]),
)
LEDGER = Kind(
    "ledger", wire.LEDGER, 1000, is_whole, lambda rows, _: wire.ledger_columns([entry_of(row) for row in rows])
)
# A text has at most 500 characters: a hundred stay far below what a message may have.
ALERT = Kind(
    "alert",
    happenings.ALERTS,
    100,
    is_whole,
    lambda rows, _: happenings.alert_columns([Alert(*row[1:-1]) for row in rows]),
)
MANUAL = Kind(
    "manual",
    happenings.MANUAL,
    100,
    is_whole,
    lambda rows, _: happenings.manual_columns([ManualCount(*row[1:-1]) for row in rows]),
)
# Few and small before many: what people wait for never stands behind a month of minutes.
KINDS = (ALERT, LEDGER, MANUAL, OBSERVATION)
