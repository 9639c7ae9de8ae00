"""The bodies of a Milesight camera of family a, letter for letter as camera-formats.md §1.2 has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from agent.simulator.brand import Answer
from agent.simulator.installation import Header
from agent.simulator.truth import Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from agent.simulator.installation import Camera
    from agent.simulator.memory import Counters, Hour, Memory

LINES = (1, 2, 3, 4)
BOTH = ("In", "Out", "Sum")


class Column(NamedTuple):
    """One column of the line CSV: line 0 is the total of all lines; what is In, Out or Sum."""

    line: int
    what: str

    @property
    def place(self) -> str:
        return f"line:{self.line}" if self.line else "sensor"


class Asked(NamedTuple):
    """A time of the memory, both ends included, and how many days back it may go."""

    since: datetime
    until: datetime
    days: int


def line_columns(header: Header, linetype: int, whats: Sequence[str]) -> list[Column]:
    """The columns that were asked for: bit 0 of `linetype` is the total, bits 1 to 4 are the lines."""
    if header is Header.SEVEN:
        return [Column(line, "In") for line in LINES] + [Column(4, "Out")]
    lines = [line for line in (0, *LINES) if linetype >> line & 1 and (line or header is not Header.NO_TOTAL)]
    return [Column(line, what) for line in lines for what in whats]


def lines_csv(memory: Memory, asked: Asked, columns: Sequence[Column]) -> Answer:
    """`StartTime, EndTime, Tolal - In, …`: comma and space in the header, no space in the data, slash dates."""
    rows: list[str] = []
    cells: list[Cell] = []
    lines = [line.number for line in memory.camera.line]
    for hour in memory.hours(*asked):
        both = {number: memory.crossings(hour.seen, number) for number in lines}
        both[0] = (sum(entered for entered, _ in both.values()), sum(left for _, left in both.values()))
        values = []
        for column in columns:
            entered, left = both.get(column.line, (0, 0))
            value = {"In": entered, "Out": left, "Sum": entered + left}[column.what]
            values.append(value)
            if hour.begun and column.what != "Sum":
                cells.append(_cell("lines", column.place, column.what.lower(), hour, value))
        rows.append(_row(hour, "/", values))
    return Answer("lines", _csv(memory.camera, _line_header(memory.camera.header, columns), rows), cells=cells)


def _line_header(header: Header, columns: Sequence[Column]) -> str:
    total = "Total" if header is Header.TOTAL else "Tolal"
    names = [f"Line{line} - {what}" if line else f"{total} - {what}" for line, what in columns]
    return ("," if header is Header.SEVEN else ", ").join(["StartTime", "EndTime", *names])


def regions_csv(memory: Memory, asked: Asked, numbers: Sequence[int]) -> Answer:
    """`StartTime,EndTime,region1,…,Sum`: lower case, slash dates."""
    rows: list[str] = []
    cells: list[Cell] = []
    for hour in memory.hours(*asked):
        visits = [memory.visits(hour.seen, number) for number in numbers]
        rows.append(_row(hour, "/", [*visits, sum(visits)]))
        if hour.begun:
            pairs = zip(numbers, visits, strict=True)
            cells += (_cell("regions", f"region:{number}", "visits", hour, value) for number, value in pairs)
    header = ",".join(["StartTime", "EndTime", *(f"region{number}" for number in numbers), "Sum"])
    return Answer("regions", _csv(memory.camera, header, rows), cells=cells)


def heat_csv(memory: Memory, asked: Asked) -> Answer:
    """`StartTime,EndTime,Value(s)`: dash dates, unlike the other two."""
    rows: list[str] = []
    cells: list[Cell] = []
    for hour, value in _heat(memory, asked):
        rows.append(_row(hour, "-", [value]))
        if hour.begun:
            cells.append(_cell("heat", "sensor", "person_seconds", hour, value))
    return Answer("heat", _csv(memory.camera, "StartTime,EndTime,Value(s)", rows), cells=cells)


def heat_report(memory: Memory, asked: Asked) -> Answer:
    """The JSON of the heat report page: seconds by hour, without times, so that the oracle has no cells of it."""
    values = [value for _, value in _heat(memory, asked)]
    return Answer("heat", json.dumps({"data": values}).encode(), "application/json")


def space_heat(memory: Memory, asked: Asked, spots: Sequence[tuple[int, int, float]]) -> Answer:
    """The grid over the picture: the person-seconds shared out over the spots by their weights."""
    total = sum(value for _, value in _heat(memory, asked))
    data = [{"x": x, "y": y, "value": int(total * weight)} for x, y, weight in spots]
    values = [int(total * weight) for _, _, weight in spots] or [0]
    grid = {"max": max(values), "min": min(values), "map_w": 192, "map_h": 192, "data": data}
    return Answer("heat", json.dumps(grid).encode(), "application/json")


def _heat(memory: Memory, asked: Asked) -> Iterator[tuple[Hour, int]]:
    for hour in memory.hours(*asked):
        yield hour, memory.person_seconds(hour.seen)


def _cell(kind: str, place: str, metric: str, hour: Hour, value: int) -> Cell:
    return Cell(kind, place, metric, hour.start, hour.end, value, hour.finished)


def _row(hour: Hour, dash: str, values: Iterable[int]) -> str:
    """One row; its end is the last second of the local hour."""
    t = hour.local
    text = f"{t.year:04}{dash}{t.month:02}{dash}{t.day:02} {t.hour:02}"
    return f"{text}:00:00,{text}:59:59,{','.join(map(str, values))}"


def _csv(camera: Camera, header: str, rows: Sequence[str]) -> bytes:
    if not rows and camera.nothing == "zero-length":
        return b""
    return "\n".join([header, *rows, ""]).encode()


def alarm_status(memory: Memory, counters: Counters, *, plain: bool) -> Answer:
    """The running counters and alarm flags."""
    capacity = counters.entered - counters.left
    entrance, leaving = memory.recently(ALARM_SECONDS)
    alarm = int(capacity >= memory.camera.alarm_threshold)
    pairs = {
        "region_entrance_alarm_status": int(entrance),
        "region_exit_alarm_status": int(leaving),
        "counter_alarm_status": alarm,
        "current_in_count": counters.entered,
        "current_out_count": counters.left,
        "current_sum_count": counters.entered + counters.left,
        "current_capacity_count": capacity,
        "current_counter_alarm": alarm,
    }
    told = {"in": counters.entered, "out": counters.left, "capacity": capacity, "since": counters.since}
    return Answer("counters", _script(memory.camera, pairs, plain=plain), counters=told)


ALARM_SECONDS = 10.0  # how long a region's alarm stays on


def count_settings(camera: Camera, *, plain: bool) -> Answer:
    """`get.vca.count`: how the lines are drawn and when the counters start again (weekday 7 is every day)."""
    pairs: dict[str, int] = {"count_enable": int(bool(camera.line))}
    for index, line in enumerate(camera.line):
        ends = (1662, 282) if line.inverted else (282, 1662)
        pairs |= {
            f"startX[{index}]": ends[0],
            f"startY[{index}]": 139 + 200 * index,
            f"stopX[{index}]": ends[1],
            f"stopY[{index}]": 918,
            f"show_osd_enable[{index}]": 1,
        }
    reset = camera.counter_reset
    pairs |= {
        "auto_reset_enable": int(reset is not None),
        "auto_reset_weekday": 7,
        "auto_reset_hour": reset.hour if reset else 0,
        "auto_reset_min": reset.minute if reset else 0,
        "auto_reset_sec": reset.second if reset else 0,
    }
    return Answer("counters", _script(camera, pairs, plain=plain))


def _script(camera: Camera, pairs: Mapping[str, int], *, plain: bool) -> bytes:
    """`var name='value';` as the camera's own pages read it, or plain `name=value` with `format=inf`."""
    if plain:
        return "".join(f"{name}={value}\n" for name, value in pairs.items()).encode()
    end = "\n" if camera.counter_lines else ""
    return "".join(f"var {name}='{value}';{end}" for name, value in pairs.items()).encode()
