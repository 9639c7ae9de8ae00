"""Hanwha (Wisenet) cameras that count people, over SUNAPI: running totals of the day and an hourly search.

An answer of the search holds hours without a date: the driver knows which day it asked for; `decode` takes the last
local day that was over, as the camera fills hours to come with zeros.
"""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.contract.times import HOUR
from agent.drivers.base import Counter, Garbled, History, Kind, Unreachable
from agent.drivers.reading.asked import Asked, told
from agent.drivers.reading.documents import json_of
from agent.drivers.reading.identity import hanwha_clock, hanwha_identity
from agent.drivers.reading.localtime import wall_seconds
from agent.drivers.reading.pushed import number, only
from agent.drivers.reading.shape import Object, items, word
from agent.drivers.reading.sheet import Sheet, of_kind
from agent.drivers.reading.text import is_page, pairs, text_of
from agent.drivers.reading.values import persons

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Device, Driver

_CHECK = "/stw-cgi/eventsources.cgi?msubmenu=peoplecount&action=check&Channel={channel}"
_SEARCH = "/stw-cgi/recording.cgi?msubmenu=peoplecountsearch&action={action}"
_TOTAL = re.compile(r"Channel\.\d+\.(?:LineIndex|Line)\.(\d{1,3})\.(In|Out)Count", re.ASCII)
_RESULT = re.compile(r"(?:.*\.)?Line\.([^.]{1,40})\.Direction\.(In|Out)\.Result", re.ASCII)
_TRIES = 5
_PAUSE = 1.0  # real seconds between two questions whether a search is done
_DAY = 24


def open_driver(device: Device) -> Driver:
    """A driver for this camera; option `channel` is the input that counts, from 0.

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "hanwha", ["channel"])
    return _Camera(device, number(device.options, "channel", 0))


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded answer, as text or as JSON."""
    text = text_of(body)
    if is_page(body):
        raise Garbled("a web page instead of data", text, 1, 1)
    sheet = Sheet(zone, now)
    if not _totals(sheet, text):
        if zone is None:
            raise Garbled("the hours are local and carry no zone; name it with --zone, such as --zone Europe/Lisbon")
        _hours(sheet, text, datetime.fromtimestamp(now, zone).replace(tzinfo=None) - timedelta(days=1))
    return of_kind(sheet.history(), kind)


class _Camera(Asked):
    cadence: Mapping[Kind, float] = {Kind.COUNTERS: 60, Kind.LINES: 3600}

    def __init__(self, device: Device, channel: int) -> None:
        super().__init__(device, hanwha_identity, hanwha_clock)
        self._channel = channel

    async def counters(self) -> Sequence[Counter]:
        sheet = self._sheet()
        text = text_of(await self._access.get(_CHECK.format(channel=self._channel), Accept="application/json"))
        if not _totals(sheet, text):
            raise Garbled("no count of a line in it", text)
        return told(sheet)

    async def _read_hours(self, sheet: Sheet, first: datetime, last: datetime) -> None:
        del last  # a search is of a whole day
        _hours(sheet, await self._search(first), first)

    async def _search(self, day: datetime) -> str:
        """The hours of a local day: a search is started, waited for, and read."""
        span = f"&FromDate={day:%Y-%m-%dT00:00:00}&ToDate={day:%Y-%m-%dT23:59:59}"
        token = _field(await self._ask("control", f"&Mode=Start&Channel={self._channel}{span}"), "SearchToken")
        if not token.isalnum():
            raise Garbled("the search was not started: there is no SearchToken", token)
        try:
            for attempt in range(_TRIES):
                status = _field(await self._ask("view", f"&Type=Status&SearchToken={token}"), "Status")
                if status.lower() in {"completed", "complete", "done", "success"}:
                    return await self._ask("view", f"&Type=Results&SearchToken={token}")
                await asyncio.sleep(_PAUSE if attempt else _PAUSE / 10)
        finally:
            await self._ask("control", f"&Mode=Cancel&SearchToken={token}")
        raise Unreachable(f"its search was not done within {_TRIES * _PAUSE:g} seconds")

    async def _ask(self, action: str, more: str) -> str:
        return text_of(await self._access.get(_SEARCH.format(action=action) + more, Accept="application/json"))


def _field(text: str, name: str) -> str:
    """A field of a short answer, as JSON or as `Name=value`."""
    if text.lstrip().startswith("{"):
        return word(_trimmed(json_of(text)), name)
    return next((pair.value for pair in pairs(text) if pair.name == name), "")


def _trimmed(found: object) -> Object:
    """JSON's names without the blanks that some firmwares put before them."""
    if not isinstance(found, dict):
        return {}
    return {str(key).strip(): _part(part) for key, part in found.items()}


def _part(found: object) -> object:
    if isinstance(found, dict):
        return _trimmed(found)
    if isinstance(found, list):
        return [_part(one) for one in found]
    return found.strip() if isinstance(found, str) else found


# ---- running totals


def _totals(sheet: Sheet, text: str) -> bool:
    """Read running totals; False where it is something else."""
    if text.lstrip()[:1] in {"{", "["}:
        return _json_totals(sheet, _trimmed(json_of(text)))
    found = [(_TOTAL.fullmatch(pair.name), pair) for pair in pairs(text)]
    for total, pair in found:
        if total:
            sheet.count(f"line:{total[1]}", total[2].lower(), sheet.value(pair.name, pair.value, persons))
    return any(total for total, _ in found)


def _json_totals(sheet: Sheet, found: Object) -> bool:
    channels = items(found, "PeopleCount")
    for channel in channels:
        for index, line in enumerate(items(channel, "Lines")):
            place = f"line:{word(line, 'LineIndex', 'Line') or index + 1}"
            for name, metric in (("InCount", "in"), ("OutCount", "out")):
                sheet.count(place, metric, sheet.value(f"Lines[{index}].{name}", line.get(name), persons))
    return bool(channels)


# ---- hours of a search


def _hours(sheet: Sheet, text: str, day: datetime) -> None:
    midnight = wall_seconds(f"{day:%Y-%m-%d} 00:00:00")
    lines = list(_lines(text))
    if not lines:
        raise Garbled("neither running totals nor results of a search in it", text, 1, 1)
    names = list(dict.fromkeys(name for name, _, _ in lines))
    for name, direction, result in lines:
        digits = re.search(r"\d{1,3}\Z", name)
        place = f"line:{int(digits[0]) if digits else names.index(name) + 1}"
        cells = result.split(",")
        if len(cells) != _DAY:
            sheet.problem(f"{name} {direction}: {len(cells)} hours in a day", result)
            continue
        for hour, cell in enumerate(cells):
            value = sheet.value(f"{name} {direction} hour {hour}", cell.strip(), persons)
            start = midnight + hour * HOUR
            sheet.add_local(place, direction, start, start + HOUR, value, f"{day:%Y-%m-%d} {hour:02}:00:00")


def _lines(text: str) -> list[tuple[str, str, str]]:
    """(name, in or out, hours) of each line and direction; one camera's total of several is none of them."""
    if text.lstrip()[:1] not in {"{", "["}:
        found = [(_RESULT.fullmatch(pair.name), pair.value) for pair in pairs(text)]
        return [(match[1], match[2].lower(), value) for match, value in found if match]
    return [
        (word(line, "Line", "LineIndex"), word(direction, "Direction").lower(), word(direction, "Result"))
        for camera in items(_trimmed(json_of(text)), "PeopleCountSearchResults")
        for line in items(camera, "LineResults")
        for direction in items(line, "DirectionResults")
        if word(direction, "Direction").lower() in {"in", "out"}
    ]
