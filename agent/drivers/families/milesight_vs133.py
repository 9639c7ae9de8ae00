"""Milesight VS133-type counters: a query is started, and its result fetched when the counter has looked it up."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

from agent.contract.times import HOUR
from agent.drivers.base import Counter, Garbled, History, Kind, Unreachable, Unsupported
from agent.drivers.reading.documents import json_of
from agent.drivers.reading.fetch import Access
from agent.drivers.reading.localtime import whole_hours
from agent.drivers.reading.shape import Object, everywhere, items, table, word
from agent.drivers.reading.sheet import Sheet
from agent.drivers.reading.text import text_of
from agent.drivers.reading.values import persons, wall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from agent.drivers.base import Device

_API = "/api/v1/counting/"
_START = "getDatabseRecords"  # spelt so by the device
_TRIES = 6
_PAUSE = 1.0  # real seconds; clients in the field wait three before they ask
_UUID = re.compile(r"[0-9a-fA-F-]{8,64}", re.ASCII)
MAX_LINES = 8


def is_answer(text: str) -> bool:
    """Whether a JSON text holds records of such a counter."""
    return '"lineRecords"' in text or '"regionRecords"' in text


def read(sheet: Sheet, found: object, line: int = 1, region: int = 1) -> None:
    """The records of an answer. `time` is the start of an hour for a line; for a region, when its presence changed."""
    lines = [record for part in everywhere(found, "lineRecords") for record in items(part, "records")]
    for index, record in enumerate(lines):
        start = sheet.value(f"records[{index}].time", record.get("time"), wall)
        if start is None:
            sheet.problem(f"records[{index}] says no time")
            continue
        for name, metric in (("enter", "in"), ("exit", "out")):
            value = sheet.value(f"records[{index}].{name}", record.get(name), persons)
            sheet.add_local(f"line:{line}", metric, int(start), int(start) + HOUR, value, word(record, "time"))
    for part in everywhere(found, "regionRecords"):
        for index, record in enumerate(items(part, "records")):
            _presence(sheet, f"records[{index}]", f"region:{region}", record)


def _presence(sheet: Sheet, where: str, place: str, record: Object) -> None:
    at = sheet.value(f"{where}.time", record.get("time"), wall)
    value = sheet.value(f"{where}.total", record.get("total"), persons)
    if at is not None:
        sheet.add_local(place, "occupancy", int(at), int(at), value, word(record, "time"))


class Counters:
    """One such counter; its lines are what it says it has."""

    def __init__(self, device: Device, pause: float = _PAUSE) -> None:
        """Take the address as configured; nothing is opened yet."""
        self.cadence: Mapping[Kind, float] = {Kind.LINES: 300}
        self._device, self._pause = device, pause
        self._access = Access(device)
        self._lines: list[str] = []

    async def history(self, kind: Kind, since: int, until: int) -> History:
        """The hours of all lines; see `base.Driver`."""
        if kind is not Kind.LINES:
            raise Unsupported(f"the counter keeps no history of {kind}")
        if not self._lines:
            self._lines = await self._find_lines()
        sheet = Sheet(self._device.zone, self._device.now())
        for first, last in whole_hours(since, until, self._device.zone):
            for number, uuid in enumerate(self._lines, 1):
                read(sheet, await self._records(number, uuid, first, last), line=number)
        found = sheet.history()
        return found._replace(rows=[row for row in found.rows if row.end > since and row.start < until])

    async def counters(self) -> Sequence[Counter]:
        """It has none; see `base.Driver`."""
        raise Unsupported("the counter tells no running totals")

    async def _find_lines(self) -> list[str]:
        found = await self._post("getAlgoParams", {})
        listed = next(iter(everywhere(found, "lineUuids")), None)
        uuids = (
            [one for one in listed if isinstance(one, str) and _UUID.fullmatch(one)] if isinstance(listed, list) else []
        )
        if not uuids:
            raise Unsupported("the counter has no line: draw one in its set-up")
        return uuids[:MAX_LINES]

    async def _records(self, number: int, uuid: str, first: datetime, last: datetime) -> Object:
        times = {"timeStart": f"{first:%Y-%m-%dT%H:%M:%S}.000", "timeEnd": f"{last:%Y-%m-%dT%H:%M:%S}.000"}
        line = {"line": number, "timeUnit": 0, "mode": 0}
        await self._post(_START, {"uuid": uuid, "event": 0, **times, "lineParam": line})
        for attempt in range(_TRIES):
            await asyncio.sleep(self._pause if attempt else self._pause / 4)
            found = await self._post("getRecordsResult", {"uuid": uuid, "event": 0})
            if table(found, "data", "lineRecords"):
                return found
        raise Unreachable(f"it did not find its records within {_TRIES * self._pause:g} seconds")

    async def _post(self, name: str, asked: Object) -> Object:
        body = await self._access.post(_API + name, json.dumps(asked).encode(), "application/json")
        found = json_of(text_of(body))
        if not isinstance(found, dict):
            raise Garbled(f"{name}: no JSON object", str(found)[:500])
        return found
