"""Where a brand's reader writes down what it found, interval by interval; local times are placed at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.metrics import METRICS, Adds
from agent.contract.observation import WIDEST, is_place
from agent.contract.times import MINUTE
from agent.drivers.base import Counter, Garbled, History, Kind, Row
from agent.drivers.reading.localtime import Span, spans
from agent.drivers.reading.table import MAX_PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

MAX_VALUES = 100_000  # a year of hours of ten counts
_KINDS = {"visits": Kind.REGIONS, "person_seconds": Kind.HEAT, "occupancy": Kind.OCCUPANCY}


class _Local(NamedTuple):
    start: int
    end: int
    value: float
    raw: str


class Sheet:
    """Values by place and metric. `problem` and the error of a value say where it stands: `lines[2].in`.

    `closed` False keeps intervals that lie ahead of `now`: a device that sends counts has a clock of its own.
    """

    def __init__(self, zone: ZoneInfo | None, now: float, *, closed: bool = True) -> None:
        self.zone, self.now, self.closed = zone, now, closed
        self.rows: dict[tuple[str, str, int], Row] = {}
        self.crossings: dict[tuple[str, str, int], Row] = {}
        self.counters: dict[tuple[str, str], Counter] = {}
        self.problems: list[Garbled] = []
        self._local: dict[tuple[str, str], list[_Local]] = {}
        self._count = 0

    def problem(self, what: str, raw: object = "") -> None:
        """Something that could not be read; what is beyond `MAX_PROBLEMS` is not kept."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Garbled(what[:300], str(raw)[:500]))

    def value(self, where: str, found: object, read: Callable[[object], float]) -> float | None:
        """A value as `read` reads it; None and a problem where it cannot, None alone where there is none."""
        if found is None or found == "":
            return None
        try:
            return read(found)
        except ValueError as error:
            self.problem(f"{where}: {str(found)[:40]!r} {error}", found)
            return None

    def add(
        self,
        place: str,
        metric: str,
        start: float,
        end: float,
        value: float | None,
        raw: str = "",
        *,
        partial: bool = False,
    ) -> None:
        """A value over [start, end) in UTC seconds, or of the moment `start` where both are the same."""
        first, last = int(start), int(end)
        if value is None or (self.closed and first > self.now) or not self._fits(place, first, last, raw):
            return
        self.rows[place, metric, first] = Row(place, metric, first, last, float(value), raw[:40], partial=partial)

    def add_local(self, place: str, metric: str, start: int, end: int, value: float | None, raw: str = "") -> None:
        """A value over an interval of the device's wall clock."""
        end += end % MINUTE == 59  # noqa: PLR2004 - an end that is the last second of a minute is inclusive
        if value is not None and self._fits(place, start, end, raw):
            self._local.setdefault((place, metric), []).append(_Local(start, end, value, raw[:40]))

    def cross(self, place: str, metric: str, at: float, value: float | None, raw: str = "") -> None:
        """Something that happened at a moment: it adds to its minute."""
        start = int(at) // MINUTE * MINUTE
        if value is None or not self._fits(place, start, start + MINUTE, raw):
            return
        key = place, metric, start
        before = self.crossings[key].value if key in self.crossings else 0.0
        self.crossings[key] = Row(place, metric, start, start + MINUTE, before + value, raw[:40])

    def count(self, place: str, metric: str, value: float | None) -> None:
        """A running total or a flag."""
        if value is not None and self._fits(place, 0, 1, ""):
            self.counters[place, metric] = Counter(place, metric, value)

    def _fits(self, place: str, start: int, end: int, raw: str) -> bool:
        self._count += 1
        if self._count > MAX_VALUES:
            raise Garbled("more values than any camera tells", raw)
        if not is_place(place):
            self.problem(f"{place[:40]!r} is no line or region that can be numbered: 0 to 999", raw)
        elif not 0 <= end - start <= WIDEST:
            self.problem("an end that is not after the start, or more than 25 hours after it", raw)
        else:
            return True
        return False

    def history(self, *, pushed: bool = False) -> History:
        """All rows, oldest first; counters as rows of no length at `now`."""
        self.place_local()
        at = int(self.now)
        rows = [*self.rows.values(), *self.crossings.values()]
        rows += [Row(place, metric, at, at, value) for place, metric, value in self.counters.values()]
        return History(sorted(rows, key=lambda row: row.start), self.problems, pushed)

    def place_local(self) -> None:
        """Turn what is in local time into rows.

        Raises:
            Garbled: there are local times, and no zone to read them in.
        """
        if not self._local:
            return
        if self.zone is None:
            raw = next(iter(self._local.values()))[0].raw
            what = "the times are local and carry no zone; name it with --zone, such as --zone Europe/Lisbon"
            raise Garbled(what, raw)
        for (place, metric), found in self._local.items():
            for span, one in _placed(found, metric, self.zone, self.now):
                if one.start == one.end:  # a moment
                    self.add(place, metric, span.start, span.start, one.value, one.raw)
                elif span.start < span.end and not (self.closed and span.start > self.now):
                    row = Row(place, metric, span.start, span.end, one.value, one.raw, span.repeated)
                    self.rows[place, metric, span.start] = row
                elif span.start == span.end and one.value:
                    self.problem(f"{one.raw} is in the hour that the start of summer time left out, and yet has counts")
        self._local.clear()


def _placed(found: Sequence[_Local], metric: str, zone: ZoneInfo, now: float) -> list[tuple[Span, _Local]]:
    """One value a span: of those with one label the last, of those with one span between them the sum."""
    latest: dict[tuple[Span, int, int], _Local] = {}
    for span, one in zip(
        spans([(one.start, max(one.end, one.start + 1)) for one in found], zone, now), found, strict=True
    ):
        latest[span, one.start, one.end] = one
    joined: dict[Span, _Local] = {}
    for (span, _, _), one in latest.items():
        before = joined.get(span)
        if before and METRICS[metric].adds is Adds.SUM and span.repeated:
            joined[span] = before._replace(value=before.value + one.value)
        else:
            joined[span] = one
    return list(joined.items())


def kind_of(row: Row) -> Kind:
    """What kind of data a row is."""
    if row.metric.startswith("alarm_") or (row.start == row.end and METRICS[row.metric].adds is Adds.SUM):
        return Kind.HEAT if row.place.startswith("cell:") else Kind.COUNTERS
    if row.metric.startswith(("queue_", "abandoned")):
        return Kind.QUEUE
    return Kind.DWELL if row.metric.startswith("dwell_") else _KINDS.get(row.metric, Kind.LINES)


def of_kind(history: History, kind: Kind | None) -> tuple[Kind, History]:
    """What `decode` returns: everything and the kind of most of it, or the rows of the kind that was asked for.

    Raises:
        Garbled: there is something in it, and nothing of that kind.
    """
    kinds = [kind_of(row) for row in history.rows]
    if kind is None:
        return max(kinds, key=lambda one: (kinds.count(one), one), default=Kind.LINES), history
    rows = [row for row, own in zip(history.rows, kinds, strict=True) if own is kind]
    if history.rows and not rows:
        raise Garbled(f"it tells {' and '.join(sorted(set(kinds)))}, where {kind} was expected", "", 1, 1)
    return kind, history._replace(rows=rows)
