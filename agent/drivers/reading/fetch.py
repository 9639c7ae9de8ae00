"""One GET or POST of one device, capped in seconds and bytes, without redirects; whatever fails is a `SensorError`."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from agent.drivers.base import Forbidden, Garbled, Refused, SensorError, Unreachable, Unsupported
from agent.drivers.reading.authorization import Basic, Digest, strongest
from agent.drivers.reading.text import is_page, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from agent.drivers.base import Device

DEADLINE = 10.0  # real seconds for all of it: connection, log-in and the last byte
MAX_BODY = 4 * 1024 * 1024
MAX_HEADER_LINE = 8190  # bytes; aiohttp takes 128 lines at most
_PIECE = 64 * 1024
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # ours spans both tries
_ADDRESS = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?", re.ASCII)
_MISSING = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class _Answer(NamedTuple):
    """A body, or what a 401 offers."""

    status: int
    body: bytes = b""
    offers: Sequence[str] = ()


class _Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None = None


class Access:
    """The way to one device. It remembers how the device wants to be logged in to, so its calls must not overlap."""

    def __init__(self, device: Device, deadline: float = DEADLINE) -> None:
        """Take the address and the name as configured; nothing is opened yet.

        Raises:
            ValueError: the address is not host or host:port, or the name cannot be sent.
        """
        found = _ADDRESS.fullmatch(device.address)
        if not found or int(found[2] or 80) > 0xFFFF:  # noqa: PLR2004 - the largest port
            raise ValueError(
                f"address {device.address!r}: write host or host:port, such as 192.0.2.10 or 192.0.2.10:8080"
            )
        if not device.username.isprintable():
            raise ValueError("username: it holds characters that cannot be sent")
        self._device = device
        self._deadline = deadline
        self._way: Basic | Digest | None = None
        self._renews = False  # nonces run out without a word that they did
        self._doubted = False  # the last nonce was refused so, and it may have been the password

    async def get(self, target: str, **headers: str) -> bytes:
        """The body of a GET of this target: path and query, sent exactly as given."""
        return await self._asked(_Request("GET", target, headers))

    async def post(self, target: str, body: bytes, content_type: str) -> bytes:
        """The body that a POST of this body to this target is answered with."""
        return await self._asked(_Request("POST", target, {"Content-Type": content_type}, body))

    async def _asked(self, request: _Request) -> bytes:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._logged_in(request)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise translated(error, self._deadline) from error

    async def _logged_in(self, request: _Request) -> bytes:
        """The body, with at most one wrong password a call: cameras lock an account after a few."""
        used = self._way
        answer = await self._once(request, used)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            way = self._way_in(answer.offers, used)
            answer = await self._once(request, way)
            if answer.status == HTTPStatus.UNAUTHORIZED:
                self._doubted = False
                raise Refused("it does not accept the user name and password")
            self._way, self._renews, self._doubted = way, self._renews or self._doubted, False
        return answer.body

    def _way_in(self, offers: Sequence[str], used: Basic | Digest | None) -> Basic | Digest:
        """How to log in to who asks for it; nothing is sent where the password that was sent may be what is wrong."""
        self._way = None
        if not self._device.username:
            raise Refused("it asks for a user name and password, and none is configured")
        way = strongest(offers)
        if way is None:
            raise Refused("it asks for a log-in that is neither Basic nor Digest")
        if used and used.nonce == way.nonce:  # no new nonce: it was the password
            raise Refused("it does not accept the user name and password")
        if used and not (way.stale or self._renews):
            self._doubted = True
            raise Unreachable("it wants to be logged in to anew, and does not say why")
        return way

    async def _once(self, request: _Request, way: Basic | Digest | None) -> _Answer:
        async with self._respond(request, way) as response:
            if response.status == HTTPStatus.UNAUTHORIZED:
                return _Answer(response.status, offers=response.headers.getall("WWW-Authenticate", []))
            _accept(response)
            return _Answer(response.status, await _body(response))

    def _respond(
        self, request: _Request, way: Basic | Digest | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "footfall", **request.headers}
        if way:
            username, password = self._device.username, self._device.password
            headers["Authorization"] = way.header(request.target, username, password, request.method)
        return self._device.session.request(
            request.method,
            URL(f"http://{self._device.address}{request.target}", encoded=True),
            data=request.body,
            headers=headers,
            allow_redirects=False,
            auto_decompress=False,
            max_line_size=MAX_HEADER_LINE,
            max_field_size=MAX_HEADER_LINE,
            timeout=_NO_TIMEOUT,
        )

    async def stream(self, target: str, silence: float) -> AsyncIterator[bytes]:
        """The pieces of an answer that goes on for ever; it is over when nothing came for so many seconds."""
        request = _Request("GET", target, {})
        try:
            for attempt in range(2):
                async with self._respond(request, self._way) as response:
                    if response.status == HTTPStatus.UNAUTHORIZED:
                        if attempt:
                            raise Refused("it does not accept the user name and password")
                        self._way = self._way_in(response.headers.getall("WWW-Authenticate", []), self._way)
                        continue
                    _accept(response)
                    while True:
                        async with asyncio.timeout(silence):
                            if not (piece := await response.content.readany()):
                                return
                        yield piece
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise translated(error, silence) from error


def translated(error: Exception, deadline: float = DEADLINE) -> SensorError:
    """What went wrong on the way, in words for a technician."""
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return Garbled("the answer is not HTTP", str(error))
    return Unreachable(_said(error, deadline))


def _said(error: Exception, deadline: float) -> str:
    match error:
        case TimeoutError():
            return f"no complete answer within {deadline:g} seconds"
        case aiohttp.ClientConnectorDNSError():
            return "the network knows no address for its name"
        case aiohttp.ClientConnectorError(os_error=PermissionError(strerror=str(why))):
            return f"it was not asked: {why}"
        case (
            aiohttp.ClientPayloadError()
            | aiohttp.ServerDisconnectedError()
            | ConnectionResetError()
            | OSError(errno=errno.ECONNRESET | errno.EPIPE)
        ):
            return "the answer broke off"
        case OSError(errno=int(number)):
            return f"no connection: {os.strerror(number).lower()}"
        case _:
            return f"no connection: {str(error) or type(error).__name__}"


def _accept(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == HTTPStatus.FORBIDDEN:
        raise Forbidden("this user may not read it (status 403)")
    if status in _MISSING:
        raise Unsupported(f"this model or firmware does not have it (status {status})")
    if status // 100 == 3:  # noqa: PLR2004 - the class of redirections
        raise Unreachable(f"it sends us elsewhere (status {status}), which is not followed; is HTTP switched on in it?")
    if status != HTTPStatus.OK:
        raise Unreachable(f"it answers with an error (status {status})")
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Garbled("the answer is compressed, although that was not asked for")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    too_large = Garbled(f"the answer is larger than {MAX_BODY // 1024**2} MiB")
    if (response.content_length or 0) > MAX_BODY:
        raise too_large
    body = bytearray()
    while piece := await response.content.readany():  # at most what aiohttp reads ahead, 128 KiB
        body += piece
        if len(body) > MAX_BODY:
            raise too_large
    if is_page(body):
        raise Garbled("a web page instead of data: the camera's log-in or error page", text_of(body[:_PIECE]))
    return bytes(body)
