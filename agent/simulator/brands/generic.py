"""A counting box of no known brand: a table or JSON by intervals, as its maker happened to like it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.simulator.brand import Answer, Brand, Denied, Question, line_cells
from agent.simulator.buckets import offset_at

if TYPE_CHECKING:
    from agent.simulator.memory import Hour

STEP = 900
_TIME = "%Y-%m-%dT%H:%M:%S"


class Generic(Brand):
    """`csv`: semicolons and local times in the Spanish manner; `json`: ISO times that say their offset."""

    realm = "counter"
    methods = ("GET",)

    def answer(self, question: Question) -> Answer:
        """`/export?from=…&to=…`, both local and included."""
        if question.path != "/export":
            raise Denied(404)
        try:
            since, until = (datetime.strptime(question.query[name], _TIME) for name in ("from", "to"))  # noqa: DTZ007 - a wall clock
        except (KeyError, ValueError):
            raise Denied(400) from None
        hours = self.memory.hours(since, until, self.memory.history_days, timedelta(seconds=STEP))
        begun = [hour for hour in hours if hour.begun]
        cells = [
            cell
            for hour in begun
            for number, entered, left in self.lines(hour)
            for cell in line_cells(hour, number, entered, left)
        ]
        if self.camera.model == "json":
            found = {"meta": {"unit": "persons"}, "data": {"items": [self._item(hour) for hour in begun]}}
            return Answer("lines", self.json(found), "application/json", cells)
        names = [
            "Timestamp",
            "Temperatura",
            *(f"{way} {line.number}" for line in self.camera.line for way in ("Entradas", "Salidas")),
        ]
        return Answer("lines", "\r\n".join([";".join(names), *map(self._row, begun), ""]).encode(), "text/csv", cells)

    def _row(self, hour: Hour) -> str:
        counts = [value for _, entered, left in self.lines(hour) for value in (entered, left)]
        return ";".join([f"{hour.local:%d.%m.%Y %H:%M}", "21,5", *map(str, counts)])

    def _item(self, hour: Hour) -> dict[str, object]:
        offset = offset_at(hour.start, self.memory.zone)
        sign = "-" if offset < 0 else "+"
        start = f"{self.iso(hour.start)}{sign}{abs(offset) // 3600:02}:{abs(offset) % 3600 // 60:02}"
        lines = {str(number): {"entered": entered, "left": left} for number, entered, left in self.lines(hour)}
        return {"start": start, "seconds": hour.end - hour.start, "lines": lines}
