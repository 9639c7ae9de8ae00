"""Dahua cameras that count people, also those sold as CP Plus: running totals over CGI, the memory over RPC2.

The running totals of the day come as text (`getSummary`), the memory as JSON in pages, after a log-in of its own. The
log-in needs the password's MD5 and no account that may change anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drivers.base import Counter, Garbled, History, Kind
from agent.drivers.reading.asked import Asked, told
from agent.drivers.reading.documents import json_of
from agent.drivers.reading.identity import dahua_clock, dahua_identity
from agent.drivers.reading.pushed import number, only
from agent.drivers.reading.rpc2 import Session
from agent.drivers.reading.shape import items, table, word
from agent.drivers.reading.sheet import Sheet, of_kind
from agent.drivers.reading.text import is_page, pairs, text_of
from agent.drivers.reading.values import has_zone, moment, persons, wall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Device, Driver

_SUMMARY = "/cgi-bin/videoStatServer.cgi?action=getSummary&channel={channel}"
_TOTAL = re.compile(r"(?:.*\.)?summary(?:\[(\d{1,3})\])?\.(Entered|Exited)Subtotal\.Today", re.ASCII)
_SUMMED = {"EnteredSubtotal": "in", "ExitedSubtotal": "out"}
_PARTS = re.compile(r"(?m)^--\S+$|^Content-[A-Za-z]+:.*$|^Heartbeat\s*$")


def open_driver(device: Device) -> Driver:
    """A driver for this camera; option `channel` is the input that counts, from 1.

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "dahua", ["channel"])
    return _Camera(device, number(device.options, "channel", 1, 1))


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded answer: a summary as text, a piece of its stream, or a page of the memory as JSON."""
    text = text_of(body)
    if is_page(body):
        raise Garbled("a web page instead of data", text, 1, 1)
    sheet = Sheet(zone, now)
    if text.lstrip()[:1] in {"{", "["}:
        _page(sheet, json_of(text))
    else:
        _summary(sheet, _PARTS.sub("", text))
    return of_kind(sheet.history(), kind)


class _Camera(Asked):
    cadence: Mapping[Kind, float] = {Kind.COUNTERS: 60, Kind.LINES: 3600}

    def __init__(self, device: Device, channel: int) -> None:
        super().__init__(device, dahua_identity, dahua_clock)
        self._channel = channel
        self._session = Session(self._access, device)

    async def counters(self) -> Sequence[Counter]:
        sheet = self._sheet()
        _summary(sheet, text_of(await self._access.get(_SUMMARY.format(channel=self._channel))))
        return told(sheet)

    async def _read_hours(self, sheet: Sheet, first: datetime, last: datetime) -> None:
        condition = {
            "Channel": self._channel - 1,  # from 0 here, from 1 over CGI
            "StartTime": f"{first:%Y-%m-%d %H:%M:%S}",
            "EndTime": f"{last:%Y-%m-%d %H:%M:%S}",
            "Granularity": "Hour",
            "RuleType": "NumberStat",
        }
        for page in await self._session.search("videoStatServer", condition):
            _page(sheet, page)


def _summary(sheet: Sheet, text: str) -> None:
    """Since midnight alone: the same persons are in `.Hour`, `.Total` and `.TotalInTimeSection` again."""
    found = pairs(text)
    for pair in found:
        if total := _TOTAL.fullmatch(pair.name):
            place = f"line:{int(total[1] or 0) + 1}"
            metric = "in" if total[2] == "Entered" else "out"
            sheet.count(place, metric, sheet.value(pair.name, pair.value, persons))
    if not any("summary" in pair.name for pair in found):
        raise Garbled("no summary in it", text, 1, 1)


def _page(sheet: Sheet, found: object) -> None:
    if word(table(found), "result").lower() == "false":
        raise Garbled(f"the camera answers with an error: {table(found, 'error')}"[:200], str(found), 1, 1)
    params = table(found, "params") or table(found)
    if "info" not in params and "found" not in params:
        raise Garbled("no page of the memory: no params.info in it", str(found), 1, 1)
    for index, one in enumerate(items(params, "info")):
        where = f"info[{index}]"
        start, end = word(one, "StartTime"), word(one, "EndTime")
        read = moment if has_zone(start) and start else wall
        times = sheet.value(f"{where}.StartTime", start, read), sheet.value(f"{where}.EndTime", end, read)
        if times[0] is None or times[1] is None:
            sheet.problem(f"{where} says no StartTime and EndTime")
            continue
        for name, metric in _SUMMED.items():
            value = sheet.value(f"{where}.{name}", one.get(name), persons)
            place = f"line:{word(one, 'AreaID', 'PtzPresetId') or '1'}"
            if read is wall:
                sheet.add_local(place, metric, int(times[0]), int(times[1]), value, start)
            else:
                sheet.add(place, metric, times[0], times[1], value, start)
