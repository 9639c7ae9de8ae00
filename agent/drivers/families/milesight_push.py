"""Milesight counters that send JSON over HTTP or MQTT: VS125 and VS133 nested, VS135 flat, VS121 with local times.

One message may tell the same persons three times, as single crossings, per period and as running totals; the best of
them counts. Pictures and the ids of persons are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drivers.base import Garbled
from agent.drivers.reading.documents import fingerprint, json_of
from agent.drivers.reading.shape import Object, items, table, word
from agent.drivers.reading.values import amount, has_zone, moment, offset_of, persons, wall_in_utc

if TYPE_CHECKING:
    from agent.drivers.reading.pushed import Letter

SECTIONS = (
    *("line_periodic_data", "line_total_data", "line_trigger_data", "line_count_data", "total_data"),
    *("region_data", "region_trigger_data", "region_periodic_data", "region_count_data", "dwell_time_data"),
    *("current_counted", "device_info", "attention_region_trigger_data", "alarm_data", "flow_data"),
)
# What differs between two sendings of one message, and what must not be kept in any form.
VOLATILE = ("isRetransmission", "running_time", "network_info", "snapshot", "people_id", "cpu", "ram", "storage")


def is_push(text: str) -> bool:
    """Whether a JSON text is a message of these devices."""
    return any(f'"{name}"' in text for name in SECTIONS)


def read(letter: Letter, text: str) -> None:
    """One message, whatever sections are ticked in the device."""
    found = json_of(text)
    if not isinstance(found, dict) or not any(name in found for name in SECTIONS):
        raise Garbled("no message of a counter: none of the sections it could have", text, 1, 1)
    letter.fingerprint = fingerprint(found, VOLATILE)
    device = table(found, "device_info")
    letter.serial = word(device, "device_sn", "device_mac")
    letter.again = word(found, "isRetransmission").lower() in {"true", "1"}
    start, end = _times(letter, table(found, "time_info"))
    letter.clock = end
    for index, line in enumerate(_lines(found, "line_periodic_data", "line_count_data")):
        _line(letter, f"line_periodic_data[{index}]", line, start, end)
    for index, line in enumerate(_lines(found, "line_trigger_data")):
        _trigger(letter, f"line_trigger_data[{index}]", line, end)
    for index, line in enumerate(_lines(found, "line_total_data", "total_data")):
        _total(letter, f"line_total_data[{index}]", line)
    _regions(letter, found, start, end)
    _presence(letter, found, end)


def _times(letter: Letter, told: Object) -> tuple[float | None, float | None]:
    """From and to of a period; the same moment twice where the message is about one."""

    def time(name: str) -> float | None:
        value = told.get(name)
        if value is None or has_zone(value):
            return letter.value(f"time_info.{name}", value, moment)
        offset = letter.value("time_info.timezone", word(told, "timezone", "time_zone"), offset_of)
        return None if offset is None else letter.value(name, value, lambda text: wall_in_utc(text, int(offset)))

    end = next((at for name in ("end_time", "time", "report_time") if (at := time(name)) is not None), None)
    start = time("start_time")
    return (start if start is not None else end), end


def _lines(found: Object, *names: str) -> list[Object]:
    return [line for name in names for line in items(found, name)]


def _place(what: str, found: Object, index: str = "") -> str:
    """By number: names and uuids of two lines may be the same, and change when a line is drawn anew."""
    return f"{what}:{word(found, what) or index or '1'}"


def _line(letter: Letter, where: str, line: Object, start: float | None, end: float | None) -> None:
    if start is None or end is None or start == end:
        return letter.problem(f"{where}: a period with no start_time and end_time in time_info")
    told = table(line, "total") or line
    for name, metric in (("in", "in"), ("out", "out")):
        place, value = _place("line", line), letter.value(f"{where}.{name}", told.get(name), persons)
        letter.add(place, metric, start, end, value, word(line, "line_uuid"))
    staff = letter.value(f"{where}.staff.in", table(line, "staff").get("in"), persons)
    letter.add(_place("line", line), "staff", start, end, staff)
    return None


def _trigger(letter: Letter, where: str, line: Object, at: float | None) -> None:
    """What crossed since the last message, which may be more than one."""
    if at is None:
        return letter.problem(f"{where}: a crossing with no time in time_info")
    told = table(line, "total") or line
    for name, metric in (("in", "in"), ("out", "out")):
        value = letter.value(f"{where}.{name}", told.get(name), persons)
        if value:
            letter.cross(_place("line", line), metric, at, value, word(line, "line_uuid"))
    return None


def _total(letter: Letter, where: str, line: Object) -> None:
    told = table(line, "total") or line
    for name, metric in (("in_counted", "in"), ("out_counted", "out")):
        letter.count(_place("line", line), metric, letter.value(f"{where}.{name}", told.get(name), persons))


def _regions(letter: Letter, found: Object, start: float | None, end: float | None) -> None:
    periodic = [table(found, "region_data"), table(found, "region_periodic_data")]
    for part in periodic:
        for index, dwell in enumerate(items(part, "dwell_time_data")):
            for name, metric in (("avg_dwell_time", "dwell_mean"), ("max_dwell_time", "dwell_max")):
                value = letter.value(f"dwell_time_data[{index}].{name}", dwell.get(name), amount)
                if start is not None and end is not None and value is not None:
                    letter.add(_place("region", dwell), metric, start, end, value / 1000)
    trigger = table(found, "region_trigger_data")
    for part in (*periodic, trigger, found):
        for index, region in enumerate(items(part, "region_count_data")):
            now = (table(region, "total") or region).get("current_total")
            value = letter.value(f"region_count_data[{index}].current_total", now, persons)
            if end is not None:
                letter.add(_place("region", region), "occupancy", end, end, value)
    for index, stay in enumerate(items(trigger, "dwell_time_data")):
        _stay(letter, f"dwell_time_data[{index}]", stay, end)


def _stay(letter: Letter, where: str, stay: Object, end: float | None) -> None:
    """One person's stay, told when it is over; whose it was is not looked at."""
    told = letter.value(f"{where}.dwell_end_time", stay.get("dwell_end_time"), moment)
    value = letter.value(f"{where}.duration", stay.get("duration"), amount)
    at = told if told is not None else end
    if value is not None and at is not None:
        letter.add(_place("region", stay), "dwell_mean", at, at, value / 1000, word(stay, "dwell_end_time"))


def _presence(letter: Letter, found: Object, end: float | None) -> None:
    """VS121: how many are in each region at the end of the interval. The total is their sum; `occupancy` is a flag."""
    counted, numbers = found.get("current_counted"), found.get("numbering_regions")
    if not isinstance(counted, list) or end is None:
        return
    if not isinstance(numbers, list) or len(numbers) != len(counted):
        numbers = list(range(1, len(counted) + 1))
    for number, count in zip(numbers, counted, strict=True):
        letter.add(f"region:{number}", "occupancy", end, end, letter.value("current_counted", count, persons))
