"""The description of a source of CSV or JSON: checked, guessed from names where there is none, and followed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.contract.metrics import METRICS
from agent.contract.observation import is_place
from agent.contract.times import DAY, HOUR
from agent.drivers.base import Garbled, Kind, Row
from agent.drivers.reading.documents import json_of
from agent.drivers.reading.sheet import kind_of
from agent.drivers.reading.table import read_table
from agent.drivers.reading.values import amount, has_zone, moment, persons, wall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent.drivers.reading.sheet import Sheet

_KEYS = (
    *("path", "format", "separator", "rows", "start", "end", "every", "time", "zone", "cumulative"),
    *("key_header", "columns"),
)
_HOLE = re.compile(r"\{(start|end)(?::([^{}]*))?\}")
_TARGET = re.compile(r"/[!-~]{0,1000}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_FRONT = re.compile(r"\A\+\+\+\n(.*?)\n\+\+\+\n?", re.DOTALL)
_WHOLE = frozenset({"in", "out", "visits", "occupancy", "staff", "abandoned"})
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Description:
    """What a source's answers look like; the names are those of the configuration."""

    columns: Mapping[tuple[str, str], str]
    start: str = ""
    end: str = ""
    format: str = "csv"
    separator: str = ","
    rows: str = ""
    every: int = HOUR
    time: str = "iso"
    zone: ZoneInfo | None = None
    cumulative: bool = False
    path: str = "/"
    key_header: str = ""
    kinds: frozenset[Kind] = field(default=frozenset())

    def target(self, first: datetime, last: datetime) -> str:
        """Path and query of the question for a stretch of local time."""
        times = {"start": first, "end": last}
        return _HOLE.sub(lambda hole: times[hole[1]].strftime(hole[2] or "%Y-%m-%dT%H:%M:%S"), self.path)


def described(options: Mapping[str, object]) -> Description:
    """The description in a sensor's options.

    Raises:
        ValueError: something in it is wrong; the text names the key and says what to write.
    """
    if unknown := options.keys() - set(_KEYS):
        raise ValueError(f"option {min(unknown)!r}: the options of generic are: {', '.join(_KEYS)}")
    columns = _columns(options.get("columns", {}))
    texts = {key: _text(options, key) for key in ("path", "start", "end", "rows", "time", "key_header", "zone")}
    shape, separator = options.get("format", "csv"), options.get("separator", ",")
    cumulative, every = options.get("cumulative", False), options.get("every", HOUR)
    if shape not in {"csv", "json"}:
        raise ValueError(f"option format is {shape!r}: write csv or json")
    if separator not in SEPARATORS:
        raise ValueError(f"option separator is {separator!r}: write one of {', '.join(map(repr, SEPARATORS))}")
    if not isinstance(cumulative, bool):
        raise ValueError(f"option cumulative is {cumulative!r}: write true or false")  # noqa: TRY004 - one error of settings
    if isinstance(every, bool) or not isinstance(every, int) or not 1 <= every <= DAY:
        raise ValueError(f"option every is {every!r}: write the seconds of an interval, such as 900")
    if not cumulative and not texts["start"]:
        raise ValueError("option start is missing: name the column or path that holds the start of an interval")
    if not _TARGET.fullmatch(_HOLE.sub("", texts["path"] or "/")) or re.search(r"[{}]", _HOLE.sub("", texts["path"])):
        raise ValueError(f"option path is {texts['path']!r}: write a path such as /export?from={{start:%Y-%m-%d}}")
    if texts["key_header"] and not _HEADER.fullmatch(texts["key_header"]):
        raise ValueError(f"option key_header is {texts['key_header']!r}: write the name of a header, such as X-Api-Key")
    return Description(
        columns,
        texts["start"],
        texts["end"],
        str(shape),
        str(separator),
        texts["rows"],
        every,
        texts["time"] or "iso",
        _zone(texts["zone"]),
        cumulative,
        texts["path"] or "/",
        texts["key_header"],
        frozenset(kind_of(Row(place, metric, 0, 1, 0.0)) for place, metric in columns),
    )


def _text(options: Mapping[str, object], key: str) -> str:
    found = options.get(key, "")
    if not isinstance(found, str):
        raise ValueError(f"option {key} is {found!r}: write text")  # noqa: TRY004 - one error of settings
    return found


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError(f"option zone is {name!r}: write a zone such as UTC or Europe/Lisbon") from None


def _columns(found: object) -> dict[tuple[str, str], str]:
    if not isinstance(found, dict) or not found:
        raise ValueError('option columns is missing: write a table, such as { "line:1 in" = "Entries" }')
    columns = {}
    for name, column in found.items():
        place, _, metric = str(name).partition(" ")
        if not is_place(place) or metric not in METRICS or not isinstance(column, str):
            raise ValueError(f'option columns has {name!r}: write "PLACE METRIC" = "COLUMN", such as "line:1 in"')
        columns[place, metric] = column
    return columns


def cut_out(text: str) -> tuple[dict[str, object] | None, str]:
    """The description in front of a recorded answer, if there is one, and the answer.

    Raises:
        Garbled: there is one, and it is no TOML.
    """
    found = _FRONT.match(text)
    if not found:
        return None, text
    try:
        return tomllib.loads(found[1]), text[found.end() :]
    except tomllib.TOMLDecodeError as error:
        raise Garbled(f"the description is no TOML: {error}", found[1], 1, 1) from None


# ---- following it


def read(sheet: Sheet, text: str, description: Description) -> None:
    """Write down what an answer tells.

    Raises:
        Garbled: there is nothing in it that the description describes.
    """
    if description.zone:
        sheet.zone = description.zone
    cells = _json_cells if description.format == "json" else _csv_cells
    for where, row in cells(sheet, text, description):
        _row(sheet, where, row, description)


def _csv_cells(sheet: Sheet, text: str, description: Description) -> Iterator[tuple[str, Callable[[str], object]]]:
    table = read_table(
        text if description.separator == "," else text.replace(",", ".").replace(description.separator, ",")
    )
    if table is None:
        return
    names = [name.casefold() for name in table.header]
    wanted = [description.start, description.end, *description.columns.values()]
    if missing := [name for name in wanted if name and name.casefold() not in names]:
        raise Garbled(f"no column {missing[0]!r}; there are: {', '.join(table.header)[:200]}", "", table.header_line, 1)
    sheet.problems += table.problems
    for line, cells in zip(table.lines, table.rows, strict=True):
        by_name = dict(zip(names, cells, strict=True))
        yield f"line {line}", partial(_cell, by_name)


def _cell(row: Mapping[str, str], name: str) -> object:
    return row.get(name.casefold())


def _json_cells(_: Sheet, text: str, description: Description) -> Iterator[tuple[str, Callable[[str], object]]]:
    found = walk(json_of(text), description.rows)
    if not isinstance(found, list | dict):
        raise Garbled(f"there is no list at {description.rows or 'the top'!r}", text, 1, 1)
    for index, row in enumerate(found if isinstance(found, list) else [found]):
        yield f"{description.rows or 'row'}[{index}]", partial(walk, row)


def walk(found: object, path: str) -> object:
    """What stands at a path such as `data.0.counts`; None where there is nothing."""
    for step in path.split(".") if path else ():
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and len(step) < 7 and int(step) < len(found):  # noqa: PLR2004 - digits
            found = found[int(step)]
        else:
            return None
    return found


def _row(sheet: Sheet, where: str, row: Callable[[str], object], description: Description) -> None:
    values = {
        key: sheet.value(f"{where} {column}", row(column), persons if key[1] in _WHOLE else amount)
        for key, column in description.columns.items()
    }
    if description.cumulative:
        for (place, metric), value in values.items():
            sheet.count(place, metric, value)
        return None
    raw = row(description.start)
    local, start = _time(sheet, f"{where} {description.start}", raw, description)
    if start is None:
        return sheet.problem(f"{where} says no {description.start}", raw)
    end: float | None = start + description.every
    if description.end:
        _, end = _time(sheet, f"{where} {description.end}", row(description.end), description)
    for (place, metric), value in values.items():
        if end is None:
            return sheet.problem(f"{where} says no {description.end}", raw)
        add = sheet.add_local if local else sheet.add
        add(place, metric, int(start), int(end), value, str(raw))
    return None


def _time(sheet: Sheet, where: str, found: object, description: Description) -> tuple[bool, float | None]:
    """Whether a time is the wall clock's, and the time."""
    if description.time == "iso":
        local = isinstance(found, str) and not has_zone(found)
        return local, sheet.value(where, found, wall if local else moment)
    if description.time in {"unix", "unix_ms"}:
        number = sheet.value(where, found, amount) if isinstance(found, str) else found
        return False, sheet.value(where, number, moment)
    return True, sheet.value(where, found, lambda text: _formatted(text, description.time))


def _formatted(text: object, form: str) -> int:
    try:
        found = datetime.strptime(str(text).strip()[:60], form)  # noqa: DTZ007 - a wall clock
    except (ValueError, re.error):
        raise ValueError(f"is not written as {form}") from None
    return wall(f"{found:%Y-%m-%d %H:%M:%S}") if found.tzinfo is None else int(found.astimezone(UTC).timestamp())


# ---- guessing it

_STARTS = ("starttime", "start", "from", "begin", "begintime", "timestamp", "datetime", "time", "date", "hour")
_ENDS = ("endtime", "end", "to", "until", "finish")
_COUNT = re.compile(
    r"(?:(tolal|total|sum)|(?:line|door|gate|entrance|counter|camera)?(\d{0,3}))"
    r"(in|ins|enter|entered|entries|entrances|incount|entercount|out|outs|exit|exited|exits|left|outcount|exitcount)",
    re.ASCII,
)
_ZONE = re.compile(r"(?:region|zone|area)(\d{1,3})(?:visits|count)?", re.ASCII)


def guessed(text: str) -> Description:
    """What the names in an answer suggest.

    Raises:
        ValueError: they suggest nothing.
        Garbled: the answer is damaged.
    """
    shape, separator, rows, names, first = _names(text)
    words = {"".join(re.findall(r"[a-z0-9]+", name.lower())): name for name in names}
    start = next((words[word] for word in _STARTS if word in words), "")
    end = next((words[word] for word in _ENDS if word in words), "")
    columns: dict[tuple[str, str], str] = {}
    for word, name in words.items():
        if found := _COUNT.fullmatch(word):
            place = "sensor" if found[1] else f"line:{int(found[2] or 1)}"
            columns.setdefault((place, "in" if found[3].startswith(("in", "ent")) else "out"), name)
        elif found := _ZONE.fullmatch(word):
            columns.setdefault((f"region:{int(found[1])}", "visits"), name)
    if not columns:
        raise ValueError("none of its names is known: describe it between two lines of +++ before the answer")
    unix = str(first.get(start, "")).strip().isdecimal() and len(str(first.get(start, ""))) < 14  # noqa: PLR2004 - else digits of a date
    return Description(
        columns, start, end, shape, separator, rows, time="unix" if unix else "iso", cumulative=not start
    )


def _names(text: str) -> tuple[str, str, str, list[str], Mapping[str, object]]:
    """Format, separator, path of the rows, names, and the first row."""
    if text.lstrip()[:1] in {"{", "["}:
        path, row = _first_row(json_of(text), "")
        return "json", ",", path, list(row), row
    line = next((line for line in text.split("\n", 100) if line.strip()), "")
    separator = max(SEPARATORS, key=line.count)
    table = read_table(text if separator == "," else text.replace(",", ".").replace(separator, ","))
    if table is None or len(table.header) < 2:  # noqa: PLR2004 - a time and a count
        raise Garbled("neither JSON nor a table", text, 1, 1)
    first = table.rows[0] if table.rows else [""] * len(table.header)
    return "csv", separator, "", table.header, dict(zip(table.header, first, strict=True))


def _first_row(found: object, path: str, depth: int = 4) -> tuple[str, dict[str, object]]:
    """The first list of objects, with its path; else the object itself."""
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return path, found[0]
    if isinstance(found, dict) and depth:
        for name, part in found.items():
            inner, row = _first_row(part, f"{path}.{name}".strip("."), depth - 1)
            if row and (isinstance(part, list) or inner != f"{path}.{name}".strip(".")):
                return inner, row
        return path, found
    return path, {}
