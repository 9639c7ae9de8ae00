"""What the counting applications of Axis answer with: totals of today, exports by interval, scenario totals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.contract.times import DAY
from agent.drivers.base import Garbled
from agent.drivers.reading.shape import Object, items, table, word
from agent.drivers.reading.table import read_table
from agent.drivers.reading.values import has_zone, moment, persons, wall

if TYPE_CHECKING:
    from agent.drivers.reading.sheet import Sheet

_COLUMNS = {"in": "in", "out": "out", "totalin": "in", "totalout": "out"}
_STAMP = re.compile(r"\d{14}", re.ASCII)
_MEANING = re.compile(r"(line:\d{1,3}|region:\d{1,3}) (in|out|visits)", re.ASCII)


def people_counter(sheet: Sheet, found: Object) -> bool:
    """AXIS People Counter: a total of today, or an export whose columns `types` names; False where it is neither."""
    if "in" in found and "out" in found:
        for name in ("in", "out"):
            sheet.count("line:1", name, sheet.value(name, found[name], persons))
        return True
    counters = items(found, "counters") or items(found, "counter")
    exports = [(table(one), table(one, "data") or table(found, "data")) for one in counters]
    for number, (counter, data) in enumerate(exports, 1):
        _export(sheet, number, counter, data)
    listed = found.get("list") or found.get("cnt") or found.get("days")
    return bool(exports) or isinstance(listed, list)  # list-cnt names the days there are, and counts nobody


def _export(sheet: Sheet, number: int, counter: Object, data: Object) -> None:
    """What came in and went out alone: occupancy and average stay of an interval are of no known moment."""
    length = sheet.value("counter.delta", counter.get("delta"), persons)
    if not length or length > DAY:
        raise Garbled("an export without the length of its intervals (counter.delta)", str(counter), 1, 1)
    types = counter.get("types") or counter.get("columns") or {}
    names = ["".join(str(name).lower().split()) for name in (types if isinstance(types, dict | list) else ())]
    for stamp, cells in data.items():
        where = f"data[{stamp[:20]}]"
        if not _STAMP.fullmatch(stamp) or not isinstance(cells, list) or len(cells) != len(names):
            sheet.problem(f"{where} is no time with a value for each of {', '.join(names)[:100]}", cells)
            continue
        start = sheet.value(where, stamp, wall)
        for name, cell in zip(names, cells, strict=True):
            if name in _COLUMNS and start is not None:
                value = sheet.value(f"{where} {name}", cell, persons)
                sheet.add_local(f"line:{number}", _COLUMNS[name], int(start), int(start + length), value, stamp)


def occupancy_now(sheet: Sheet, found: Object) -> bool:
    """How many are inside at this moment; False where it does not say."""
    if "occupancy" not in found:
        return False
    sheet.add("sensor", "occupancy", sheet.now, sheet.now, sheet.value("occupancy", found["occupancy"], persons))
    return True


def export_3d(sheet: Sheet, found: object) -> None:
    """AXIS 3D People Counter: rows of start, end, in and out, as CSV or JSON, in local time."""
    if isinstance(found, str):
        read = read_table(found)
        if read is None or not {"start", "end"} <= {name.lower() for name in read.header}:
            raise Garbled("no counts of any application in it", found, 1, 1)
        sheet.problems += read.problems
        rows: list[Object] = [dict(zip(map(str.lower, read.header), row, strict=True)) for row in read.rows]
    else:
        rows = items(found, "data") if isinstance(found, dict) else items(found)
    for index, row in enumerate(rows):
        _row(sheet, f"data[{index}]", row)


def _row(sheet: Sheet, where: str, row: Object) -> None:
    read = moment if has_zone(word(row, "start")) else wall
    start, end = (sheet.value(f"{where}.{name}", row.get(name), read) for name in ("start", "end"))
    if start is None or end is None:
        return sheet.problem(f"{where} says no start and end")
    for name in ("in", "out"):
        value = sheet.value(f"{where}.{name}", row.get(name), persons)
        if read is wall:
            sheet.add_local("line:1", name, int(start), int(end), value, word(row, "start"))
        else:
            sheet.add("line:1", name, start, end, value, word(row, "start"))
    return None


def scenario_totals(sheet: Sheet, data: Object, meaning: str) -> None:
    """AXIS Object Analytics: totals by class, as text. Persons alone; the total over all classes where none is told."""
    found = _MEANING.fullmatch(meaning)
    if not found:
        raise Garbled(f"option scenarios: {meaning[:40]!r} is no place and direction such as 'line:1 in'")
    classes = {name.lower(): value for name, value in data.items()}
    name = next((name for name in ("totalhuman", "totalhumans", "human") if name in classes), "total")
    if name == "total" and any(other.startswith("total") and other != "total" for other in classes):
        return  # it counts vehicles alone
    if name not in classes:
        raise Garbled("a scenario without totals", str(data)[:500], 1, 1)
    sheet.count(found[1], found[2], sheet.value(name, classes[name], persons))
