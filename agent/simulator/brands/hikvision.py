"""Hikvision: a search of the memory over ISAPI, messages of a window or of running totals (camera-formats.md §4)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from agent.simulator.brand import Answer, Brand, Denied, Message, Question, line_cells
from agent.simulator.buckets import offset_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.simulator.memory import Hour
    from agent.simulator.truth import Cell

_SEARCH = "/ISAPI/System/Video/inputs/channels/1/counting/search"
_SPACES = (
    'xmlns="http://www.hikvision.com/ver20/XMLSchema" version="2.0"',
    'xmlns="http://www.isapi.org/ver20/XMLSchema" version="2.0"',
    'xmlns="urn:psialliance-org" version="1.0"',
)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


class Hikvision(Brand):
    """One line a camera: the first. Bodies end their lines by CR LF."""

    realm = "IP Camera(C1234)"

    def answer(self, question: Question) -> Answer:
        """ISAPI."""
        if question.path == _SEARCH and question.method == "POST" and self.camera.model == "search":
            return self._search(question.body)
        shown = self.memory.clock()
        if question.path == "/ISAPI/System/deviceInfo":
            about = f"<serialNumber>{self.camera.number}</serialNumber><model>DS-2CD6825G0</model>"
            return self._xml("lines", "DeviceInfo", f"{about}<firmwareVersion>V5.5.61</firmwareVersion>")
        if question.path == "/ISAPI/System/time":
            return self._xml(
                "lines", "Time", f"<timeMode>NTP</timeMode><localTime>{self.iso(shown)}</localTime>{self._zone(shown)}"
            )
        raise Denied(404)

    def _zone(self, seconds: float) -> str:
        """POSIX, whose sign is the other way round; the offset of now, as a device set by hand has it."""
        minutes = offset_at(seconds, self.memory.zone) // 60
        sign = "-" if minutes > 0 else "+"
        return f"<timeZone>LOC{sign}{abs(minutes) // 60}:{abs(minutes) % 60:02}:00</timeZone>"

    def _xml(self, kind: str, name: str, inside: str, cells: list[Cell] | None = None) -> Answer:
        space = self.words.choice(_SPACES)
        body = f"{_HEAD}\n<{name} {space}>\n{inside}\n</{name}>\n".replace("\n", "\r\n")
        return Answer(kind, body.encode(), "application/xml", cells or ())

    def _search(self, body: bytes) -> Answer:
        times = [re.search(rf"<(?:\w+:)?{name}>([^<]+)<", body.decode()) for name in ("startTime", "endTime")]
        try:
            since, until = (datetime.fromisoformat(found[1] if found else "").replace(tzinfo=None) for found in times)
        except ValueError:
            raise Denied(400) from None
        hours = list(self.memory.hours(since, until, self.memory.history_days))
        if not hours:
            return self._xml(
                "lines",
                "CountingStatisticsResult",
                "<responseStatusStrg>NO MATCHES</responseStatusStrg>\n<numOfMatches>0</numOfMatches>",
            )
        matches = []
        cells: list[Cell] = []
        for hour in hours:  # a report of a day has all its hours, also those to come
            entered, left = self.memory.crossings(hour.seen, self._line)
            matches.append(self._match(hour, entered, left))
            cells += line_cells(hour, self._line, entered, left)
        listed = f"<matchList>{''.join(matches)}</matchList>"
        about = "<responseStatus>true</responseStatus>\n<responseStatusStrg>OK</responseStatusStrg>"
        return self._xml(
            "lines", "CountingStatisticsResult", f"{about}\n<numOfMatches>{len(hours)}</numOfMatches>\n{listed}", cells
        )

    @property
    def _line(self) -> int:
        return self.camera.line[0].number if self.camera.line else 1

    def _match(self, hour: Hour, entered: int, left: int) -> str:
        span = f"<startTime>{hour.local:%Y-%m-%dT%H}:00:00</startTime><endTime>{hour.local:%Y-%m-%dT%H}:59:59</endTime>"
        parts = [
            f"<timeSpan>{span}</timeSpan>",
            f"<enterCount>{entered}</enterCount>",
            f"<exitCount>{left}</exitCount>",
        ]
        self.words.shuffle(parts)
        return f"<matchElement>\n{''.join(parts)}<passingCount>3</passingCount>\n</matchElement>\n"

    # ---- messages

    def messages(self, since: float, until: float) -> Iterator[Message]:
        """Windows, and after each the running totals, which are the same persons once more."""
        if self.camera.model != "push":
            return
        for hour in self.memory.steps(since, until, self.camera.push.every):
            entered, left = self.memory.crossings(hour.seen, self._line)
            first, last = self.iso_offset(hour.start), self.iso_offset(hour.end - 1)
            span = f"<startTime>{first}</startTime><endTime>{last}</endTime>"
            yield self._alert(
                hour.end,
                "timeRange",
                f"<TimeRange>{span}</TimeRange>",
                entered,
                left,
                line_cells(hour, self._line, entered, left),
            )
        if until > since:
            entered, left = self.memory.totals(self._line)
            yield self._alert(
                until, "realTime", f"<RealTime><time>{self.iso_offset(until)}</time></RealTime>", entered, left, []
            )

    def _alert(self, at: float, method: str, times: str, entered: int, left: int, cells: list[Cell]) -> Message:
        counts = [f"<enter>{entered}</enter>", f"<exit>{left}</exit>", "<pass>2</pass>", times]
        self.words.shuffle(counts)
        counts.append("<countingSceneMode>entrance</countingSceneMode>")
        told = f"<statisticalMethods>{method}</statisticalMethods>{''.join(counts)}"
        children = f"<childCounting><enter>{entered // 3}</enter><exit>0</exit></childCounting>"
        space = self.words.choice(_SPACES)

        def body(again: str) -> bytes:
            inside = [
                "<ipAddress>192.0.2.10</ipAddress>",
                f"<serialNumber>{self.camera.number}</serialNumber>",
                f"<dateTime>{self.iso_offset(at)}</dateTime>",
                "<eventType>PeopleCounting</eventType>",
                f"<peopleCounting>{told}</peopleCounting>",
                children,
                f"<isDataRetransmission>{again}</isDataRetransmission>",
            ]
            return "\r\n".join(
                [_HEAD, f"<EventNotificationAlert {space}>", *inside, "</EventNotificationAlert>"]
            ).encode()

        return Message(body("false"), "application/xml", cells=cells, again=body("true"))
