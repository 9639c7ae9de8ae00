"""From a table of local intervals to rows in UTC: what every brand does with the two columns of times."""

from __future__ import annotations

from functools import partial
from itertools import chain, repeat
from operator import lt, sub
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.contract.observation import WIDEST
from agent.contract.times import DAY
from agent.drivers.base import Garbled, History, Row
from agent.drivers.reading.localtime import Span, spans, steady

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.reading.table import Table


_ROW = partial(tuple.__new__, Row)
_NO = repeat(False)
YEAR = 366 * DAY


class Series(NamedTuple):
    """One column of numbers, a cell a row; None where the row was refused."""

    place: str
    metric: str
    values: list[float | None]


def intervals(
    table: Table, start: int, end: int, series: Sequence[Series], zone: ZoneInfo | None, now: float
) -> History:
    """The rows of a table whose columns `start` and `end` are local times, oldest first.

    Intervals that have not yet begun are left out, and so are refused rows: those are problems. A row that came twice
    counts as it came last.

    Raises:
        Garbled: there are times, and no zone to read them in.
    """
    if zone is None:
        if not table.rows:
            return History([], table.problems)
        what = "the times are local and carry no zone; name it with --zone, such as --zone Europe/Lisbon"
        raise Garbled(what, table.rows[0][start], table.lines[0], start + 1)
    begins, ends = table.times(start), table.times(end)
    if plain := _plain(table, begins, ends, zone, now):
        own = list(map(str.strip, table.cells(start)))
        return History(_made(*plain, [False] * len(own), own, series), table.problems)
    labels = _labels(table, begins, ends, end)
    placed = dict(zip(labels, spans(list(labels.values()), zone, now), strict=True))
    kept: dict[int, Span] = {}
    for row, span in placed.items():
        if span.start > now:
            table.refused.pop(row, None)  # whatever it says of an hour to come
        elif span.start < span.end:
            if row not in table.refused:
                kept[row] = span
        elif any(column.values[row] for column in series):
            table.refuse(row, start, "is in the hour that the start of summer time left out, and yet it has counts")
    order = _joined(kept, labels, series)
    return History(_rows(order, kept, table.cells(start), series), table.problems)


def _plain(
    table: Table, begins: Sequence[int | None], ends: Sequence[int | None], zone: ZoneInfo, now: float
) -> tuple[list[int], list[int]] | None:
    """Start and end of each row in UTC, where there is nothing to decide: nearly always.

    That is: every cell could be read, each row begins after the one before and has begun, and the clock was not set on
    any of the days. It saves half of the time that a table of 1,440 rows takes.
    """
    if table.refused or not begins:
        return None
    first = [begin for begin in begins if begin is not None]
    last = [end + (end % 60 == 59) for end in ends if end is not None]  # noqa: PLR2004 - the last second of a minute
    lengths = list(map(sub, last, first))
    if min(lengths) <= 0 or max(lengths) > WIDEST or not all(map(lt, first, first[1:])) or first[0] + YEAR < first[-1]:
        return None
    offset = steady(first[0], max(last), zone)
    if offset is None or first[-1] - offset > now:
        return None
    return [begin - offset for begin in first], [end - offset for end in last]


def _rows(order: list[int], kept: dict[int, Span], raws: Sequence[str], series: Sequence[Series]) -> list[Row]:
    """The rows of these spans, without values that could not be read."""
    if not order:
        return []
    begins, ends, repeats = zip(*map(kept.__getitem__, order), strict=True)
    own = [raws[row].strip() for row in order]
    chosen = [one._replace(values=[one.values[row] for row in order]) for one in series]
    made: list[Any] = _made(begins, ends, repeats, own, chosen)
    return [row for row in made if row.value is not None]


def _made(
    begins: Sequence[int], ends: Sequence[int], repeats: Sequence[bool], raws: Sequence[str], series: Sequence[Series]
) -> list[Row]:
    """The rows, interval by interval; made a column at a time, since making them is most of what parsing costs.

    8,640 took 7 ms one by one, 3.6 with `Row._make`, 1.8 with what that calls; 0.6 are the garbage collector's.
    """
    columns = [
        map(_ROW, zip(repeat(place), repeat(metric), begins, ends, values, raws, repeats, _NO))
        for place, metric, values in series
    ]
    return list(chain.from_iterable(zip(*columns, strict=True)))


def _labels(
    table: Table, begins: Sequence[int | None], ends: Sequence[int | None], end: int
) -> dict[int, tuple[int, int]]:
    """The label of each row that has one; an end is open, so a device's 10:59:59 becomes 11:00:00."""
    labels = {}
    for row, (first, last) in enumerate(zip(begins, ends, strict=True)):
        if first is None or last is None:
            continue
        last += last % 60 == 59  # noqa: PLR2004, PLW2901 - the last second of a minute
        if 0 < last - first <= WIDEST:
            labels[row] = first, last
        else:
            table.refuse(row, end, "is not after the start, or more than 25 hours after it")
    return labels


def _joined(kept: dict[int, Span], labels: dict[int, tuple[int, int]], series: Sequence[Series]) -> list[int]:
    """One row a span, oldest first: of those that came twice the last; those with one span between them, added."""
    latest = {(span, labels[row]): row for row, span in kept.items()}
    first: dict[Span, int] = {}
    for row in sorted(latest.values()):
        together = first.setdefault(kept[row], row)
        if together != row:
            for _, _, values in series:
                values[together] = (values[together] or 0) + (values[row] or 0)
    return sorted(first.values(), key=lambda row: kept[row])
