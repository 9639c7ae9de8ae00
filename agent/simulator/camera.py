"""One camera on the network: an HTTP server on a loopback port that can be unplugged and plugged in again."""

from __future__ import annotations

import asyncio
import socket
from random import Random
from typing import TYPE_CHECKING

from aiohttp import web

from agent.simulator.auth import Gate
from agent.simulator.brand import Denied, Question
from agent.simulator.brands import brand_of
from agent.simulator.faults import LOGIN_PAGE, LOGIN_PATH, Faults, deliver, is_due
from agent.simulator.installation import FaultKind
from agent.simulator.memory import Memory
from agent.simulator.sender import Sender
from agent.simulator.truth import Served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.simulator.installation import Camera
    from agent.simulator.shop import Shop

HOST = "127.0.0.1"
LAST_WORDS = 0.1  # real seconds that a request under way gets when the camera is closed
MOST_BYTES = 64 * 1024  # of a question; all are a few hundred
IDLE = 75  # real seconds that a connection may rest


class NetworkCamera:
    """A camera that answers; `served` is what it told, `faults` what goes wrong with it."""

    def __init__(self, camera: Camera, shop: Shop, now: Callable[[], float]) -> None:
        self.memory = Memory(camera, shop, now)
        self.served = Served()
        rng = Random(f"{shop.scenario.seed}:{camera.id}:faults")  # noqa: S311 - a simulation wants a seed
        self.faults = Faults(self.memory, now, rng)
        self.brand = brand_of(self.memory)
        self._gate = Gate(camera, self.brand.realm)
        self.sender = Sender(self.brand, self.served, now, self._can_send)
        self._now = now
        self._socket = _bound(camera.port)
        self.port: int = self._socket.getsockname()[1]
        self._cable = asyncio.Lock()
        self._web: web.Server | None = None
        self._server: asyncio.Server | None = None

    # ---- the cable

    async def plug(self) -> None:
        """Power and network are there."""
        async with self._cable:
            self.memory.power_back()
            if self._server is None:
                self._web = web.Server(self._handle, handler_cancellation=True, access_log=None, keepalive_timeout=IDLE)
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(self._web, sock=self._socket)

    async def unplug(self, *, power: bool = False) -> None:
        """Connections break and new ones are refused; without power nothing is counted either."""
        async with self._cable:
            if power:
                self.memory.power_cut()
            if self._server is not None:
                await self._stop()
                self._socket = _bound(self.port)  # nobody else gets the port meanwhile

    async def _stop(self) -> None:
        if self._server is None or self._web is None:
            return
        self._server.close()
        for connection in self._web.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._web.shutdown(LAST_WORDS)
        await self._server.wait_closed()
        self._server = self._web = None

    async def close(self) -> None:
        """For good."""
        async with self._cable:
            await self._stop()
            self._socket.close()

    async def follow_plan(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Unplug and plug in at the times of the scenario."""
        plan = [fault for fault in self.memory.camera.fault if fault.kind is FaultKind.UNPLUGGED]
        moments = {
            self.memory.moment(when) for fault in plan for when in (fault.since, fault.until) if when is not None
        }
        for moment in sorted({self._now(), *moments}):
            await sleep(max(0.0, moment - self._now()))
            due = [fault for fault in plan if is_due(fault, self.memory, max(moment, self._now()))]
            if due:
                await self.unplug(power=any(fault.power for fault in due))
            elif moment in moments:
                await self.plug()

    def _can_send(self) -> tuple[bool, bool]:
        return self._server is not None, not self.memory.is_dark

    # ---- requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        at = self._now()
        try:
            self._check(request)
            if request.path == LOGIN_PATH:
                return web.Response(body=LOGIN_PAGE, content_type="text/html")
            answer = self.brand.answer(await _question(request))
            struck = self.faults.strike(answer.kind, request.raw_path)
            response, whole = await deliver(request, answer, struck)
        except Denied as denied:
            return self._denied(denied.status, request)
        if whole:
            self.served.record(answer.cells, at)
            if answer.counters is not None:
                self.served.counters = {**answer.counters, "served_at": at}
        return response

    def _check(self, request: web.BaseRequest) -> None:
        if request.method not in self.brand.methods:
            raise Denied(405)
        said = request.headers.get("Authorization", "")
        if request.path not in self.brand.open_paths and not self._gate.admits(request.method, request.raw_path, said):
            raise Denied(401)

    def _denied(self, status: int, request: web.BaseRequest) -> web.Response:
        response = web.Response(status=status, text=f"{status}\n")
        if status == 401:  # noqa: PLR2004 - HTTP's number
            for challenge in self._gate.challenges(request.headers.get("Authorization", "")):
                response.headers.add("WWW-Authenticate", challenge)
        return response


async def _question(request: web.BaseRequest) -> Question:
    body = await request.content.read(MOST_BYTES)
    accept = request.headers.get("Accept", "")
    return Question(request.method, request.path, request.query, request.query_string, body, accept)


def _bound(port: int) -> socket.socket:
    """A socket that holds a port without listening: connections to it are refused."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"port {port} of {HOST}: {error.strerror}") from error
    return sock
