"""Who a device is and what its clock shows, asked in the words of each brand; none of it changes anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled, Identity, Unsupported
from agent.drivers.reading.documents import json_of, xml_of
from agent.drivers.reading.localtime import spans
from agent.drivers.reading.shape import table, word
from agent.drivers.reading.text import pairs, text_of
from agent.drivers.reading.values import has_zone, moment, posix_offset, wall, wall_in_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.drivers.base import Device
    from agent.drivers.reading.fetch import Access

_AXIS = ("/axis-cgi/basicdeviceinfo.cgi", "getAllUnrestrictedProperties")
_AXIS_TIME = ("/axis-cgi/time.cgi", "getDateTimeInfo")
_DAHUA = "/cgi-bin/magicBox.cgi?action="
_DAHUA_TIME = "/cgi-bin/global.cgi?action=getCurrentTime"
_HANWHA = "/stw-cgi/system.cgi?msubmenu={}&action=view"
_HIKVISION = "/ISAPI/System/"


async def axis_identity(access: Access) -> Identity:
    """By an interface that wants no log-in."""
    found = table(await _axis(access, *_AXIS), "data", "propertyList")
    return _known(word(found, "SerialNumber"), word(found, "ProdNbr", "ProdFullName"), word(found, "Version"))


async def axis_clock(access: Access, device: Device) -> float:
    """UTC, and local time where that is all there is."""
    found = table(await _axis(access, *_AXIS_TIME), "data")
    return _time(word(found, "dateTime", "localDateTime"), device)


async def _axis(access: Access, target: str, method: str) -> object:
    asked = json.dumps({"apiVersion": "1.0", "method": method}).encode()
    found = table(json_of(text_of(await access.post(target, asked, "application/json"))))
    if "error" in found:
        raise Unsupported(f"it does not know {method}")
    return found


async def hikvision_identity(access: Access) -> Identity:
    """ISAPI's device information."""
    root = xml_of(text_of(await access.get(_HIKVISION + "deviceInfo")))
    return _known(root.word("serialNumber"), root.word("model"), root.word("firmwareVersion"))


async def hikvision_clock(access: Access, device: Device) -> float:
    """Local time, with an offset or with a POSIX zone beside it, whose sign is the other way round."""
    root = xml_of(text_of(await access.get(_HIKVISION + "time")))
    local, zone = root.word("localTime"), root.word("timeZone")
    if local and zone and not has_zone(local) and "DST" not in zone:
        return _read(lambda: wall_in_utc(local, posix_offset(zone)), local)
    return _time(local, device)


async def dahua_identity(access: Access) -> Identity:
    """Two questions, as the firmware's version is told apart."""
    found = await _pairs(access, _DAHUA + "getSystemInfo")
    version = await _pairs(access, _DAHUA + "getSoftwareVersion")
    return _known(found.get("serialNumber", ""), found.get("deviceType", ""), version.get("version", ""))


async def dahua_clock(access: Access, device: Device) -> float:
    """Local time."""
    return _time((await _pairs(access, _DAHUA_TIME)).get("result", ""), device)


async def hanwha_identity(access: Access) -> Identity:
    """SUNAPI's device information."""
    found = await _pairs(access, _HANWHA.format("deviceinfo"))
    return _known(found.get("SerialNumber", ""), found.get("Model", ""), found.get("FirmwareVersion", ""))


async def hanwha_clock(access: Access, device: Device) -> float:
    """UTC, and local time where that is all there is."""
    found = await _pairs(access, _HANWHA.format("date"))
    if utc := found.get("UTCTime"):
        return _read(lambda: wall_in_utc(utc, 0), utc)
    return _time(found.get("LocalTime", ""), device)


async def _pairs(access: Access, target: str) -> dict[str, str]:
    return {pair.name: pair.value for pair in pairs(text_of(await access.get(target)))}


def _known(serial: str, model: str, firmware: str) -> Identity:
    if not serial:
        raise Garbled("it does not say its serial number")
    return Identity(serial[:64], model[:64], firmware[:64])


def _time(text: str, device: Device) -> float:
    """A time with an offset; or one of the device's zone, in the pass of a repeated hour that is nearer to now."""
    if has_zone(text) and text:
        return _read(lambda: moment(text), text)
    at = int(_read(lambda: wall(text), text))
    first, *more = spans([(at, at + 1), (at, at + 1)], device.zone, device.now())
    return float(min((first, *more), key=lambda span: abs(span.start - device.now())).start)


def _read(read: Callable[[], float], text: str) -> float:
    try:
        return read()
    except ValueError as error:
        raise Garbled(f"its clock: {text[:40]!r} {error}", text) from None
