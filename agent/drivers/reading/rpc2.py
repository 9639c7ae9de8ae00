"""RPC2, Dahua's JSON calls: a log-in with a challenge in the body, then finders that answer page by page."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled, Refused, SensorError, Unsupported
from agent.drivers.reading.documents import json_of
from agent.drivers.reading.shape import Object, table, word
from agent.drivers.reading.text import text_of

if TYPE_CHECKING:
    from agent.drivers.base import Device
    from agent.drivers.reading.fetch import Access

PAGE = 100  # the most a camera gives at once
MAX_PAGES = 20  # a day of minutes of one area has 1,440 rows
_EXPIRED = {"287637505", "287637504"}  # the session, or the object made in it, is no longer known
_NO_METHOD = {"268894210", "268632064"}


class Session:
    """The calls to one device; logs in when it must, and again once where the session has expired."""

    def __init__(self, access: Access, device: Device) -> None:
        self._access, self._device = access, device
        self._session = ""
        self._number = 0

    async def search(self, server: str, condition: Object) -> list[Object]:
        """All pages of a search; the finder is given back even where one fails."""
        try:
            return await self._search(server, condition)
        except _ExpiredError:
            self._session = ""
            return await self._search(server, condition)

    async def _search(self, server: str, condition: Object) -> list[Object]:
        if not self._session:
            await self._log_in()
        finder = (await self._call(f"{server}.factory.instance", {"name": server})).get("result")
        started = table(await self._call(f"{server}.startFind", {"condition": condition}, finder), "params")
        pages: list[Object] = []
        try:
            token, total = started.get("token"), started.get("totalCount")
            many = total if isinstance(total, int) else PAGE
            for begin in range(0, min(many, PAGE * MAX_PAGES), PAGE):
                asked = {"token": token, "beginNumber": begin, "count": PAGE}
                pages.append(await self._call(f"{server}.doFind", asked, finder))
        finally:
            await self._give_back(server, {"token": started.get("token")}, finder)
        return pages

    async def _give_back(self, server: str, params: Object, finder: object) -> None:
        """The finder is one of few; that giving it back failed is no reason to lose what it found."""
        try:
            await self._call(f"{server}.stopFind", params, finder)
        except SensorError:
            self._session = ""

    async def _log_in(self) -> None:
        name = self._device.username
        if not name:
            raise Refused("it asks for a user name and password, and none is configured")
        params: Object = {"userName": name, "password": "", "clientType": "Web3.0"}
        first = await self._post("/RPC2_Login", "global.login", params, None)
        challenge = table(first, "params")
        self._session = word(first, "session")
        secret = proof(name, self._device.password, word(challenge, "realm"), word(challenge, "random"))
        params |= {"password": secret, "authorityType": word(challenge, "encryption") or "Default"}
        second = await self._post("/RPC2_Login", "global.login", params, None)
        if second.get("result") is not True:
            self._session = ""
            raise Refused("it does not accept the user name and password")

    async def _call(self, method: str, params: Object, finder: object = None) -> Object:
        answer = await self._post("/RPC2", method, params, finder)
        if answer.get("result") in {False, None}:
            error = table(answer, "error")
            if word(error, "code") in _EXPIRED:
                raise _ExpiredError("its session expired")
            if word(error, "code") in _NO_METHOD:
                raise Unsupported(f"this model or firmware does not have {method}")
            raise Garbled(f"{method}: the camera answers with an error: {word(error, 'message')}", str(answer))
        return answer

    async def _post(self, target: str, method: str, params: Object, finder: object) -> Object:
        self._number += 1
        asked: Object = {"method": method, "params": params, "id": self._number}
        if self._session:
            asked["session"] = self._session
        if finder is not None:
            asked["object"] = finder
        body = await self._access.post(target, json.dumps(asked).encode(), "application/json")
        return table(json_of(text_of(body)))


class _ExpiredError(SensorError):
    """The session is no longer known: log in again."""


def proof(username: str, password: str, realm: str, challenge: str) -> str:
    """What the device wants instead of the password."""
    return _md5(f"{username}:{challenge}:{_md5(f'{username}:{realm}:{password}')}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
