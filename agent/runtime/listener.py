"""The port that cameras send to: POST /push/SENSOR/SECRET, answered with 200 only when the counts are committed.

The secret may also come as the password of Basic or as a Bearer token. Whoever does not know it learns nothing: an
unknown sensor and a wrong secret have the same answer. A camera is a stranger: everything it sends has caps.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import structlog
from aiohttp import hdrs, web

from agent.drivers.base import Garbled
from agent.runtime.inbox import NotStored
from agent.web.guard import Guard, GuardedSite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler

    from agent.runtime.inbox import Inbox

log = structlog.get_logger()

MOST_BODY = 2 * 1024 * 1024  # bytes, also after inflating; the pictures in some messages have a tenth of it
MOST_HELD = 8 * 1024 * 1024  # bytes of all messages that are being read
WITHIN = 10.0  # real seconds for a message and its commit
SPARE_CONNECTIONS = 16  # beyond two for each sensor
RATE, BURST = 10.0, 300.0  # messages a second of one sensor, and at once after an interruption
BYTES_RATE, BYTES_BURST = 256 * 1024.0, 8 * 1024 * 1024.0
METHODS = (hdrs.METH_POST, hdrs.METH_PUT)
LOOKING = (hdrs.METH_GET, hdrs.METH_HEAD)  # what a camera's Test button may send


class Sent(NamedTuple):
    """What the technician enters into a camera."""

    sensor: str
    path: str


@dataclass
class _Bucket:
    """What a sensor may still send: refilled with time, never above its brim."""

    rate: float
    brim: float
    level: float = 0.0
    at: float = 0.0

    def take(self, amount: float, now: float) -> bool:
        if not self.at:
            self.level = self.brim
        self.level = min(self.brim, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level <= 0:
            return False
        self.level -= amount  # below nothing for once: a large message is paid for by waiting
        return True


@dataclass
class _Known:
    """A sensor that may send."""

    secret: bytes
    messages: _Bucket = field(default_factory=lambda: _Bucket(RATE, BURST))
    bytes: _Bucket = field(default_factory=lambda: _Bucket(BYTES_RATE, BYTES_BURST))


class _Door(Guard):
    """As the page's guard, for requests with a body; the secret is what admits, not the host's name."""

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.heard(request)
        return await handler(request)


class Listener:
    """The port. `secrets` by sensor; each message goes to the inbox."""

    def __init__(self, secrets: Mapping[str, str], inbox: Inbox) -> None:
        self._known = {sensor: _Known(secret.encode()) for sensor, secret in secrets.items()}
        self._nobody = _Known(b"")
        self._inbox = inbox
        self._held = 0

    async def open(self, host: str, port: int) -> tuple[web.AppRunner, int]:
        """Listen; the port that was taken, and what to `cleanup`.

        Raises:
            OSError: the address cannot be had.
        """
        door = _Door((), SPARE_CONNECTIONS + 2 * len(self._known))
        app = web.Application(middlewares=[door.admit])
        app.on_response_prepare.append(door.dress)
        app.router.add_route("*", "/push/{sensor}", self.take)
        app.router.add_route("*", "/push/{sensor}/{secret}", self.take)
        runner = web.AppRunner(
            app,
            access_log=None,  # its lines would hold the secrets
            auto_decompress=False,
            keepalive_timeout=75.0,
            max_line_size=2048,
            max_headers=64,
            lingering_time=2.0,  # so that who sends too much hears it
            shutdown_timeout=2.0,
        )
        await runner.setup()
        try:
            await GuardedSite(runner, door, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        return runner, runner.addresses[0][1]

    async def take(self, request: web.Request) -> web.Response:
        """One message."""
        sensor = request.match_info["sensor"]
        given = request.match_info.get("secret") or _of_header(request.headers.get(hdrs.AUTHORIZATION, ""))
        if not given:
            return _said(401, "This needs the sensor's secret.", {hdrs.WWW_AUTHENTICATE: 'Basic realm="footfall"'})
        known = self._known.get(sensor, self._nobody)
        if not hmac.compare_digest(known.secret, given.encode("utf-8", "replace")) or known is self._nobody:
            log.warning("push_refused", peer=request.remote, why="unknown sensor or wrong secret")
            return _said(404, "Not found.")
        if request.method in LOOKING:
            return _said(200, "Counts are sent here with POST.")
        if request.method not in METHODS:
            return _said(405, "Counts are sent with POST.", {hdrs.ALLOW: "POST, PUT"})
        if not known.messages.take(1.0, asyncio.get_running_loop().time()):
            return _said(429, "Too many messages.", {hdrs.RETRY_AFTER: "5"})
        return await self._message(sensor, known, request)

    async def _message(self, sensor: str, known: _Known, request: web.Request) -> web.Response:
        held = [0]
        try:
            async with asyncio.timeout(WITHIN):
                body = await self._body(request, held)
                _weigh(known, len(body))
                if body.strip():
                    headers = {name.lower(): value for name, value in request.headers.items()}
                    await self._inbox.put(sensor, body, request.content_type, headers)
        except (TimeoutError, NotStored):
            return _said(503, "It cannot be stored now; send it again.", {hdrs.RETRY_AFTER: "10"})
        except Garbled as error:
            return _said(400, f"Not understood: {error}")
        except _Unwanted as unwanted:
            return _said(*unwanted.args)
        finally:
            self._held -= held[0]
        return _said(200, "ok")

    async def _body(self, request: web.Request, held: list[int]) -> bytes:
        """The body as it was before it was compressed; nothing is read beyond the caps."""
        way = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
        if way not in {"identity", "gzip", "deflate", ""}:
            raise _Unwanted(415, "Send it as it is, or with gzip.")
        if (request.content_length or 0) > MOST_BODY:
            raise _Unwanted(413, f"More than {MOST_BODY // 1024**2} MiB.")
        inflate = zlib.decompressobj(wbits=47) if way in {"gzip", "deflate"} else None  # 47: gzip or zlib, by its head
        body = bytearray()
        async for piece in request.content.iter_any():
            body += _inflated(inflate, piece, MOST_BODY + 1 - len(body)) if inflate else piece
            if len(body) > MOST_BODY:
                raise _Unwanted(413, f"More than {MOST_BODY // 1024**2} MiB.")
            self._held += len(body) - held[0]
            held[0] = len(body)
            if self._held > MOST_HELD:
                raise NotStored("too much is being received at once")
        return bytes(body)


class _Unwanted(Exception):
    """A message that is not taken; its arguments are the answer's: status, text, headers."""


def _weigh(known: _Known, size: int) -> None:
    if not known.bytes.take(size, asyncio.get_running_loop().time()):
        raise _Unwanted(429, "Too many bytes.", {hdrs.RETRY_AFTER: "30"})


def _inflated(inflate: zlib._Decompress, piece: bytes, most: int) -> bytes:
    try:
        return inflate.decompress(piece, max(1, most))
    except zlib.error:
        raise Garbled("it says that it is compressed, and is not") from None


def _of_header(text: str) -> str:
    """The secret of an Authorization header: a Bearer token, or the password of Basic whatever the user's name."""
    way, _, value = text.partition(" ")
    if way.lower() == "bearer":
        return value.strip()
    if way.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _said(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=headers)
