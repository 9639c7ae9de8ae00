"""Hanwha over SUNAPI: totals of the day as text or JSON, and a search whose hours are one text of commas."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from agent.simulator.brand import Answer, Brand, Denied, Question, line_cells, utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.simulator.memory import Memory
    from agent.simulator.truth import Cell

_CHECK = "/stw-cgi/eventsources.cgi"
_SEARCH = "/stw-cgi/recording.cgi"
_SYSTEM = "/stw-cgi/system.cgi"
_LATE = 1  # so many questions whether a search is done come too early
_DAY = 24


class Hanwha(Brand):
    """Lines are `Gate1`, `Gate2`. A day has 24 places, whatever the clocks did: hours that came twice share one."""

    realm = "iPolis_00:09:18:00:00:01"
    methods = ("GET",)

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self._searches: dict[str, tuple[Answer, int]] = {}

    def answer(self, question: Question) -> Answer:
        """SUNAPI."""
        query = question.query
        menu, action = query.get("msubmenu"), query.get("action")
        if question.path == _CHECK and (menu, action) == ("peoplecount", "check"):
            return self._check(as_json="json" in question.accept)
        if question.path == _SEARCH and menu == "peoplecountsearch":
            return self._control(question) if action == "control" else self._view(question)
        if question.path == _SYSTEM and action == "view":
            shown = self.memory.clock()
            if menu == "deviceinfo":
                about = {"Model": "PNV-A9081R", "SerialNumber": self.camera.number, "FirmwareVersion": "2.21.01"}
                return _pairs("counters", about)
            if menu == "date":
                return _pairs(
                    "counters",
                    {
                        "LocalTime": self.iso(shown, "%Y-%m-%d %H:%M:%S"),
                        "UTCTime": utc(shown, "%Y-%m-%d %H:%M:%S"),
                        "SyncType": "NTP",
                    },
                )
        raise Denied(404)

    def _check(self, *, as_json: bool) -> Answer:
        totals = [(line.number, *self.memory.totals(line.number)) for line in self.camera.line]
        summed = {"in": sum(entered for _, entered, _ in totals), "out": sum(left for _, _, left in totals)}
        if as_json:
            lines = [
                {" LineIndex": number, "Name": f"Gate{number}", "InCount": entered, " OutCount": left}
                for number, entered, left in totals
            ]
            found = {" PeopleCount": [{"Channel": 0, " Lines": lines}]}
            return Answer("counters", self.json(found), "application/json", counters=summed)
        told = {
            f"Channel.0.LineIndex.{number}.{what}Count": value
            for number, entered, left in totals
            for what, value in (("In", entered), ("Out", left))
        }
        return _pairs("counters", told)._replace(counters=summed)

    # ---- the search

    def _control(self, question: Question) -> Answer:
        if question.query.get("Mode") == "Start":
            token = str(self.words.randrange(10**6))
            self._searches[token] = self._found(question), _LATE
            return Answer("lines", self.json({" SearchToken": token}), "application/json")
        self._searches.pop(question.query.get("SearchToken", ""), None)
        return _pairs("lines", {"Response": "Success"})

    def _view(self, question: Question) -> Answer:
        token = question.query.get("SearchToken", "")
        if token not in self._searches:
            raise Denied(400)
        found, early = self._searches[token]
        if question.query.get("Type") == "Status":
            self._searches[token] = found, max(0, early - 1)
            return _pairs("lines", {"Status": "Searching" if early else "Completed"})
        return found

    def _found(self, question: Question) -> Answer:
        try:
            since, until = (datetime.fromisoformat(question.query[name]) for name in ("FromDate", "ToDate"))
        except (KeyError, ValueError):
            raise Denied(400) from None
        since, until = since.replace(tzinfo=None), until.replace(tzinfo=None)
        places: dict[tuple[int, str], list[int]] = {
            (line.number, way): [0] * _DAY for line in self.camera.line for way in ("In", "Out")
        }
        cells: list[Cell] = []
        for hour in self.memory.hours(since, until, self.memory.history_days):
            for number, entered, left in self.lines(hour):
                places[number, "In"][hour.local.hour] += entered
                places[number, "Out"][hour.local.hour] += left
                cells += line_cells(hour, number, entered, left)
        lines = [self._line(line.number, places) for line in self.camera.line]
        cameras = [{"Camera": "PeopleCount-Master", "LineResults": lines}]
        found = {"ResultInterval": "Hourly", "PeopleCountSearchResults": cameras}
        return Answer("lines", self.json(found), "application/json", cells)

    def _line(self, number: int, places: dict[tuple[int, str], list[int]]) -> dict[str, object]:
        ways = [{"Direction": way, "Result": ",".join(map(str, places[number, way]))} for way in ("In", "Out")]
        return {"Line": f"Gate{number}", "DirectionResults": ways}


def _pairs(kind: str, told: Mapping[str, object]) -> Answer:
    """Lines that end in a bare carriage return."""
    return Answer(kind, "".join(f"{name}={value}\r" for name, value in told.items()).encode())
