"""Xovis 3D sensors, which send their counts as JSON over HTTP: logic pushes of version 5, line counts of version 4.

A logic's records are intervals: several in a push after an interruption, each with how many samples it rests on. Live
data and status carry no counts and are read as empty; tracks, positions and persons' attributes go no further.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled
from agent.drivers.reading.documents import fingerprint, json_of
from agent.drivers.reading.pushed import Letter, Sender, decoded, only, places
from agent.drivers.reading.shape import Object, items, table, word
from agent.drivers.reading.values import amount, moment, persons

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Device, Driver, History, Kind

_SILENT = ("live_data", "status_data")
_LINE = {"fw": "in", "bw": "out"}
# What a logic of zones or queues counts; parts of these by gender, age or tag have longer names and are left out.
_REGION = {
    "balance": ("occupancy", persons),
    "fill-level": ("occupancy", persons),
    "occupancy": ("occupancy", persons),
    "queue-length": ("queue_length", amount),
    "queueing-time": ("queue_wait", amount),
    "dwell-time": ("dwell_mean", amount),
    "fw": ("visits", persons),
}
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 0.001, "milliseconds": 0.001, "minutes": 60.0}
_PLACES = 1000  # add-ons number their logics from 1000; a place has three digits


def open_driver(device: Device) -> Driver:
    """A driver that listens; option `places` names the place of a logic: `{ "Queue 1" = "region:7" }`.

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "xovis", ["places"])
    places(device.options, "places")
    return Sender(device, _read)


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded push of version 4 or 5."""
    return decoded(_read, body, kind, zone, now)


def _read(letter: Letter, text: str) -> None:
    found = json_of(text)
    if not isinstance(found, dict):
        raise Garbled("no push of a sensor: no JSON object", text, 1, 1)
    letter.fingerprint = fingerprint(found)
    for name in ("logics_data", *_SILENT):
        if name in found:
            _about(letter, table(found, name))
    if "logics_data" in found:
        for index, logic in enumerate(items(found, "logics_data", "logics")):
            _logic(letter, f"logics[{index}]", logic)
    elif "content" in found:
        _version_4(letter, found)
    elif "values" in found:
        for index, event in enumerate(items(found, "values")):
            _event(letter, f"values[{index}]", event)
    elif not any(name in found for name in _SILENT):
        raise Garbled("no push of a sensor: neither logics_data nor content, live_data or status_data", text, 1, 1)


def _about(letter: Letter, data: Object) -> None:
    package, sensor = table(data, "package_info"), table(data, "sensor_info")
    letter.serial = word(sensor, "serial_number")
    number = letter.value("package_info.id", package.get("id"), persons)
    if number is not None:
        letter.sequence = (word(package, "agent_id"), int(number))


# ---- version 5: logics and their records


def _logic(letter: Letter, where: str, logic: Object) -> None:
    info = word(logic, "info").upper()
    is_line = "LINE" in info or not ("ZONE" in info or "QUEUE" in info or "DWELL" in info)
    place = _place(letter, logic, "line" if is_line else "region", "id", "name")
    for index, record in enumerate(items(logic, "records")):
        here = f"{where}.records[{index}]"
        start, end = (letter.value(f"{here}.{name}", record.get(name), moment) for name in ("from", "to"))
        if start is None or end is None:
            letter.problem(f"{here} says no from and to")
            continue
        letter.clock = max(letter.clock or end, end)
        watched = letter.value(f"{here}.samples", record.get("samples"), persons)
        expected = letter.value(f"{here}.samples_expected", record.get("samples_expected"), persons)
        if watched == 0 and expected:
            continue  # nobody looked: a gap, whatever the zeros say
        partial = watched is not None and expected is not None and watched < expected
        for count in items(record, "counts"):
            _count(letter, here, place, count, (start, end), partial=partial)


def _count(letter: Letter, where: str, place: str, count: Object, span: tuple[float, float], *, partial: bool) -> None:
    name = word(count, "name").lower().replace("_", "-")
    if place.startswith("line:"):
        metric, read = _LINE.get(name), persons
    else:
        metric, read = _REGION.get(name, (None, amount))
    if metric is None:
        return None
    value = letter.value(f"{where} {name}", count.get("value"), read)
    if value is not None and read is amount:
        scale = _SECONDS.get(word(count, "unit").lower())
        if scale is None:
            return letter.problem(f"{where} {name}: its unit {word(count, 'unit')!r} is not known")
        value = round(value * scale, 6)
    if (place, metric, int(span[0])) in letter.rows:
        return letter.problem(
            f"{where} {name}: {place} has a {metric} of that time already; give it its own in `places`"
        )
    return letter.add(place, metric, *span, value, word(count, "name"), partial=partial)


def _place(letter: Letter, found: Object, what: str, number: str, name: str) -> str:
    named = places(letter.options, "places")
    if own := named.get(word(found, name)) or named.get(word(found, number)):
        return own
    digits = re.fullmatch(r"\d{1,9}", word(found, number))
    return f"{what}:{int(digits[0]) % _PLACES}" if digits else f"{what}:?"


# ---- version 4: lines by the minute, and events


def _version_4(letter: Letter, found: Object) -> None:
    letter.serial = word(table(found, "sensor-info"), "serial-number")
    letter.clock = letter.value("sensor-time.time", table(found, "sensor-time").get("time"), moment)
    for index, element in enumerate(items(found, "content", "element")):
        is_line = word(element, "data-type").upper() in {"LINE", ""}
        place = _place(letter, element, "line" if is_line else "region", "element-id", "element-name")
        for number, measurement in enumerate(items(element, "measurement")):
            where = f"element[{index}].measurement[{number}]"
            times = [measurement.get(name, element.get(name)) for name in ("from", "to")]
            start, end = (letter.value(where, time, moment) for time in times)
            if start is None or end is None:
                letter.problem(f"{where} says no from and to")
                continue
            for value in items(measurement, "value"):
                count = {"name": word(value, "label"), "value": value.get("value")}
                _count(letter, where, place, count, (start, end), partial=False)


def _event(letter: Letter, where: str, event: Object) -> None:
    """A line's count; the crossing that led to it is an event of its own and counts nobody again."""
    at = letter.value(f"{where}.timestamp", event.get("timestamp"), moment)
    letter.clock, letter.serial = at if at is not None else letter.clock, letter.serial or word(event, "serial")
    if word(event, "type") != "LineCount" or word(event, "objectType").upper() not in {"PERSON", ""}:
        return None
    metric = {"forward": "in", "backward": "out"}.get(word(event, "direction").lower())
    if metric is None or at is None:
        return letter.problem(f"{where}: a count with no direction or time", word(event, "direction"))
    return letter.cross(_place(letter, table(event, "countItem"), "line", "id", "name"), metric, at, 1.0)
