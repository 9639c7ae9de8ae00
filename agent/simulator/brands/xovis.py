"""Xovis: pushes of version 5 (logics and their records) and of version 4 (lines by the minute)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulator.brand import Brand, Message, line_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.simulator.memory import Hour, Memory
    from agent.simulator.truth import Cell

_RECORD = 60
_SAMPLES = 12
_MOST_RECORDS = 60  # of one push, after an interruption


class Xovis(Brand):
    """One push a period, with a record for each of its minutes; regions are zone logics above the lines' numbers."""

    realm = "Xovis"

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self._package = 0

    def messages(self, since: float, until: float) -> Iterator[Message]:
        """Logics, or elements; and now and then a push that counts nobody."""
        every = self.camera.push.every
        for period in self.memory.steps(since, until, every):
            minutes = list(self.memory.steps(period.start, period.end, _RECORD))[-_MOST_RECORDS:]
            cells = [
                cell
                for hour in minutes
                for number, entered, left in self.lines(hour)
                for cell in line_cells(hour, number, entered, left)
            ]
            self._package += 1
            yield self._version_4(minutes, cells) if self.camera.model == "v4" else self._version_5(minutes, cells)

    # ---- version 5

    def _version_5(self, minutes: list[Hour], cells: list[Cell]) -> Message:
        logics = [self._line_logic(line.number, minutes) for line in self.camera.line]
        logics += [self._zone_logic(region.number, minutes) for region in self.camera.region]
        data = {
            "package_info": {"version": "5.0", "id": self._package, "agent_id": 1008},
            "sensor_info": {
                "serial_number": self.camera.number,
                "type": "SINGLE_SENSOR",
                "timezone": self.memory.zone.key,
            },
            "logics": logics,
        }
        return Message(self.json({"logics_data": data}), cells=cells)

    def _line_logic(self, number: int, minutes: list[Hour]) -> dict[str, object]:
        records = []
        for hour in minutes:
            entered, left = self.memory.crossings(hour.seen, number)
            counts = [
                {"id": 10 * number, "name": "fw", "value": entered},
                {"id": 10 * number + 1, "name": "bw", "value": left},
                {"id": 10 * number + 2, "name": "fw-male", "value": entered // 2},
                {"id": 10 * number + 3, "name": "fw-age", "value": 0, "bins": [0, 0, 0]},
            ]
            records.append(self._record(hour, counts))
        geometry = {"id": number, "type": "LINE", "name": f"Line {number}"}
        return {
            "id": number,
            "name": f"Line {number}",
            "info": "XLT_4X_LINE_IN_OUT_COUNT",
            "geometries": [geometry],
            "records": records,
        }

    def _zone_logic(self, number: int, minutes: list[Hour]) -> dict[str, object]:
        records = [
            self._record(hour, [{"id": 100, "name": "balance", "value": self.memory.present(number, hour.end)}])
            for hour in minutes
        ]
        return {
            "id": number,
            "name": f"Zone {number}",
            "info": "XLT_ZONE_OCCUPANCY_COUNT",
            "geometries": [],
            "records": records,
        }

    def _record(self, hour: Hour, counts: list[dict[str, object]]) -> dict[str, object]:
        self.words.shuffle(counts)
        samples = {"samples": _SAMPLES, "samples_expected": _SAMPLES}
        return {"from": hour.start * 1000, "to": hour.end * 1000, **samples, "counts": counts}

    # ---- version 4

    def _version_4(self, minutes: list[Hour], cells: list[Cell]) -> Message:
        elements = [
            {
                "element-id": line.number,
                "element-name": f"Line {line.number}",
                "data-type": "LINE",
                "resolution": "ONE_MINUTE",
                "measurement": [self._measurement(line.number, hour) for hour in minutes],
            }
            for line in self.camera.line
        ]
        end = minutes[-1].end if minutes else self.memory.clock()
        found = {
            "sensor-time": {"timezone": self.memory.zone.key, "time": self.iso_offset(end + 6)},
            "status": {"code": "OK"},
            "content": {"element": elements},
            "sensor-info": {"serial-number": self.camera.number, "device-type": "PC2S - UL"},
        }
        return Message(self.json(found), cells=cells)

    def _measurement(self, number: int, hour: Hour) -> dict[str, object]:
        entered, left = self.memory.crossings(hour.seen, number)
        values = [{"value": entered, "label": "fw"}, {"value": left, "label": "bw"}]
        self.words.shuffle(values)
        return {"from": self.iso_offset(hour.start), "to": self.iso_offset(hour.end), "value": values}
