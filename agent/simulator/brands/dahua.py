"""Dahua: running totals over CGI, the memory over RPC2 with its log-in, sessions, finders and pages."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.simulator.brand import Answer, Brand, Denied, Question, line_cells

if TYPE_CHECKING:
    from agent.simulator.memory import Memory
    from agent.simulator.truth import Cell

_SESSION_LASTS = 300  # seconds of the store's time without a question
_EXPIRED, _WRONG, _NO_METHOD, _WANTS_PROOF = 287637505, 268632085, 268894210, 268632079
_PAGE = 100
_TIME = "%Y-%m-%d %H:%M:%S"


class Dahua(Brand):
    """Areas are lines. CGI wants Digest, RPC2 a proof of its own in the body."""

    realm = "Login to 4A0123456789"
    open_paths = ("/RPC2_Login", "/RPC2")

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self._challenges: dict[str, str] = {}
        self._sessions: dict[str, float] = {}  # with when it was last used
        self._finders: dict[int, tuple[list[dict[str, object]], list[Cell]]] = {}

    def answer(self, question: Question) -> Answer:
        """CGI as text, RPC2 as JSON."""
        if question.path in self.open_paths:
            try:
                asked = json.loads(question.body)
            except ValueError:
                raise Denied(400) from None
            called = self._log_in(asked) if question.path == "/RPC2_Login" else self._call(asked)
            return called._replace(body=self.json({"id": asked.get("id"), **json.loads(called.body)}))
        return self._cgi(question)

    # ---- CGI

    def _cgi(self, question: Question) -> Answer:
        action = question.query.get("action", "")
        if question.path == "/cgi-bin/videoStatServer.cgi" and action == "getSummary":
            return self._summary(question.query.get("channel", "1"))
        shown = self.memory.clock()
        told = {
            (
                "/cgi-bin/magicBox.cgi",
                "getSystemInfo",
            ): f"appAutoStart=true\r\ndeviceType=IPC-HDW8341X\r\nserialNumber={self.camera.number}\r\n",
            ("/cgi-bin/magicBox.cgi", "getSoftwareVersion"): "version=2.800.0000000.8.R,build:2021-11-15\r\n",
            ("/cgi-bin/global.cgi", "getCurrentTime"): f"result={self.iso(shown, _TIME)}\r\n",
        }.get((question.path, action))
        if told is None:
            raise Denied(404)
        return Answer("counters", told.encode())

    def _summary(self, channel: str) -> Answer:
        if channel != "1":
            raise Denied(400)
        line = self.camera.line[0].number if self.camera.line else 1
        entered, left = self.memory.totals(line)
        told = {
            "AreaID": line,
            "Channel": 0,
            "EnteredSubtotal.Hour": entered // 7,
            "EnteredSubtotal.Today": entered,
            "EnteredSubtotal.Total": entered + 9000,
            "EnteredSubtotal.TotalInTimeSection": 0,
            "ExitedSubtotal.Hour": left // 7,
            "ExitedSubtotal.Today": left,
            "ExitedSubtotal.Total": left + 9000,
            "InsideSubtotal.Total": max(0, entered - left),
            "UTC": int(self.memory.clock()),
        }
        text = "".join(f"summary.{name}={value}\r\n" for name, value in told.items())
        return Answer("counters", text.encode(), counters={"in": entered, "out": left})

    # ---- RPC2

    def _told(self, found: object, cells: list[Cell] | None = None) -> Answer:
        return Answer("lines", json.dumps(found).encode(), "application/json", cells or ())

    def _error(self, code: int, message: str, **more: object) -> Answer:
        return self._told({"result": False, "error": {"code": code, "message": message}, **more})

    def _log_in(self, asked: dict[str, object]) -> Answer:
        params = asked.get("params")
        said = params if isinstance(params, dict) else {}
        session = str(asked.get("session") or "")
        if session not in self._challenges:
            session, challenge = secrets.token_hex(16), secrets.token_hex(5)
            self._challenges[session] = challenge
            wanted = {"realm": self.realm, "random": challenge, "encryption": "Default", "mac": "38AF29000001"}
            return self._error(_WANTS_PROOF, "Component error: login challenge!", params=wanted, session=session)
        challenge = self._challenges.pop(session)
        name, word = self.camera.username, self.camera.password
        expected = _md5(f"{name}:{challenge}:{_md5(f'{name}:{self.realm}:{word}')}")
        if said.get("userName") != name or not hmac.compare_digest(str(said.get("password")), expected):
            return self._error(_WRONG, "User or password not valid!", session=session)
        self._sessions[session] = self.memory.clock()
        return self._told({"result": True, "session": session, "params": {"keepAliveInterval": 60}})

    def _call(self, asked: dict[str, object]) -> Answer:
        session, now = str(asked.get("session")), self.memory.clock()
        if now - self._sessions.get(session, -1e9) > _SESSION_LASTS:
            self._sessions.pop(session, None)
            return self._error(_EXPIRED, "Invalid session in request data!")
        self._sessions[session] = now
        params = asked.get("params")
        said = params if isinstance(params, dict) else {}
        finder = asked.get("object")
        match asked.get("method"):
            case "videoStatServer.factory.instance":
                number = self.words.randrange(1 << 24)
                self._finders[number] = [], []
                return self._told({"result": number})
            case "videoStatServer.startFind" if isinstance(finder, int):
                self._finders[finder] = self._found(said.get("condition"))
                return self._told({"result": True, "params": {"token": 1, "totalCount": len(self._finders[finder][0])}})
            case "videoStatServer.doFind" if isinstance(finder, int) and finder in self._finders:
                return self._page(finder, said)
            case "videoStatServer.stopFind":
                self._finders.pop(finder if isinstance(finder, int) else 0, None)
                return self._told({"result": True})
        return self._error(_NO_METHOD, "Method not found!")

    def _page(self, finder: int, said: dict[str, object]) -> Answer:
        begin, count = said.get("beginNumber"), said.get("count")
        if not isinstance(begin, int) or not isinstance(count, int):
            return self._error(268959743, "Unknown error! error code was not set in service!")
        rows, cells = self._finders[finder]
        page = rows[begin : begin + min(count, _PAGE)]
        return self._told({"result": True, "params": {"found": len(page), "info": page}}, cells)

    def _found(self, condition: object) -> tuple[list[dict[str, object]], list[Cell]]:
        said = condition if isinstance(condition, dict) else {}
        try:
            since, until = (datetime.strptime(str(said[name]), _TIME) for name in ("StartTime", "EndTime"))  # noqa: DTZ007 - a wall clock
        except (KeyError, ValueError):
            return [], []
        rows: list[dict[str, object]] = []
        cells: list[Cell] = []
        if said.get("Channel") != 0:  # from 0 here, from 1 over CGI
            return [], []
        for hour in self.memory.hours(since, until, self.memory.history_days):
            for number, entered, left in self.lines(hour) if hour.begun else []:
                rows.append(
                    {
                        "Channel": 0,
                        "AreaID": number,
                        "EnteredSubtotal": entered,
                        "ExitedSubtotal": left,
                        "PassbyTotal": 5,
                        "RuleName": "NumberStat",
                        "StartTime": hour.local.strftime(_TIME),
                        "EndTime": (hour.local + timedelta(seconds=3599)).strftime(_TIME),
                    }
                )
                cells += line_cells(hour, number, entered, left)
        return rows, cells


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
