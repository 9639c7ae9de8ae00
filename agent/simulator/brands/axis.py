"""Axis: People Counter and 3D People Counter with their exports, Object Analytics, and Retail Data pushes."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.simulator.brand import Answer, Brand, Denied, Message, Question, line_cells, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.simulator.memory import Hour
    from agent.simulator.truth import Cell

_PROPERTIES = "/axis-cgi/basicdeviceinfo.cgi"
_STEPS = {"15m": 900, "1h": 3600, "24h": 86400, "minute": 60, "quarter": 900, "hour": 3600, "day": 86400}
_DATES = re.compile(r"(\d{8})-(\d{8})")
_TOPIC = "axis:CameraApplicationPlatform/ObjectAnalytics/Device1Scenario{}"


class Axis(Brand):
    """One counter a camera: the first line. Which application is installed is the camera's family."""

    realm = "AXIS_ACCC8E000001"
    open_paths = (_PROPERTIES,)

    def answer(self, question: Question) -> Answer:
        """VAPIX and the application's own addresses; 404 for an application that is not there."""
        application = self.camera.model
        path = question.path
        if path in {_PROPERTIES, "/axis-cgi/time.cgi"}:
            return self._vapix(path)
        if path in {"/local/tvpc/.api", "/local/people-counter/.api"} and application == "people-counter":
            return self._people_counter(question)
        if path.startswith("/a3dpc/api/export/") and application in {"3d", "retail-data"}:
            return self._export_3d(question, path.rpartition("/")[2])
        if path == "/local/objectanalytics/control.cgi" and application == "object-analytics":
            return self._analytics(question)
        raise Denied(404)

    def _told(self, found: object, *cells: Cell) -> Answer:
        return Answer("lines", self.json(found), "application/json", cells)

    def _vapix(self, path: str) -> Answer:
        if path == _PROPERTIES:
            about = {"SerialNumber": self.camera.number, "ProdNbr": "P8815-2", "Brand": "AXIS", "Version": "10.12.182"}
            return self._told({"apiVersion": "1.3", "data": {"propertyList": about}})
        shown = self.memory.clock()
        data = {"dateTime": utc(shown), "localDateTime": self.iso(shown), "timeZone": self.memory.zone.key}
        return self._told({"apiVersion": "1.0", "method": "getDateTimeInfo", "data": data})

    # ---- AXIS People Counter

    def _people_counter(self, question: Question) -> Answer:
        if question.text == "live-sum.json":
            entered, left = self.memory.totals(self._line)
            about = {"serial": self.camera.number, "name": "Exit south"}
            return self._told(
                about | {"timestamp": self.iso(self.memory.clock(), "%Y%m%d%H%M%S"), "in": entered, "out": left}
            )
        dates = _DATES.fullmatch(question.query.get("date", ""))
        step = _STEPS.get(question.query.get("res", "24h"))
        if "export-json" not in question.query or not dates or not step:
            raise Denied(400)
        return self._export(self._hours(dates[1], dates[2], step), step)

    @property
    def _line(self) -> int:
        return self.camera.line[0].number if self.camera.line else 1

    def _hours(self, first: str, last: str, step: int) -> list[Hour]:
        since, until = (datetime.strptime(text, "%Y%m%d") for text in (first, last))  # noqa: DTZ007 - a wall clock
        end = until + timedelta(days=1) - timedelta(seconds=1)
        hours = self.memory.hours(since, end, self.memory.history_days, timedelta(seconds=step))
        return [hour for hour in hours if hour.begun]

    def _export(self, hours: list[Hour], step: int) -> Answer:
        """By the text of the start: of an hour that came twice there can be only one, the sum or the last."""
        names = {"Occupancy": 64, "Average Time": 64, "Total In": 66, "Total Out": 67}
        order = list(names)
        self.words.shuffle(order)
        rows: dict[str, list[int]] = {}
        cells: list[Cell] = []
        for hour in hours:
            entered, left = self.memory.crossings(hour.seen, self._line)
            told = {"Total In": entered, "Total Out": left}
            stamp = hour.local.strftime("%Y%m%d%H%M%S")
            before = rows.get(stamp, [0] * len(order))
            rows[stamp] = [told.get(name, 0) + old for name, old in zip(order, before, strict=True)]
            cells += line_cells(hour, self._line, entered, left)
        about = {"name": "Axis-ACCC8E000001", "serial": self.camera.number, "delta": step}
        # The order of `types` is that of the columns, so that it must not be shuffled again.
        counter = about | {"types": {name: names[name] for name in order}}
        return Answer("lines", json.dumps({"counter": counter, "data": rows}).encode(), "application/json", cells)

    # ---- AXIS 3D People Counter

    def _export_3d(self, question: Question, form: str) -> Answer:
        step = _STEPS.get(question.query.get("resolution", "hour"))
        try:
            first, last = (datetime.strptime(question.query[name], "%Y%m%d") for name in ("start", "end"))  # noqa: DTZ007 - a wall clock
        except (KeyError, ValueError):
            raise Denied(400) from None
        if not step or form not in {"csv", "json"}:
            raise Denied(400)
        hours = self._hours(f"{first:%Y%m%d}", f"{last - timedelta(days=1):%Y%m%d}", step)
        rows: list[dict[str, object]] = []
        cells: list[Cell] = []
        for hour in hours:
            entered, left = self.memory.crossings(hour.seen, self._line)
            end = hour.local + timedelta(seconds=step)
            rows.append({"start": f"{hour.local}", "end": f"{end}", "in": entered, "out": left})
            cells += line_cells(hour, self._line, entered, left)
        if form == "json":
            return self._told({"data": rows}, *cells)
        table = "\n".join(["start,end,in,out", *(",".join(map(str, row.values())) for row in rows), ""])
        return Answer("lines", table.encode(), "text/csv", cells)

    # ---- AXIS Object Analytics: totals since a reset, without a direction, so that two scenarios are one door

    def _analytics(self, question: Question) -> Answer:
        try:
            asked = json.loads(question.body)
            method, scenario = asked["method"], asked.get("params", {}).get("scenario")
        except (ValueError, KeyError, AttributeError):
            raise Denied(400) from None
        about = {"apiVersion": "1.2", "context": None, "method": method}
        if method == "getAccumulatedCounts" and scenario in {1, 2}:
            return self._told(about | {"data": {**self._totals(scenario), "timestamp": utc(self.memory.clock())}})
        return self._told(about | {"error": {"code": 2004, "message": "Invalid value for parameter"}})

    def _totals(self, scenario: int) -> dict[str, str]:
        persons = self.memory.totals(self._line)[scenario - 1]
        cars = 17
        told = {"total": persons + cars, "totalHuman": persons, "totalCar": cars, "totalMotorcycle/bicycle": 0}
        return {name: str(value) for name, value in told.items()} | {"resetTime": "2026-01-06T22:01:25Z"}

    # ---- messages

    def messages(self, since: float, until: float) -> Iterator[Message]:
        """Retail Data over HTTP, or the totals of both scenarios over MQTT."""
        if self.camera.model == "object-analytics":
            for scenario in (1, 2):
                data = self._totals(scenario) | {"reason": "human", "startTime": "2026-01-06T22:01:25Z"}
                message = {"source": {}, "key": {}, "data": data}
                topic = _TOPIC.format(scenario)
                about = {"topic": topic, "timestamp": int(until * 1000), "serial": self.camera.number}
                yield Message(self.json(about | {"message": message}), topic=topic)
        elif self.camera.model == "retail-data":
            for hour in self.memory.steps(since, until, self.camera.push.every):
                yield self._retail(hour)

    def _retail(self, hour: Hour) -> Message:
        entered, left = self.memory.crossings(hour.seen, self._line)
        span = {
            "utcFrom": utc(hour.start),
            "utcTo": utc(hour.end),
            "localFrom": self.iso(hour.start),
            "localTo": self.iso(hour.end),
        }
        items = [
            {"direction": "in", "count": entered, "adults": entered},
            {"direction": "out", "count": left, "adults": 0},
        ]
        self.words.shuffle(items)
        counts = {"kind": "people-counts", "items": items} | span
        found = {
            "apiName": "Axis Retail Data",
            "apiVersion": "0.4",
            "utcSent": utc(hour.end + 3),
            "localSent": self.iso(hour.end + 3),
            "data": span | {"measurements": [{"kind": "occupancy", "items": []}, counts]},
            "sensor": {"serial": self.camera.number, "timeZone": self.memory.zone.key, "ipAddress": "192.0.2.10"},
        }
        return Message(self.json(found), cells=line_cells(hour, self._line, entered, left))
