"""Milesight VS133-type counters: a query is started, and its result is there a while later (camera-formats.md §1.3)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from agent.simulator.brand import Answer, Brand, Denied, Question, line_cells

if TYPE_CHECKING:
    from agent.simulator.memory import Memory
    from agent.simulator.truth import Cell

API = "/api/v1/counting/"
_SPACE = UUID("00000000-0000-4000-8000-000000000000")
_LATE = 1  # so many questions for a result come too early
_TIME = "%Y-%m-%dT%H:%M:%S.000"


class Vs133(Brand):
    """Family b: every address is a POST, every log-in Digest."""

    realm = "VS133"
    methods = ("POST",)

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self._asked: dict[str, tuple[Answer, int]] = {}

    def answer(self, question: Question) -> Answer:
        """One call of the API."""
        try:
            asked = json.loads(question.body or b"{}")
        except ValueError:
            raise Denied(400) from None
        match question.path.removeprefix(API):
            case "getAlgoParams":
                uuids = [self._uuid(line.number) for line in self.camera.line]
                areas = {"lineUuids": uuids, "regionUuids": [], "lineNum": len(uuids)}
                return self._told({"code": 0, "msg": "success", "data": {"areas": areas, "algo": {"mode": 1}}})
            case "getDatabseRecords":  # spelt so by the device
                self._asked[f"{asked.get('uuid')}:{asked.get('event')}"] = self._found(asked), _LATE
                return self._told({"code": 0, "msg": "success"})
            case "getRecordsResult":
                return self._result(f"{asked.get('uuid')}:{asked.get('event')}")
        raise Denied(404)

    def _uuid(self, line: int) -> str:
        return str(uuid5(_SPACE, f"{self.camera.id}:{line}"))

    def _told(self, found: object, *cells: Cell) -> Answer:
        return Answer("lines", self.json(found), "application/json", cells)

    def _result(self, name: str) -> Answer:
        found, early = self._asked.get(name, (None, 0))
        if found is None:
            return self._told({"code": 1, "msg": "no query"})
        if early:
            self._asked[name] = found, early - 1
            return self._told({"code": 0, "msg": "searching", "data": {}})
        return found

    def _found(self, asked: dict[str, object]) -> Answer:
        wanted = asked.get("lineParam")
        number = wanted.get("line") if isinstance(wanted, dict) else None
        if asked.get("event") != 0 or number not in [line.number for line in self.camera.line]:
            return self._told({"code": 1, "msg": "no such line", "data": {}})
        try:
            since, until = (datetime.fromisoformat(str(asked[name])) for name in ("timeStart", "timeEnd"))
        except (KeyError, ValueError):
            raise Denied(400) from None
        records: list[dict[str, object]] = []
        cells: list[Cell] = []
        for hour in self.memory.hours(since, until, self.memory.history_days):
            if hour.begun:
                entered, left = self.memory.crossings(hour.seen, number)
                time = hour.local.strftime(_TIME)
                records.append({"time": time, "enter": entered, "exit": left, "pass": 0})
                cells += line_cells(hour, number, entered, left)
        return self._told({"code": 0, "data": {"lineRecords": {"count": len(records), "records": records}}}, *cells)
