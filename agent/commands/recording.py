"""Recorded observations as CSV: `sensor,place,metric,start,end,value`, read with the mistakes people make in mind.

last-month.csv:7: column start: "2026-03-02 09:00" has no zone — write 2026-03-02 09:00Z or 2026-03-02 09:00+01:00
"""

from __future__ import annotations

import csv
import difflib
import math
from array import array
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.contract.happenings import ManualCount
from agent.contract.metrics import METRICS
from agent.contract.observation import WIDEST, Observation, Origin, Quality, checked
from agent.contract.times import parse_rfc3339
from agent.runtime.recorded import UNSAID, Columns, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

COLUMNS = ("sensor", "place", "metric", "start", "end", "value")
ALSO = ("origin", "quality")  # read where they are there; every other column is passed over
MOST_BYTES = 2 * 1024**3  # a year of minutes of twenty lines is 1.6 GB
MOST_ROWS = 25_000_000
MOST_SERIES = 5000
MOST_ERRORS = 20  # nobody mends more in one go
MOST_COUNTS = 10_000  # made by hand
LONGEST_LINE = 20_000  # characters
LONGEST_TIME = 40
STORE = "store"  # what was worked out in a store is worked out afresh


class RecordingError(Exception):
    """A recording cannot be read; the text has a line for each error, with file, line, column and remedy."""


class Read(NamedTuple):
    """A recording, and what in it counts for nothing, in words."""

    recording: Recording
    remarks: tuple[str, ...]


class _Wrong(ValueError):
    """What is wrong in one column."""

    def __init__(self, column: str, text: str) -> None:
        super().__init__(text)
        self.column = column


def read_recording(file: Path, known: Collection[str] | None = None) -> Read:
    """The recording of a file; `known` are the sensors of the layout, whose absence is remarked upon.

    Raises:
        RecordingError: all that is wrong with it, up to twenty errors.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise RecordingError(f"{file}: more than 2 GiB — give it in parts, with --from and --to")
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = _Rows(file)
            rows.read(iter(lambda: lines.readline(LONGEST_LINE), ""))
    except OSError as error:
        raise RecordingError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RecordingError(f"{file}: not UTF-8 at byte {error.start} — save it as UTF-8") from None
    return Read(rows.recording(), tuple(rows.remarks(known)))


def read_counts(file: Path) -> list[ManualCount]:
    """Counts made by hand: `sensor,line,from,to,in,out`, and `by` where it is there.

    Raises:
        RecordingError: what is wrong with it, with file and line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(islice(csv.DictReader(iter(lambda: lines.readline(LONGEST_LINE), "")), MOST_COUNTS))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{file}: {error}") from None
    return [_count(f"{file}:{line}", row) for line, row in enumerate(rows, 2)]


def _count(where: str, row: dict[str, str]) -> ManualCount:
    for name in ("sensor", "line", "from", "to", "in", "out"):
        if not row.get(name):
            raise RecordingError(f"{where}: column {name} is missing or empty — sensor,line,from,to,in,out")
    try:
        start, end = (int(parse_rfc3339(row[name].strip())) for name in ("from", "to"))
        entered, left = int(row["in"]), int(row["out"])
    except ValueError as error:
        raise RecordingError(f"{where}: {error} — write times such as {_LIKE} and whole persons") from None
    line = row["line"].strip().removeprefix("line:")
    return ManualCount(row["sensor"].strip(), f"line:{line}", start, end, entered, left, row.get("by") or "staff")


class _Rows:
    """The columns of a file as they fill."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._series: dict[tuple[str, str, str], int] = {}
        self._moments: dict[str, int] = {}
        self._which, self._start, self._end, self._value = array("i"), array("q"), array("q"), array("d")
        self._origin, self._quality = array("b"), array("h")
        self._errors: list[str] = []
        self._absent = self._worked_out = 0

    def read(self, lines: Iterator[str]) -> None:
        """Take in a file's text."""
        first = next(lines, "")
        separator = max(",;\t", key=first.count)
        table = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        try:
            pick = self._picker(next(csv.reader([first], delimiter=separator, skipinitialspace=True), []))
            for fields in table:
                if fields:
                    self._take(fields, pick, table.line_num + 1)
        except csv.Error as error:
            self._errors.append(f"{self._file}:{table.line_num + 1}: {error} — is a quotation mark left open above?")
        if self._errors:
            raise RecordingError("\n".join(self._errors))

    def _picker(self, header: list[str]) -> Callable[[list[str]], tuple[str, ...]]:
        names = [name.strip().lower() for name in header]
        for name in COLUMNS:
            if names.count(name) != 1:
                raise RecordingError(f"{self._file}:1: {_no_column(name, names)}")
        # An export of headquarters' view `counts` says how each number came to be.
        at = [names.index(name) for name in COLUMNS]
        also = [names.index(name) if name in names else None for name in ALSO]
        width = max(at) + 1

        def pick(fields: list[str]) -> tuple[str, ...]:
            if len(fields) < width:
                missing = next(name for name, i in zip(COLUMNS, at, strict=True) if i >= len(fields))
                raise _Wrong(missing, f"the line ends before it, after {len(fields)} of {len(names)} columns")
            more = [fields[i].strip() if i is not None and i < len(fields) else "" for i in also]
            return tuple([fields[i].strip() for i in at] + more)

        return pick

    def _take(self, fields: list[str], pick: Callable[[list[str]], tuple[str, ...]], line: int) -> None:
        try:
            self._row(*pick(fields))
        except _Wrong as wrong:
            self._errors.append(f"{self._file}:{line}: column {wrong.column}: {wrong}")
            if len(self._errors) >= MOST_ERRORS:
                raise RecordingError("\n".join([*self._errors, f"{self._file}: and no further; mend these"])) from None

    def _row(
        self,
        sensor: str,
        place: str,
        metric: str,
        start: str,
        end: str,
        value: str,
        origin: str,
        quality: str,
    ) -> None:
        if not value:
            self._absent += 1  # a gap is a gap, never 0
            return
        series = self._series.get((sensor, place, metric))
        if series is None:
            if sensor == STORE and metric != "staff":
                self._worked_out += 1
                return
            series = self._new_series(sensor, place, metric)
        begins, ends = self._moment(start, "start"), self._moment(end, "end")
        if not 0 < ends - begins <= WIDEST:
            raise _Wrong("end", f"{end!r} is not after the start, or more than 25 hours after it — see both columns")
        if len(self._which) >= MOST_ROWS:
            raise RecordingError(f"{self._file}: more than {MOST_ROWS:,} rows — give it in parts, with --from and --to")
        self._value.append(_number(value))
        self._origin.append(_of("origin", origin))
        self._quality.append(_of("quality", quality))
        self._which.append(series)
        self._start.append(begins)
        self._end.append(ends)

    def _new_series(self, sensor: str, place: str, metric: str) -> int:
        if metric not in METRICS:
            close = difflib.get_close_matches(metric, METRICS, n=1)
            remedy = f'did you mean "{close[0]}"?' if close else f"devices tell {', '.join(METRICS)}"
            raise _Wrong("metric", f"{metric!r} is nothing a device tells — {remedy}")
        try:
            checked(Observation(sensor, place, metric, 0, 1, 0.0, Origin.LIVE, Quality.MEASURED))
        except ValueError as error:
            raise _Wrong(str(error).partition(" ")[0], str(error).partition(" ")[2]) from None
        if len(self._series) >= MOST_SERIES:
            raise RecordingError(f"{self._file}: more than {MOST_SERIES} places and metrics — is this one store?")
        return self._series.setdefault((sensor, place, metric), len(self._series))

    def _moment(self, text: str, column: str) -> int:
        moment = self._moments.get(text)
        if moment is None:
            try:
                moment = int(parse_rfc3339(text[:LONGEST_TIME]))
            except ValueError as error:
                has_reason = "has no zone" in str(error)
                reason = str(error).replace("; ", " — ") if has_reason else f"{text[:40]!r} is no time — write {_LIKE}"
                raise _Wrong(column, reason) from None
            if len(self._moments) >= 1_000_000:  # noqa: PLR2004 - two years of minutes, about 100 MB
                self._moments.clear()
            self._moments[text] = moment
        return moment

    def recording(self) -> Recording:
        """What was read, in order."""
        return Recording(
            Columns(
                list(self._series),
                np.array(self._which, dtype=np.int32),
                np.array(self._start, dtype=np.int64),
                np.array(self._end, dtype=np.int64),
                np.array(self._value, dtype=np.float64),
                np.array(self._origin, dtype=np.int8),
                np.array(self._quality, dtype=np.int16),
            )
        )

    def remarks(self, known: Collection[str] | None) -> Iterator[str]:
        """What counts for nothing."""
        if self._worked_out:
            yield f"{self._worked_out} rows of sensor store are not read: what a store works out is worked out afresh"
        if self._absent:
            yield f"{self._absent} rows have no value: gaps"
        if known is None:
            return
        for sensor in sorted({sensor for sensor, _, _ in self._series} - set(known)):
            close = difflib.get_close_matches(sensor, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(known)) or 'none'}"
            yield f"sensor {sensor} is not in the layout, so its rows count for nothing; {remedy}"


@lru_cache(256)
def _of(column: str, text: str) -> int:
    """The code of an origin, the mask of a quality."""
    try:
        if column == "quality":
            return int(Quality.of_words(text or "measured"))
        return int(Origin[text.upper()]) if text else UNSAID
    except KeyError:
        known = [one.word for one in Origin] if column == "origin" else [str(one.name).lower() for one in Quality]
        raise _Wrong(column, f"{text[:40]!r} is none — write one of {', '.join(known)}, or leave it empty") from None


_LIKE = "2026-03-02T09:00:00Z or 2026-03-02T09:00:00+01:00"


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        remedy = "write the decimal point as a point" if "," in text else "write a number, or nothing for a gap"
        raise _Wrong("value", f"{text[:40]!r} is no number — {remedy}") from None
    if not math.isfinite(value):
        raise _Wrong("value", f"{text!r} is no count — leave the value empty for a gap")
    return value


def _no_column(name: str, names: list[str]) -> str:
    if name in names:
        return f"column {name} is there twice — keep one"
    close = difflib.get_close_matches(name, names, n=1)
    remedy = f'is it "{close[0]}"?' if close else f"the first line names the columns: {','.join(COLUMNS)}"
    return f"there is no column {name} — {remedy}"
