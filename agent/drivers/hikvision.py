"""Hikvision cameras that count people, over ISAPI: their memory by a search, their messages by push or alert stream.

A message tells either running totals (`realTime`) or the counts of a window (`timeRange`), in XML of any namespace or
in JSON. An account that may operate remotely is enough.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled, History, Kind, Pushed, Unsupported
from agent.drivers.reading.asked import Asked
from agent.drivers.reading.documents import Element, element_of, fingerprint, json_of, xml_of
from agent.drivers.reading.fetch import Access
from agent.drivers.reading.identity import hikvision_clock, hikvision_identity
from agent.drivers.reading.pushed import Letter, decoded, number, only, received
from agent.drivers.reading.sheet import Sheet, of_kind
from agent.drivers.reading.text import is_page, text_of
from agent.drivers.reading.values import amount, has_zone, moment, persons, wall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Counter, Device, Driver

_SEARCH = "/ISAPI/System/Video/inputs/channels/{channel}/counting/search"
_OPENS = re.compile(r"<(?:\w{1,20}:)?EventNotificationAlert\b")
_CLOSES = re.compile(r"</(?:\w{1,20}:)?EventNotificationAlert\s*>")
_VOLATILE = ("isDataRetransmission", "activePostCount", "snapPicture", "uploadTime")
_QUEUES = ("personQueueCounting", "PersonQueueCounting", "personQueueTime", "PersonQueueTime", "personQueue")
_STREAM = "/ISAPI/Event/notification/alertStream"
_END = re.compile(rb"</(?:\w{1,20}:)?EventNotificationAlert\s*>")
SILENCE = 60.0  # real seconds: it says every few that nothing happens
MAX_ALERT = 64 * 1024  # bytes; one about counts has two thousand
MAX_ALERTS = 1000  # of one piece of an alert stream


def open_driver(device: Device) -> Driver:
    """A driver for this camera; option `channel` is the input that counts (1), `alerts` follows its alert stream.

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "hikvision", ["channel", "alerts"])
    if not isinstance(device.options.get("alerts", False), bool):
        raise ValueError(f"option alerts is {device.options['alerts']!r}: write true or false")  # noqa: TRY004 - as all options
    return _Camera(device, number(device.options, "channel", 1, 1))


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded search result, message, or piece of an alert stream."""
    text = text_of(body)
    if is_page(body):
        raise Garbled("a web page instead of data", text, 1, 1)
    if "CountingStatisticsResult" in text or "ResponseStatus" in text:
        sheet = Sheet(zone, now)
        _search_result(sheet, _result(text))
        return of_kind(sheet.history(), kind)
    return decoded(_message, body, kind, zone, now)


class _Camera(Asked):
    cadence: Mapping[Kind, float] = {Kind.LINES: 60}

    def __init__(self, device: Device, channel: int) -> None:
        super().__init__(device, hikvision_identity, hikvision_clock)
        self._target = _SEARCH.format(channel=channel)

    async def _read_hours(self, sheet: Sheet, first: datetime, last: datetime) -> None:
        body = await self._access.post(self._target, _question(first, last), "application/xml")
        _search_result(sheet, _result(text_of(body)))

    async def counters(self) -> Sequence[Counter]:
        raise Unsupported("its running totals come only with its messages")

    async def messages(self) -> AsyncIterator[bytes]:
        """The alerts of its stream, each when it is whole; see `base.Streaming`."""
        waiting = b""
        async for piece in Access(self._device).stream(_STREAM, SILENCE):
            waiting += piece
            while (end := _END.search(waiting)) is not None:
                whole, waiting = waiting[: end.end()], waiting[end.end() :]
                if opens := _OPENS.search(whole.decode("latin-1")):
                    yield whole[opens.start() :]
            waiting = waiting[-MAX_ALERT:]

    def receive(self, body: bytes, content_type: str, headers: Mapping[str, str]) -> Pushed:
        return received(self._device, _message, body, content_type, headers)


def _question(first: datetime, last: datetime) -> bytes:
    span = f"<startTime>{first:%Y-%m-%dT%H:%M:%S}</startTime><endTime>{last:%Y-%m-%dT%H:%M:%S}</endTime>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><CountingStatisticsDescription>'
        "<statisticType>all</statisticType><reportType>daily</reportType>"
        f"<timeSpanList><timeSpan>{span}</timeSpan></timeSpanList></CountingStatisticsDescription>"
    ).encode()


# ---- search results


def _result(text: str) -> Element:
    return _json_root(text) if text.lstrip()[:1] in {"{", "["} else xml_of(text)


def _search_result(sheet: Sheet, root: Element) -> None:
    if root.name == "ResponseStatus":
        raise Unsupported(f"it cannot search its counts: {root.word('statusString')} {root.word('subStatusCode')}")
    if root.name not in {"CountingStatisticsResult", "countingStatisticsResult"}:
        raise Garbled(f"XML about {root.name!r}, where counts were expected", root.name, 1, 1)
    status = root.word("responseStatusStrg").upper()
    if status not in {"OK", "MORE", "NO MATCHES", ""}:
        raise Garbled(f"the search ended with {status!r}", status, 1, 1)
    for index, match in enumerate(root.all("matchElement")):
        line = match.word("regionsID", "regionID", "lineID") or "1"
        where = f"matchElement[{index}]"
        for name, metric in (("enterCount", "in"), ("exitCount", "out")):
            value = sheet.value(f"{where}.{name}", match.word(name), persons)
            span = match.word("startTime", "beginTime"), match.word("endTime")
            add_interval(sheet, where, f"line:{line}", metric, span, value)


def add_interval(sheet: Sheet, where: str, place: str, metric: str, span: tuple[str, str], value: float | None) -> None:
    """A value over two times that carry a zone or do not."""
    if value is None:
        return
    read = moment if has_zone(span[0]) else wall
    start, end = (sheet.value(where, time, read) for time in span)
    if start is None or end is None:
        sheet.problem(f"{where} says no time from and to", span)
    elif read is moment:
        end += int(end) % 60 == 59  # noqa: PLR2004 - the last second of a minute
        sheet.add(place, metric, start, end, value, span[0])
    else:
        sheet.add_local(place, metric, int(start), int(end), value, span[0])


# ---- messages


def _message(letter: Letter, text: str) -> None:
    roots = [_json_root(text)] if text.lstrip()[:1] in {"{", "["} else _alerts(text)
    if not roots or any(root.name != "EventNotificationAlert" for root in roots):
        raise Garbled("no message of a camera: no EventNotificationAlert in it", text, 1, 1)
    letter.fingerprint = fingerprint([_without(root).plain() for root in roots])
    for root in roots:
        _alert(letter, root)


def _alerts(text: str) -> list[Element]:
    """The messages of a body: the one it is, or those between the boundaries of a stream."""
    if text.lstrip("\ufeff \t\n").startswith("<"):
        return [xml_of(text)]
    alerts: list[Element] = []
    end = 0
    while (opens := _OPENS.search(text, end)) and (closes := _CLOSES.search(text, opens.end())):
        alerts.append(xml_of(text[opens.start() : closes.end()]))
        end = closes.end()
        if len(alerts) > MAX_ALERTS:
            raise Garbled("more messages in it than any camera sends at once", text)
    return alerts


def _json_root(text: str) -> Element:
    found = json_of(text)
    for name in ("EventNotificationAlert", "CountingStatisticsResult"):
        if isinstance(found, dict) and name in found:
            return element_of(name, found[name])
    return element_of("EventNotificationAlert" if isinstance(found, dict) and "eventType" in found else "", found)


def _without(root: Element) -> Element:
    return replace(root, children=[child for child in root.children if child.name not in _VOLATILE])


def _alert(letter: Letter, root: Element) -> None:
    letter.serial = letter.serial or root.word("serialNumber", "macAddress")
    letter.again = letter.again or root.word("isDataRetransmission").lower() == "true"
    _set_clock(letter, "dateTime", root.word("dateTime"))
    for index, part in enumerate(root.all("peopleCounting", "PeopleCounting")):
        _counting(letter, f"peopleCounting[{index}]", part)
    for part in root.all(*_QUEUES):
        _queue(letter, part)


def _set_clock(letter: Letter, where: str, text: str) -> None:
    if text and has_zone(text):
        letter.clock = letter.value(where, text, moment)


def _counting(letter: Letter, where: str, part: Element) -> None:
    """One line's counts; those of its children (`childCounting`) are of the same persons."""
    own = replace(part, children=[child for child in part.children if child.name != "childCounting"])
    place = f"line:{own.word('regionsID', 'regionID') or '1'}"
    window = own.find("TimeRange", "timeRange")
    method = own.word("statisticalMethods").lower() or ("timerange" if window else "realtime")
    span = (window.word("startTime"), window.word("endTime")) if window else ("", "")
    for name, metric in (("enter", "in"), ("exit", "out")):
        value = letter.value(f"{where}.{name}", own.word(name), persons)
        if method == "timerange":
            add_interval(letter, where, place, metric, span, value)
        else:
            letter.count(place, metric, value)
    real = own.find("RealTime", "realTime")
    if real and method != "timerange":
        _set_clock(letter, f"{where}.RealTime.time", real.word("time"))


def _queue(letter: Letter, part: Element) -> None:
    """How long a queue is, or how long somebody waited, at the moment of the message."""
    at = letter.now if letter.clock is None else letter.clock
    place = f"region:{part.word('regionID', 'regionsID', 'regionId') or '1'}"
    length = letter.value(f"{part.name}.peopleNum", part.word("personNum", "peopleNum", "queueNum"), persons)
    letter.add(place, "queue_length", at, at, length)
    wait = letter.value(f"{part.name}.waitTime", part.word("waitTime"), amount)
    letter.add(place, "queue_wait", at, at, wait)
