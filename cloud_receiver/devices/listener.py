"""The one door that is open to strangers: HTTPS for enrolment and renewal, with caps on bytes, seconds and count."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog
from aiohttp import web

from agent.contract.caps import WireError
from agent.contract.enrolment import AUTHORITY, ENROL, MAX_BYTES, RENEW, Enrol, Refusal, Renew
from agent.contract.messages import read_message
from cloud_receiver.database.pool import AWAY, UNSTORABLE
from cloud_receiver.devices.authority import BadRequest
from cloud_receiver.devices.certificates import certify_server
from cloud_receiver.devices.registry import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from agent.contract.messages import Message
    from cloud_receiver.devices.enrolment import Enrolment

M = TypeVar("M", bound="Message")
log = structlog.get_logger()

# Real seconds and counts. An enrolment takes 20 ms; the slowest line of a store needs a few seconds for its 3 kB.
HANDSHAKE = 10.0
LONGEST = 20.0  # from accept to close, whatever the other side does
CONNECTIONS = 400  # accepted within the last LONGEST seconds
DAY = 86400.0

BUSY = "too many requests: try again in a minute"


class Allowance(NamedTuple):
    """So many at once, and so many more a second."""

    burst: float
    rate: float


EACH, ALL = Allowance(30, 0.5), Allowance(300, 20)
ADDRESSES = 10_000  # of which the allowance is remembered


class Rates:
    """Who asked how often lately: a bucket for each address (IPv6: each /64) and one for all."""

    def __init__(self, each: Allowance = EACH, everyone: Allowance = ALL) -> None:
        self._each, self._all = each, everyone
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._everyone = (everyone.burst, 0.0)

    def allows(self, address: str, now: float) -> bool:
        """Whether one more request is taken; counts it."""
        who = _neighbourhood(address)
        own, self._everyone = (
            _filled(self._buckets.pop(who, (self._each.burst, now)), self._each, now),
            _filled(self._everyone, self._all, now),
        )
        taken = own[0] >= 1 and self._everyone[0] >= 1
        if taken:
            own, self._everyone = (own[0] - 1, now), (self._everyone[0] - 1, now)
        self._buckets[who] = own
        if len(self._buckets) > ADDRESSES:
            self._buckets.popitem(last=False)
        return taken


def _filled(bucket: tuple[float, float], allowance: Allowance, now: float) -> tuple[float, float]:
    level, since = bucket
    return min(allowance.burst, level + (now - since) * allowance.rate), now


def _neighbourhood(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)  # noqa: PLR2004 - IPv6


class Listener:
    """Serves one enrolment; `port` is the one it got."""

    def __init__(self, enrolment: Enrolment, folder: Path, names: Sequence[str], rates: Rates | None = None) -> None:
        self._enrolment = enrolment
        self._folder, self._names = folder, names
        self._rates = rates or Rates()
        self._open = 0
        self.port = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")

    async def run(self, host: str, port: int, started: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled, and keep the certificate young."""
        self._certify()
        self._load()
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=0,
            max_line_size=2048,
            max_field_size=4096,
        )
        await runner.setup()
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: self._accept(runner), host, port, ssl=self._context, ssl_handshake_timeout=HANDSHAKE
            )
            self.port = server.sockets[0].getsockname()[1]
            log.info("enrolment_listens", host=host, port=self.port, names=list(self._names))
            started()
            async with server:
                await self._stay_certified()
        finally:
            await runner.cleanup()

    async def _stay_certified(self) -> None:
        while True:
            await asyncio.sleep(DAY)
            if self._certify():
                self._load()
                log.info("certificate_renewed", names=list(self._names))

    def _certify(self) -> bool:
        return certify_server(self._enrolment.authority, self._folder, "listener", self._names, time.time())

    def _load(self) -> None:
        self._context.load_cert_chain(self._folder / "listener.crt", self._folder / "listener.key")

    def _accept(self, runner: web.AppRunner) -> asyncio.Protocol:
        assert runner.server  # noqa: S101 - it is set up
        if self._open >= CONNECTIONS:
            return _Full()
        made = runner.server()
        self._open += 1
        asyncio.get_running_loop().call_later(LONGEST, self._close, made)
        return made

    def _close(self, connection: web.RequestHandler) -> None:
        self._open -= 1
        transport = connection.transport
        connection.force_close()
        if transport:
            transport.abort()  # closing alone would wait for a peer that does not read

    # ---- what it answers

    def _application(self) -> web.Application:
        made = web.Application(client_max_size=MAX_BYTES, middlewares=[self._limited])
        made.router.add_get(AUTHORITY, self._authority)
        made.router.add_post(ENROL, self._enrol)
        made.router.add_post(RENEW, self._renew)
        return made

    @web.middleware
    async def _limited(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not self._rates.allows(request.remote or "", time.monotonic()):
            return _refuse(429, BUSY)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _refuse(error.status, error.reason)

    async def _authority(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._enrolment.authority.pem, content_type="application/x-pem-file")

    async def _enrol(self, request: web.Request) -> web.Response:
        return await self._answer(request, Enrol, self._enrolment.enrol)

    async def _renew(self, request: web.Request) -> web.Response:
        return await self._answer(request, Renew, self._enrolment.renew)

    async def _answer(
        self, request: web.Request, model: type[M], issue: Callable[[M], Awaitable[Message]]
    ) -> web.Response:
        try:
            issued = await issue(read_message(model, await request.read()))
        except (BadRequest, WireError) as problem:
            return _refuse(400, str(problem))
        except NotAllowed as problem:
            return _refuse(403, str(problem))
        except UNSTORABLE:
            return _refuse(400, "this cannot be stored")
        except AWAY as problem:
            log.warning("enrolment_without_database", why=str(problem))
            return _refuse(503, "headquarters' database is away: try again in some minutes")
        return web.Response(body=issued.payload(), content_type="application/json")


class _Full(asyncio.Protocol):
    """Hangs up on who is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _refuse(status: int, why: str) -> web.Response:
    return web.Response(status=status, body=Refusal(error=why[:500]).payload(), content_type="application/json")
