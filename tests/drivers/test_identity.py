"""Devices say who they are and what time they have, each in its brand's words."""

import pytest

from agent.drivers.base import Garbled, Identity, Unsupported
from tests.drivers.vendors import Vendor, opened, utc

NOON = "2026-07-06T12:00:00Z"  # 13:00 in Lisbon
PROPERTIES = '{"data": {"propertyList": {"SerialNumber": "ACCC8E000001", "ProdNbr": "P8815-2", "Version": "11.1"}}}'
INFO = (
    '<DeviceInfo xmlns="http://www.hikvision.com/ver20/XMLSchema"><model>DS-2</model>'
    "<serialNumber>S1</serialNumber><firmwareVersion>V5</firmwareVersion></DeviceInfo>"
)
VENDORS = [
    ("axis", {"axis_cgi_basicdeviceinfo_cgi": PROPERTIES}, Identity("ACCC8E000001", "P8815-2", "11.1")),
    ("hikvision", {"ISAPI_System_deviceInfo": INFO}, Identity("S1", "DS-2", "V5")),
    (
        "dahua",
        {"cgi_bin_magicBox_cgi": "deviceType=IPC\r\nserialNumber=S2\r\nversion=2.8,build:2024-01-01\r\n"},
        Identity("S2", "IPC", "2.8,build:2024-01-01"),
    ),
    (
        "hanwha",
        {"stw_cgi_system_cgi": "Model=XNV\rSerialNumber=S3\rFirmwareVersion=1.4\r"},
        Identity("S3", "XNV", "1.4"),
    ),
]


@pytest.mark.parametrize(("name", "answers", "expected"), VENDORS)
async def test_identity(rig, name, answers, expected):
    """The serial number, the model and the firmware."""

    assert await (await opened(rig, name, Vendor(**answers))).identity() == expected


@pytest.mark.parametrize(("name", "answers", "_"), VENDORS)
async def test_no_identity(rig, name, answers, _):
    """No serial number is an answer that was not understood, never an empty one; no page for it, a model without."""

    silent = dict.fromkeys(answers, "<DeviceInfo/>" if name == "hikvision" else "{}")

    with pytest.raises(Garbled):
        await (await opened(rig, name, Vendor(**silent))).identity()
    with pytest.raises(Unsupported):
        await (await opened(rig, name, Vendor())).identity()


def time(local, zone="CST+0:00:00"):
    return {"ISAPI_System_time": f"<Time><localTime>{local}</localTime><timeZone>{zone}</timeZone></Time>"}


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("axis", {"axis_cgi_time_cgi": '{"data": {"dateTime": "2026-07-06T12:00:00Z"}}'}),
        ("axis", {"axis_cgi_time_cgi": '{"data": {"localDateTime": "2026-07-06T13:00:00"}}'}),
        ("hikvision", time("2026-07-06T20:00:00+08:00", "CST-8:00:00")),
        ("hikvision", time("2026-07-06T20:00:00", "CST-8:00:00")),
        ("hikvision", time("2026-07-06T07:00:00", "CST+5:00:00")),
        ("hikvision", time("2026-07-06T13:00:00", "WET+0:00:00DST01:00:00,M3.5.0/01:00:00,M10.5.0/02:00:00")),
        ("dahua", {"cgi_bin_global_cgi": "result=2026-07-06 13:00:00\r\n"}),
        ("hanwha", {"stw_cgi_system_cgi": "LocalTime=2026-07-06 13:00:00\rUTCTime=2026-07-06 12:00:00\r"}),
        ("hanwha", {"stw_cgi_system_cgi": "LocalTime=2026-07-06 13:00:00\r"}),
    ],
)
async def test_clock(rig, name, answers):
    """The clock in UTC, whether the device tells UTC, an offset, a POSIX zone, or nothing but the time."""

    assert await (await opened(rig, name, Vendor(**answers))).clock() == utc(NOON)


@pytest.mark.parametrize(("now", "expected"), [("2025-10-26T00:30:02Z", 0), ("2025-10-26T01:29:58Z", 1)])
async def test_clock_in_the_repeated_hour(rig, now, expected):
    """01:30 on the day summer time ends is the one of the two that is nearer to now."""

    vendor = Vendor(cgi_bin_global_cgi="result=2025-10-26 01:30:00\r\n")

    found = await (await opened(rig, "dahua", vendor, now=now)).clock()

    assert found == utc("2025-10-26T00:30:00Z") + expected * 3600


@pytest.mark.parametrize("said", ["", "yesterday", "2026-13-01 00:00:00"])
async def test_no_clock(rig, said):
    """A clock that cannot be read is an error and no time."""

    with pytest.raises(Garbled):
        await (await opened(rig, "dahua", Vendor(cgi_bin_global_cgi=f"result={said}\r\n"))).clock()
