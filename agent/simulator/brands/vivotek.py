"""Vivotek SC8131: reports of a period in UTC, as CSV of two blocks, JSON or XML; `lite` leaves out zeros."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent.simulator.brand import Brand, Message, line_cells, utc
from agent.simulator.buckets import offset_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.simulator.memory import Hour


class Vivotek(Brand):
    """Rules are `Counting1`, `Counting2` by the number of their line."""

    realm = "streaming_server"

    def messages(self, since: float, until: float) -> Iterator[Message]:
        """A report a period."""
        for hour in self.memory.steps(since, until, self.camera.push.every):
            cells = [cell for line in self.lines(hour) for cell in line_cells(hour, *line)]
            device, rules = self._device(hour), self._rules(hour)
            if self.camera.model == "json":
                yield Message(json.dumps({"Device": device, "Rules": rules}).encode(), cells=cells)
            elif self.camera.model == "xml":
                yield Message(_xml(device, rules), "application/xml", cells=cells)
            else:
                yield Message(_csv(device, rules), "text/csv", cells=cells)

    def _device(self, hour: Hour) -> dict[str, object]:
        return {
            "UtcTime": utc(hour.end + 1),
            "GroupID": 0,
            "DeviceID": 0,
            "ModelName": "SC8131",
            "MacAddress": "00:02:D1:00:00:01",
            "IPAddress": "192.0.2.10",
            "TimeZone": f"{offset_at(hour.end, self.memory.zone) / 3600:+g}",
            "DST": int(self.in_summer(hour.end)),
        }

    def _rules(self, hour: Hour) -> list[dict[str, object]]:
        lite = self.camera.push.lite
        return [
            {
                "RuleType": "Counting",
                "RuleName": f"Counting{number}",
                "In": entered,
                "Out": left,
                "StartTime": utc(hour.start),
                "EndTime": utc(hour.end),
            }
            for number, entered, left in self.lines(hour)
            if entered or left or not lite
        ]


def _csv(device: Mapping[str, object], rules: list[dict[str, object]]) -> bytes:
    lines = [",".join(device), ",".join(map(str, device.values()))]
    if rules:
        lines += [",".join(rules[0]), *(",".join(map(str, rule.values())) for rule in rules)]
    return "\r\n".join([*lines, ""]).encode()


def _xml(device: Mapping[str, object], rules: list[dict[str, object]]) -> bytes:
    def element(name: str, found: Mapping[str, object]) -> str:
        return f"<{name}>{''.join(f'<{key}>{value}</{key}>' for key, value in found.items())}</{name}>"

    inside = element("Device", device) + "".join(element("Rule", rule) for rule in rules)
    return f'<?xml version="1.0"?>\n<Report>{inside}</Report>'.encode()
