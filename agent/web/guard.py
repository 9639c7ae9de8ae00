"""What every request must pass, and what every answer carries. The page shows; little can be changed there."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp.typedefs import Handler

MOST_CONNECTIONS = 64
FIRST_REQUEST = 10.0  # seconds in which a connection must have sent a whole request; later ones have the keep-alive's
METHODS = (hdrs.METH_GET, hdrs.METH_HEAD)
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE)

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # without it a browser says that the page's own form comes from nowhere
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": "footfall",  # not which versions of Python and aiohttp
}


def own_names() -> set[str]:
    """The names by which this machine is called in its own network."""
    name = socket.gethostname().lower()
    return {"localhost", name, f"{name.partition('.')[0]}.local"}


def is_ours(host: str, names: Collection[str]) -> bool:
    """Whether a Host header names this machine.

    Any address will do: DNS rebinding needs a name, and a phone that opens the page by its address is not attacked.
    """
    match = HOST.fullmatch(host)
    if not match:
        return False
    name = match[1].strip("[]").rstrip(".").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True


class Guard:
    """One application's door."""

    def __init__(self, hosts: Collection[str], most: int = MOST_CONNECTIONS, forms: Collection[str] = ()) -> None:
        self._most = most
        self._forms = forms  # the paths that take a form; who may send one they ask themselves
        self._names = own_names() | {host.rstrip(".").lower() for host in hosts}
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}  # connections without a whole request yet

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer only what was asked of this machine, only GET and HEAD, and only without a body; and the forms."""
        self.heard(request)
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1 or not is_ours(hosts[0], self._names):
            raise web.HTTPMisdirectedRequest(text="This is not the host you asked for.\n")
        form = request.method == hdrs.METH_POST and request.path in self._forms
        if request.method not in METHODS and not form:
            raise web.HTTPMethodNotAllowed(request.method, METHODS, text="This page only shows.\n")
        if request.body_exists and not form:
            raise web.HTTPRequestEntityTooLarge(0, 1, text="A question has no body.\n")
        return await handler(request)

    def heard(self, request: web.Request) -> None:
        """A connection has sent a whole request: it is not silent."""
        if timer := self._silent.pop(request.protocol, None):
            timer.cancel()

    @staticmethod
    async def dress(_request: web.Request, response: web.StreamResponse) -> None:
        """Put the headers on, also on errors."""
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")

    def connect(self, server: web.Server) -> asyncio.Protocol:
        """The protocol of a new connection; one too many, or one that never asks anything, is cut."""
        # Accepted in one go, connections are not the server's yet; those are among the silent ones.
        crowded = max(len(server.connections), len(self._silent)) >= self._most
        protocol, patience = server(), 0.0 if crowded else FIRST_REQUEST
        self._silent[protocol] = asyncio.get_running_loop().call_later(patience, self._cut, protocol)
        return protocol

    def _cut(self, protocol: web.RequestHandler) -> None:
        del self._silent[protocol]
        protocol.force_close()


class GuardedSite(web.TCPSite):
    """A TCP port behind the guard."""

    def __init__(self, runner: web.AppRunner, guard: Guard, host: str, port: int) -> None:
        super().__init__(runner, host, port)
        self._guard, self._at = guard, (host, port)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        server = self._runner.server
        assert server is not None  # noqa: S101 - TCPSite refuses a runner that is not set up
        await web.BaseSite.start(self)
        self._server = await asyncio.get_running_loop().create_server(lambda: self._guard.connect(server), *self._at)
