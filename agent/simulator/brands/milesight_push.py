"""Milesight VS121, VS125 and VS135 send JSON: local times without offset, nested, flat (camera-formats.md §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulator.brand import Brand, Message, line_cells, utc
from agent.simulator.buckets import offset_at
from agent.simulator.truth import Cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.simulator.memory import Hour

_ZONE = "UTC{sign}{hours}:{minutes:02} {name}"
_BASELINE = 176  # persons who left before the device was told of anybody who came: its capacity is negative


class MilesightPush(Brand):
    """Family c. What is ticked in the device: periods and totals; VS125 may also send each crossing (`trigger`)."""

    realm = "People Counter"

    def messages(self, since: float, until: float) -> Iterator[Message]:
        """A message a period, with the sections of the model."""
        for hour in self.memory.steps(since, until, self.camera.push.every):
            found = self._regions(hour) if self.camera.model == "vs121" else self._lines(hour)
            again = self.json({**found, "isRetransmission": True})
            yield Message(self.json(found), cells=self._cells(hour), again=again)

    def _cells(self, hour: Hour) -> list[Cell]:
        if self.camera.model != "vs121":
            return [
                cell for number, entered, left in self.lines(hour) for cell in line_cells(hour, number, entered, left)
            ]
        at = hour.end
        present = [(region.number, self.memory.present(region.number, at)) for region in self.camera.region]
        return [Cell("occupancy", f"region:{number}", "occupancy", at, at, value, True) for number, value in present]

    # ---- VS125, which nests, and VS135, which does not

    def _lines(self, hour: Hour) -> dict[str, object]:
        nested = self.camera.model == "vs125"
        periodic = []
        totals = []
        for number, entered, left in self.lines(hour):
            # In a vendor's sample two lines share a name and a uuid: only the number tells them apart.
            about = {"line": number, "line_name": "Line1", "line_uuid": "9a0440de-3188-4f6d-b886-bb20c97bd26b"}
            inside, outside = self.memory.totals(number)
            window: dict[str, object] = {"in": entered, "out": left}
            since = {
                "in_counted": inside,
                "out_counted": outside + _BASELINE,
                "capacity_counted": inside - outside - _BASELINE,
            }
            group = {"group": {"in": entered // 2, "out": left // 2}, "staff": {"in": 0, "out": 0}}
            periodic.append(about | ({"total": window} | group if nested else window))
            totals.append(about | ({"total": since} if nested else since))
        return {
            "device_info": self._device("V_125.1.0.1" if nested else "V_135.1.0.7-r1", hour.end),
            "network_info": {"network_status": "true", "iccid": "0" * 20},
            "line_periodic_data": periodic,
            "line_total_data": totals,
            "time_info": {
                "start_time": self._time(hour.start),
                "end_time": self._time(hour.end),
                "time_zone": self._zone(hour.end),
                "enable_dst": True,
                "dst_status": self.in_summer(hour.end),
            },
        }

    def _time(self, seconds: float) -> str:
        return self.iso_offset(seconds).replace("+00:00", "-00:00")

    def _zone(self, seconds: float) -> str:
        minutes = abs(offset := offset_at(seconds, self.memory.zone)) // 60
        sign = "-" if offset <= 0 else "+"
        return _ZONE.format(sign=sign, hours=minutes // 60, minutes=minutes % 60, name=self.memory.zone.key)

    def _device(self, firmware: str, at: int) -> dict[str, object]:
        return {
            "cus_device_id": "",
            "device_mac": "24:E1:24:00:00:01",
            "device_name": "People Counter",
            "device_sn": self.camera.number,
            "firmware_version": firmware,
            "ip_address": "192.0.2.10",
            "running_time": at % 100_000,
            "cpu": self.words.randrange(100),
        }

    # ---- VS121

    def _regions(self, hour: Hour) -> dict[str, object]:
        numbers = [region.number for region in self.camera.region]
        present = [self.memory.present(number, hour.end) for number in numbers]
        offset = offset_at(hour.end, self.memory.zone)
        return {
            "event": "Region People Counting",
            "report_type": "interval",
            "device_info": {"device": "Workplace Sensor", "device_sn": self.camera.number},
            "time_info": {
                "timezone": self._zone(hour.end).split()[0],
                "dst_status": self.in_summer(hour.end),
                # Both by the offset at the end: the device formats them when it sends.
                "start_time": _local(hour.start + offset),
                "end_time": _local(hour.end + offset),
            },
            "current_total": sum(present),
            "Max_counted": sum(present) + 2,
            "total_mapped_regions": len(numbers),
            "numbering_regions": numbers,
            "current_counted": present,
            "occupancy": [int(value > 0) for value in present],
            "snapshot": "/9j/4AAQSkZJRgABAQ==",
        }


def _local(wall: int) -> str:
    return utc(wall, "%Y/%m/%d %H:%M:%S")
