"""Milesight's three families of counting devices, also those sold under other names; option `family` says which.

Network cameras (`camera`) answer over CGI, VS133-type counters (`vs133`) over a JSON API; VS121, VS125 and VS135
(`push`) send JSON over HTTP or MQTT. Of a camera, lines, regions and heat come from its memory, as tables of hours in
its local time (`dataloader.cgi`); running counters and alarm flags come as a script of settings (`operator.cgi`). An
account that may only view is enough.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.drivers.base import Counter, Garbled, History, Kind, Row, Unsupported
from agent.drivers.families import milesight_push, milesight_space, milesight_vs133
from agent.drivers.families.milesight_vs133 import Counters
from agent.drivers.reading.documents import json_of
from agent.drivers.reading.fetch import Access
from agent.drivers.reading.intervals import Series, intervals
from agent.drivers.reading.localtime import whole_hours
from agent.drivers.reading.pushed import Sender, choice, decoded, only
from agent.drivers.reading.sheet import Sheet, of_kind
from agent.drivers.reading.table import Table, count, read_table
from agent.drivers.reading.text import Pair, is_page, pairs, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Device, Driver

_QUERIES = {
    Kind.LINES: "dw=vcalogcsv&report_type=0&statistics_type=3&linetype=31",
    Kind.REGIONS: "dw=regionalcountlogcsv&report_type=0&lengthtype=0&length=0&region1=1&region2=1&region3=1&region4=1",
    Kind.HEAT: "dw=heatmapcsv&sub_type=0",
}
_STATUS = "/cgi-bin/operator/operator.cgi?action=get.vca.alarmstatus"

# Names of columns and settings, in lower case without blanks. `Tolal` is what the cameras write.
_LINE = re.compile(r"(?:tolal|total|line([1-9]\d?))-(in|out|sum)", re.ASCII)
_REGION = re.compile(r"region([1-8])", re.ASCII)
_REGION_ALARM = re.compile(r"region([1-8])_(in|out)_alarm", re.ASCII)
_STATUS_NAMES = {
    "current_in_count": ("sensor", "in"),
    "current_out_count": ("sensor", "out"),
    "counter_alarm_status": ("sensor", "alarm_counter"),
    "region_entrance_alarm_status": ("sensor", "alarm_region_in"),
    "region_exit_alarm_status": ("sensor", "alarm_region_out"),
}
_LARGEST_SCALE = 1000


def open_driver(device: Device) -> Driver:
    """A driver for this device; option `heat_scale` times a camera's heat value makes seconds (1; 0.1 for some models).

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "milesight", ["family", "heat_scale"])
    family = choice(device.options, "family", ["camera", "vs133", "push"])
    scale = device.options.get("heat_scale", 1)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= _LARGEST_SCALE:
        raise ValueError(f"option heat_scale is {scale!r}: write a number above 0 and up to 1000, such as 1 or 0.1")
    if family == "push":
        return Sender(device, milesight_push.read)
    return Counters(device) if family == "vs133" else _Camera(device, float(scale))


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded body of any of the families; `kind` None means recognise it."""
    text = text_of(body)
    start = text.lstrip()[:80]
    if is_page(body) or start.startswith("<"):
        raise Garbled("a web page instead of data", text, 1, 1)
    if start.startswith(("{", "[")):
        if milesight_push.is_push(text):
            return decoded(milesight_push.read, body, kind, zone, now)
        if milesight_vs133.is_answer(text):
            sheet = Sheet(zone, now)
            milesight_vs133.read(sheet, json_of(text))
            return of_kind(sheet.history(), kind)
        return Kind.HEAT, milesight_space.read(text, kind, now)
    if kind is Kind.COUNTERS or (kind is None and "=" in start.partition("\n")[0]):
        return Kind.COUNTERS, _status(text, now)
    return _intervals(text, kind, zone, now, scale=1.0)


class _Camera:
    cadence: Mapping[Kind, float] = {Kind.LINES: 60, Kind.COUNTERS: 60, Kind.REGIONS: 60, Kind.HEAT: 3600}

    def __init__(self, device: Device, heat_scale: float) -> None:
        self._device = device
        self._heat_scale = heat_scale
        self._access = Access(device)
        self._space = milesight_space.Space(device, self._access, heat_scale)

    async def history(self, kind: Kind, since: int, until: int) -> History:
        if kind not in _QUERIES:
            raise Unsupported(f"the camera keeps no history of {kind}")
        rows: list[Row] = []
        problems: list[Garbled] = []
        # A local day an answer: cameras time out over more, and a day holds both passes of a repeated hour.
        for first, last in whole_hours(since, until, self._device.zone):
            times = f"&time_start={first:%Y-%m-%d-%H:%M:%S}&time_end={last:%Y-%m-%d-%H:%M:%S}"
            body = await self._access.get(f"/dataloader.cgi?{_QUERIES[kind]}{times}")
            _, found = _intervals(text_of(body), kind, self._device.zone, self._device.now(), self._heat_scale)
            rows += [row for row in found.rows if row.end > since and row.start < until]
            problems += found.problems
        if kind is not Kind.HEAT:
            return History(rows, problems)
        grids = await self._space.grids(rows)
        return History([*rows, *grids.rows], problems, missing=grids.missing)

    async def counters(self) -> Sequence[Counter]:
        found, problems = _counters(pairs(text_of(await self._access.get(_STATUS))))
        if problems:
            raise problems[0]
        if not found:
            raise Garbled("the answer has settings, but no counter")
        return found


# ---- tables of intervals


class _Column(NamedTuple):
    """What a column holds; metric `sum` is no metric, only a check."""

    kind: Kind
    place: str
    metric: str


def _column(name: str) -> _Column | None:
    word = "".join(name.lower().split())
    if found := _LINE.fullmatch(word):
        return _Column(Kind.LINES, f"line:{found[1]}" if found[1] else "sensor", found[2])
    if found := _REGION.fullmatch(word):
        return _Column(Kind.REGIONS, f"region:{found[1]}", "visits")
    if word == "sum":
        return _Column(Kind.REGIONS, "sensor", "sum")
    return _Column(Kind.HEAT, "sensor", "person_seconds") if word in {"value(s)", "value"} else None


def _columns(table: Table, kind: Kind | None) -> dict[_Column, int]:
    """The columns of one kind by meaning; `kind` None means the only kind there is."""
    found: dict[_Column, int] = {}
    for index, name in enumerate(table.header):
        column = _column(name)
        if column in found:
            raise _bad_header(table, f"{name!r} is there twice", index)
        if column:
            found[column] = index
    kinds = {column.kind for column in found if column.metric != "sum"}
    if kind is None and len(kinds) == 1:
        kind = min(kinds)
    if kind not in kinds:
        raise _bad_header(table, f"no table of {kind or 'lines, regions or heat'}: it has no such column")
    return {column: index for column, index in found.items() if column.kind is kind}


def _time_column(table: Table, name: str) -> int:
    words = ["".join(column.lower().split()) for column in table.header]
    if name.lower() not in words:
        raise _bad_header(table, f"no column {name!r}")
    return words.index(name.lower())


def _bad_header(table: Table, what: str, column: int = 0) -> Garbled:
    return Garbled(what, ",".join(table.header), table.header_line, column + 1)


def _intervals(text: str, kind: Kind | None, zone: ZoneInfo | None, now: float, scale: float) -> tuple[Kind, History]:
    table = read_table(text)
    if table is None:
        if kind is None:
            raise Garbled("the body is empty, so its kind must be named: --kind lines, regions or heat", "", 1, 1)
        return kind, History([])
    start, end = _time_column(table, "StartTime"), _time_column(table, "EndTime")
    columns = _columns(table, kind)
    kind = next(iter(columns)).kind
    if kind is Kind.HEAT:
        values = {column: _scaled(table.amounts(index), scale) for column, index in columns.items()}
    else:
        values = {column: table.counts(index) for column, index in columns.items()}
    for column, index in columns.items():
        if column.metric == "sum":
            _check_sum(table, index, values[column], _parts(column, values))
    series = [Series(place, metric, found) for (_, place, metric), found in values.items() if metric != "sum"]
    return kind, intervals(table, start, end, series, zone, now)


def _scaled(values: list[float | None], scale: float) -> list[float | None]:
    return [None if value is None else round(value * scale, 6) for value in values]


def _parts(total: _Column, values: Mapping[_Column, list[float | None]]) -> list[list[float | None]]:
    """The columns a sum is the sum of; none where not all of them are there."""
    if total.kind is Kind.LINES:
        names = [total._replace(metric=metric) for metric in ("in", "out")]
    else:
        count = sum(column.metric == "visits" for column in values)
        names = [_Column(Kind.REGIONS, f"region:{number}", "visits") for number in range(1, max(4, count) + 1)]
    return [values[name] for name in names] if all(name in values for name in names) else []


def _check_sum(table: Table, column: int, totals: list[float | None], parts: list[list[float | None]]) -> None:
    if parts and all(None not in numbers for numbers in parts) and totals == list(map(sum, zip(*parts, strict=True))):
        return
    made = [None if None in numbers else sum(numbers) for numbers in zip(*parts, strict=True)]
    for row, (total, summed) in enumerate(zip(totals, made, strict=False)):  # made is empty where there are no parts
        if total != summed and total is not None and summed is not None:
            table.refuse(row, column, f"is {total:g}, but what it sums makes {summed:g}")


# ---- settings: running counters and alarm flags


def _status(text: str, now: float) -> History:
    found = pairs(text)
    counters, problems = _counters(found)
    if not counters and not problems and not any(pair.name == "count_enable" for pair in found):
        raise Garbled("no counter in it", text, 1, 1)
    # get.vca.count tells how counting is set up, and holds no count: it is read, and there is nothing in it.
    moment = int(now)
    return History([Row(place, metric, moment, moment, value) for place, metric, value in counters], problems)


def _counters(found: Sequence[Pair]) -> tuple[list[Counter], list[Garbled]]:
    read = [_counter(pair) for pair in {pair.name: pair for pair in found}.values()]
    return [x for x in read if isinstance(x, Counter)], [x for x in read if isinstance(x, Garbled)]


def _counter(pair: Pair) -> Counter | Garbled | None:
    if region := _REGION_ALARM.fullmatch(pair.name):
        place, metric = f"region:{region[1]}", f"alarm_region_{region[2]}"
    elif pair.name in _STATUS_NAMES:
        place, metric = _STATUS_NAMES[pair.name]
    else:
        return None
    try:
        value = count(pair.value)
        if metric.startswith("alarm_") and value > 1:
            raise ValueError("is neither 0 nor 1")  # noqa: TRY301 - one place makes the text
    except ValueError as error:
        return Garbled(f"{pair.name}: {pair.value[:40]!r} {error}", pair.value, pair.line, pair.column)
    return Counter(place, metric, value)
