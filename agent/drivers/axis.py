"""Axis cameras that count people: AXIS People Counter, AXIS 3D People Counter (P8815-2) and AXIS Object Analytics.

The first two are asked for their memory; the 3D one may also send Retail Data over HTTP, and Object Analytics sends
totals over MQTT. Which application a camera has is the option `application`. A user with viewer rights is enough.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.drivers.base import Counter, Garbled, History, Kind, Pushed, Unsupported
from agent.drivers.reading.asked import Asked, told
from agent.drivers.reading.axis_shapes import export_3d, occupancy_now, people_counter, scenario_totals
from agent.drivers.reading.documents import fingerprint, json_of
from agent.drivers.reading.identity import axis_clock, axis_identity
from agent.drivers.reading.pushed import Letter, choice, decoded, number, only, places, received
from agent.drivers.reading.shape import Object, items, table, word
from agent.drivers.reading.sheet import Sheet, of_kind
from agent.drivers.reading.text import is_page, text_of
from agent.drivers.reading.values import moment, persons

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Device, Driver

_LIVE = "/local/{app}/.api?live-sum.json"
_EXPORT = "/local/{app}/.api?export-json&date={first:%Y%m%d}-{last:%Y%m%d}&res=15m"
_EXPORT_3D = "/a3dpc/api/export/json?start={first:%Y%m%d}&end={last:%Y%m%d}&resolution={step}"
_ANALYTICS = "/local/objectanalytics/control.cgi"
_SCENARIO = re.compile(r"(?:Device\d+)?Scenario(\d{1,3})", re.ASCII)


def open_driver(device: Device) -> Driver:
    """A driver for this camera.

    Options: `application` is people-counter, 3d or object-analytics; `scenarios` says what each scenario of Object
    Analytics counts, `{ "1" = "line:1 in", "2" = "line:1 out" }`; `scenario` (1 to 9) how many there are.

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "axis", ["application", "path", "scenarios", "scenario"])
    places(device.options, "scenarios")
    choice(device.options, "path", ["tvpc", "people-counter"])
    application = choice(device.options, "application", ["people-counter", "3d", "object-analytics"])
    return _Camera(device, application, number(device.options, "scenario", 1, 1, 9))


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded answer or message of any of the applications."""
    text = text_of(body)
    if is_page(body):
        raise Garbled("a web page instead of data", text, 1, 1)
    if _is_message(text):
        return decoded(_message, body, kind, zone, now)
    sheet = Sheet(zone, now)
    _answer(sheet, text)
    return of_kind(sheet.history(), kind)


class _Camera(Asked):
    def __init__(self, device: Device, application: str, scenarios: int) -> None:
        super().__init__(device, axis_identity, axis_clock)
        self._application, self._scenarios = application, scenarios
        self._app = choice(device.options, "path", ["tvpc", "people-counter"])
        self.cadence = {
            "people-counter": {Kind.COUNTERS: 60, Kind.LINES: 3600},
            "3d": {Kind.COUNTERS: 60, Kind.LINES: 3600},
            "object-analytics": {Kind.COUNTERS: 60},
        }[application]

    async def _read_hours(self, sheet: Sheet, first: datetime, last: datetime) -> None:
        if self._application == "object-analytics":
            raise Unsupported("the application keeps no history")
        if self._application == "3d":
            await self._export_3d(sheet, first, "minute")
        else:
            _answer(sheet, text_of(await self._access.get(_EXPORT.format(app=self._app, first=first, last=last))))

    async def counters(self) -> Sequence[Counter]:
        sheet = self._sheet()
        if self._application == "people-counter":
            _answer(sheet, text_of(await self._access.get(_LIVE.format(app=self._app))))
        elif self._application == "3d":
            return await self._today()
        else:
            for scenario in range(1, self._scenarios + 1):
                await self._scenario(sheet, scenario)
        if not (totals := told(sheet)):
            raise Unsupported("the application tells no running totals")
        return totals

    async def _export_3d(self, sheet: Sheet, day: datetime, step: str) -> None:
        """A local day: the start of another is the only end that the application knows, besides the present."""
        target = _EXPORT_3D.format(first=day, last=day + timedelta(days=1), step=step)
        _answer(sheet, text_of(await self._access.get(target)))

    async def _today(self) -> Sequence[Counter]:
        """The 3D application's totals since midnight, of 24 rows at most: its minutes of a day are 1,440."""
        now = self._device.now()
        sheet = Sheet(self._device.zone, now)
        await self._export_3d(sheet, datetime.fromtimestamp(now, self._device.zone), "hour")
        totals: dict[tuple[str, str], float] = {}
        for row in sheet.history().rows:
            totals[row.place, row.metric] = totals.get((row.place, row.metric), 0.0) + row.value
        if sheet.problems:
            raise sheet.problems[0]
        return [Counter(place, metric, value) for (place, metric), value in totals.items()]

    async def _scenario(self, sheet: Sheet, scenario: int) -> None:
        asked = {"apiVersion": "1.2", "method": "getAccumulatedCounts", "params": {"scenario": scenario}}
        body = await self._access.post(_ANALYTICS, json.dumps(asked).encode(), "application/json")
        found = table(json_of(text_of(body)))
        if "error" in found:
            raise Unsupported(f"the application has no such scenario: {word(table(found, 'error'), 'message')}")
        scenario_totals(sheet, table(found, "data"), _meaning(self._device.options, str(scenario)))

    def receive(self, body: bytes, content_type: str, headers: Mapping[str, str]) -> Pushed:
        return received(self._device, _message, body, content_type, headers)


def _answer(sheet: Sheet, text: str) -> None:
    if text.lstrip()[:1] not in {"{", "["}:
        return export_3d(sheet, text)
    found = json_of(text)
    if (isinstance(found, list) and found) or isinstance(table(found).get("data"), list):
        return export_3d(sheet, found)
    if "method" in table(found) and "data" in table(found):
        return scenario_totals(sheet, table(found, "data"), "line:1 in")
    if people_counter(sheet, table(found)) or occupancy_now(sheet, table(found)):
        return None
    raise Garbled("no counts of any application in it", text, 1, 1)


# ---- messages


def _is_message(text: str) -> bool:
    return '"measurements"' in text or ('"message"' in text and '"topic"' in text)


def _message(letter: Letter, text: str) -> None:
    found = table(json_of(text))
    letter.fingerprint = fingerprint(found, ("utcSent", "localSent"))
    if "message" in found:
        return _analytics(letter, found)
    sensor = table(found, "sensor")
    letter.serial = word(sensor, "serial")
    letter.clock = letter.value("utcSent", found.get("utcSent"), moment)
    data = table(found, "data")
    measurements = items(data, "measurements")
    for index, measured in enumerate(measurements):
        if word(measured, "kind") == "people-counts":
            _people(letter, f"measurements[{index}]", measured, data)
    if "measurements" not in data:
        raise Garbled("no Retail Data: no data.measurements in it", text, 1, 1)
    return None


def _people(letter: Letter, where: str, measured: Object, data: Object) -> None:
    start, end = (
        letter.value(f"{where}.{name}", measured.get(name, data.get(name)), moment) for name in ("utcFrom", "utcTo")
    )
    if start is None or end is None:
        return letter.problem(f"{where} says no utcFrom and utcTo")
    for index, item in enumerate(items(measured, "items")):
        metric = word(item, "direction").lower()
        if metric not in {"in", "out"}:
            letter.problem(f"{where}.items[{index}]: no direction in or out", metric)
            continue
        value = letter.value(f"{where}.items[{index}].count", item.get("count"), persons)
        letter.add("line:1", metric, start, end, value, word(measured, "utcFrom"))
    return None


def _analytics(letter: Letter, found: Object) -> None:
    """Totals since the last reset, as text, without a direction: that is what the scenario was drawn for."""
    letter.serial = word(found, "serial")
    letter.clock = letter.value("timestamp", found.get("timestamp"), moment)
    topic = letter.topic or word(found, "topic")
    name = topic.rpartition("/")[2]
    scenario = _SCENARIO.fullmatch(name)
    if not scenario:
        raise Garbled(f"no scenario that counts: {name[:80]!r}", topic, 1, 1)
    scenario_totals(letter, table(found, "message", "data"), _meaning(letter.options, scenario[1]))


def _meaning(options: Mapping[str, object], scenario: str) -> str:
    return places(options, "scenarios").get(scenario, f"line:{scenario} in")
