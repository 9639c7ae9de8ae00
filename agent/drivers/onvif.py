"""Any camera that tells its counters by ONVIF Profile M: over MQTT as JSON (`onvif-ej`), or as XML notifications.

A counter tells a total and no direction, so that what a rule counts is set by the option `rules`; without it a rule
whose name says exit, out or leave counts those who leave. Retained messages are read: some cameras retain even live.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled
from agent.drivers.reading.documents import Element, fingerprint, json_of, xml_of
from agent.drivers.reading.pushed import Letter, Sender, decoded, only, places
from agent.drivers.reading.shape import Object, items, table, word
from agent.drivers.reading.values import moment, persons

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Device, Driver, History, Kind

_COUNTER = re.compile(r"CountAggregation/Counter|/Count(?:ing|er)?\b|MilesightRule/\w*Count\w*", re.IGNORECASE)
_CROSSED = re.compile(r"LineDetector/Crossed|LineCrossing", re.IGNORECASE)
_LEAVING = re.compile(r"(?:\b|_)(?:out|exit|leav\w*|backward)(?:\b|_|\d)|Out|Exit", re.ASCII)
_MEANING = re.compile(r"((?:line|region):\d{1,3}) (in|out|visits)", re.ASCII)
_NAMES = ("Count", "count", "Total")


def open_driver(device: Device) -> Driver:
    """A driver that listens; option `rules` says what a rule counts: `{ "Door" = "line:1 in" }`.

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "onvif", ["rules"])
    for rule, meaning in places(device.options, "rules").items():
        if not _MEANING.fullmatch(meaning):
            raise ValueError(f"option rules: {rule} = {meaning!r}: write a place and a direction, such as 'line:1 in'")
    return Sender(device, _read)


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded message, as JSON or as XML."""
    return decoded(_read, body, kind, zone, now)


def _read(letter: Letter, text: str) -> None:
    if text.lstrip()[:1] in {"{", "["}:
        found = json_of(text)
        letter.fingerprint = fingerprint(found)
        if not items(found):
            raise Garbled("no ONVIF notification: no JSON object in it", text, 1, 1)
        for index, event in enumerate(items(found)):
            _event(letter, f"[{index}]", _of_json(letter, event))
    else:
        root = xml_of(text)
        letter.fingerprint = fingerprint(root.plain())
        for index, (topic, message) in enumerate(_notifications(root, letter.topic)):
            _event(letter, f"[{index}]", _of_xml(topic, message))


def _of_json(letter: Letter, event: Object) -> Object:
    """One notification in the words of `onvif-ej`; some bridges put it below `message`, and the topic inside."""
    inner = table(event, "message") or table(event, "Message") or event
    topic = word(event, "Topic", "topic") or letter.topic
    return {"Topic": topic, **{key: inner[key] for key in ("UtcTime", "Source", "Data") if key in inner}}


def _notifications(root: Element, topic: str) -> list[tuple[str, Element]]:
    """Each message with its topic: several in a response to PullMessages, one bare in a payload of MQTT."""
    found = list(root.all("NotificationMessage"))
    if not found:
        return [(topic, one) for one in root.all("Message") if "UtcTime" in one.attributes]
    return [(part.word("Topic"), one) for part in found for one in part.all("Message") if "UtcTime" in one.attributes]


def _of_xml(topic: str, message: Element) -> Object:
    def pairs(name: str) -> Object:
        part = message.find(name)
        listed = part.all("SimpleItem") if part else ()
        return {one.attributes.get("Name", ""): one.attributes.get("Value", "") for one in listed}

    return {
        "Topic": topic,
        "UtcTime": message.attributes["UtcTime"],
        "Source": pairs("Source"),
        "Data": pairs("Data"),
    }


def _event(letter: Letter, where: str, event: Object) -> None:
    source, data, topic = table(event, "Source"), table(event, "Data"), word(event, "Topic")
    if not source and not data:
        raise Garbled("no ONVIF notification: neither Source nor Data in it", str(event)[:500], 1, 1)
    at = letter.value(f"{where}.UtcTime", event.get("UtcTime"), moment)
    letter.clock = at if at is not None else letter.clock
    place, metric = _meaning(letter, word(source, "Rule", "RuleName"))
    count = next((data[name] for name in _NAMES if name in data), None)
    if count is not None and (not topic or _COUNTER.search(topic)):
        letter.count(place, metric, letter.value(f"{where}.Count", count, persons))
    elif topic and _CROSSED.search(topic) and at is not None and count is None:
        letter.cross(place, metric, at, 1.0)


def _meaning(letter: Letter, rule: str) -> tuple[str, str]:
    if found := _MEANING.fullmatch(places(letter.options, "rules").get(rule, "")):
        return found[1], found[2]
    digits = re.search(r"(\d{1,3})\D*\Z", rule, re.ASCII)
    return f"line:{int(digits[1]) if digits else 1}", "out" if _LEAVING.search(rule) else "in"
