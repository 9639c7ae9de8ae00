"""Vivotek SC8131 stereo counters, which send a report by HTTP or FTP: CSV of two blocks, JSON or XML.

Times are UTC; the zone beside them is for people. In lite mode a rule that counted nobody is left out, so that a rule's
number is taken from its name (`Counting2`), or from the option `rules`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled
from agent.drivers.reading.documents import element_of, fingerprint, json_of, xml_of
from agent.drivers.reading.pushed import Letter, Sender, decoded, only, places
from agent.drivers.reading.values import moment, persons

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Device, Driver, History, Kind
    from agent.drivers.reading.documents import Element

_COUNTS = {"in": "in", "out": "out"}
MAX_LINES = 20_000


def open_driver(device: Device) -> Driver:
    """A driver that listens; option `rules` names the place of a rule: `{ "Main door" = "line:1" }`.

    Raises:
        ValueError: the address or an option is wrong.
    """
    only(device.options, "vivotek", ["rules"])
    places(device.options, "rules")
    return Sender(device, _read)


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded report."""
    return decoded(_read, body, kind, zone, now)


def _read(letter: Letter, text: str) -> None:
    start = text.lstrip()[:1]
    if start in {"{", "["}:
        blocks = _blocks(element_of("", json_of(text)))
    else:
        blocks = _blocks(xml_of(text)) if start == "<" else _csv(text)
    letter.fingerprint = fingerprint(blocks)
    rules = [block for block in blocks if "in" in block or "out" in block]
    about = next((block for block in blocks if "macaddress" in block), {})
    if not rules and not about:
        raise Garbled("no report: neither a device nor a rule that counts in it", text, 1, 1)
    letter.serial = about.get("macaddress", "")
    letter.clock = letter.value("UtcTime", about.get("utctime"), moment)
    named = places(letter.options, "rules")
    numbered = all(re.search(r"\d+\Z", rule.get("rulename", "")) for rule in rules)
    for index, rule in enumerate(rules):
        name = rule.get("rulename", "")
        digits = re.search(r"\d{1,9}\Z", name) if numbered else None
        place = named.get(name) or f"line:{int(digits[0]) if digits else index + 1}"
        _rule(letter, f"rule[{index}]", place, rule)


def _rule(letter: Letter, where: str, place: str, rule: dict[str, str]) -> None:
    start, end = (letter.value(f"{where}.{name}", rule.get(name), moment) for name in ("starttime", "endtime"))
    if start is None or end is None:
        return letter.problem(f"{where} says no StartTime and EndTime")
    for name, metric in _COUNTS.items():
        value = letter.value(f"{where}.{name}", rule.get(name), persons)
        letter.add(place, metric, start, end, value, rule.get("starttime", ""))
    return None


def _csv(text: str) -> list[dict[str, str]]:
    """The rows of all blocks by the header above them; a row whose first cell is the name of a column is a header."""
    blocks: list[dict[str, str]] = []
    header: list[str] = []
    for line in text.replace('"', "").split("\n", MAX_LINES)[:MAX_LINES]:
        cells = [cell.strip() for cell in line.strip().split(",")]
        if not any(cells):
            continue
        if {"ruletype", "rulename", "utctime", "macaddress"} & {cell.lower() for cell in cells}:
            header = [cell.lower() for cell in cells]
        elif len(cells) == len(header):
            blocks.append(dict(zip(header, cells, strict=True)))
        else:
            raise Garbled(f"{len(cells)} fields where the header has {len(header)}", line)
    return blocks


def _blocks(root: Element) -> list[dict[str, str]]:
    """Every element with children or attributes of its own, by lower-case names."""
    stack, blocks = [root], []
    while stack:
        element = stack.pop()
        stack += reversed(element.children)
        block = {name.lower(): value for name, value in element.attributes.items()}
        block |= {child.name.lower(): child.text.strip() for child in element.children if not child.children}
        if block:
            blocks.append(block)
    return blocks
