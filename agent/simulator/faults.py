"""What goes wrong with answers: when each fault strikes, and what it makes of a good answer.

Faults strike requests that passed authentication. `crlf`, `bom`, `duplicate-row` and `sum-mismatch` leave every
count readable, so such an answer counts as served; after every other fault nothing of it does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from agent.simulator.brand import Denied
from agent.simulator.installation import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from agent.simulator.brand import Answer
    from agent.simulator.memory import Memory

INTACT = frozenset({FaultKind.CRLF, FaultKind.BOM, FaultKind.DUPLICATE_ROW, FaultKind.SUM_MISMATCH})
LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Login</title></head><body><form>Please log in</form></body></html>\n"
LOGIN_PATH = "/login.htm"  # answered like the login page itself
HUGE = 5 * 1024 * 1024  # above the 4 MiB that a reader may accept
CHUNK = 64 * 1024
DRIPS = 100  # a dripping answer comes in so many pieces

STATUSES = {
    FaultKind.UNAUTHORIZED: 401,
    FaultKind.NOT_FOUND: 404,
    FaultKind.BAD_GATEWAY: 502,
    FaultKind.REFUSE_PERCENT_3A: 400,
}


class Faults:
    """The faults of one camera: those of its scenario in their time, and those switched on by hand."""

    def __init__(self, memory: Memory, now: Callable[[], float], rng: Random) -> None:
        self._planned = [fault for fault in memory.camera.fault if fault.kind is not FaultKind.UNPLUGGED]
        self._switched: dict[FaultKind, Fault] = {}
        self._seen: dict[int, int] = {}
        self._memory = memory
        self._now = now
        self._rng = rng

    def switch(self, kind: FaultKind, *, on: bool) -> None:
        """A fault that strikes every answer from now on, or no longer."""
        self._switched.pop(kind, None)
        if on:
            self._switched[kind] = Fault(kind=kind)

    def strike(self, data: str, target: str) -> list[Fault]:
        """The faults that strike this answer, in the order of the scenario."""
        struck = [fault for index, fault in enumerate(self._planned) if self._strikes(index, fault, data)]
        return [fault for fault in struck + list(self._switched.values()) if _applies(fault, target)]

    def _strikes(self, index: int, fault: Fault, data: str) -> bool:
        if (fault.on and data not in fault.on) or not is_due(fault, self._memory, self._now()):
            return False
        seen = self._seen[index] = self._seen.get(index, 0) + 1
        if seen <= fault.after:
            return False
        if fault.every is not None and (seen - fault.after) % fault.every:
            return False
        return fault.probability is None or self._rng.random() < fault.probability


def is_due(fault: Fault, memory: Memory, now: float) -> bool:
    """Whether now is within the fault's stretch of time."""
    return memory.moment(fault.since) <= now and (fault.until is None or now < memory.moment(fault.until))


def _applies(fault: Fault, target: str) -> bool:
    return fault.kind is not FaultKind.REFUSE_PERCENT_3A or "%3a" in target.lower()


# ---- bodies


def spoil(body: bytes, faults: Sequence[Fault]) -> bytes:
    """The body as these faults leave it."""
    for fault in faults:
        body = SPOILERS.get(fault.kind, _as_it_is)(body)
    return body


def _as_it_is(body: bytes) -> bytes:
    return body


def _rows(body: bytes) -> list[bytes]:
    """Header and rows, each with its line end."""
    return body.splitlines(keepends=True)


def _header_only(body: bytes) -> bytes:
    """Of the counters, which have no header, nothing remains."""
    return _rows(body)[0] if body.startswith(b"StartTime") else b""


def _truncated(body: bytes) -> bytes:
    """Cut within the last row or, where there are no rows, within a name: never so that a shorter number remains."""
    if body.startswith(b"StartTime"):
        last = _rows(body)[-1]
        return body[: len(body) - len(last) + len(last) // 2]
    if b";" in body and b"=" not in body:  # a table of another brand
        return body[: body.rfind(b";", 0, len(body) - 1) + 1]
    cut = body.find(b"=", len(body) // 2)
    return body[: cut - 2] if cut > 0 else body[: len(body) // 2]


def _crlf(body: bytes) -> bytes:
    return body.replace(b"\n", b"\r\n")


def _bom(body: bytes) -> bytes:
    return b"\xef\xbb\xbf" + body


def _duplicate_row(body: bytes) -> bytes:
    """The first row comes once more at the end."""
    rows = _rows(body)
    return body + rows[1] if body.startswith(b"StartTime") and len(rows) > 1 else body


def _sum_mismatch(body: bytes) -> bytes:
    """The last Sum of the last row is one more than its parts."""
    rows = _rows(body)
    if len(rows) < 2 or not rows[0].strip().endswith(b"Sum"):  # noqa: PLR2004 - a header and a row
        return body
    rest, _, total = rows[-1].rpartition(b",")
    return b"".join(rows[:-1]) + b"%s,%d\n" % (rest, int(total) + 1)


SPOILERS: dict[FaultKind, Callable[[bytes], bytes]] = {
    FaultKind.EMPTY: lambda _: b"",
    FaultKind.HEADER_ONLY: _header_only,
    FaultKind.TRUNCATED: _truncated,
    FaultKind.CRLF: _crlf,
    FaultKind.BOM: _bom,
    FaultKind.DUPLICATE_ROW: _duplicate_row,
    FaultKind.SUM_MISMATCH: _sum_mismatch,
}


# ---- deliveries


async def deliver(request: web.BaseRequest, answer: Answer, faults: Sequence[Fault]) -> tuple[web.StreamResponse, bool]:
    """Send the answer as the faults will have it; the second is whether it left whole and intact.

    Raises:
        Denied: a fault makes it a status without an answer.
    """
    body = spoil(answer.body, faults)
    for fault in faults:
        if fault.kind in STATUSES:
            raise Denied(STATUSES[fault.kind])
        if fault.kind in DELIVERIES:
            return await DELIVERIES[fault.kind](request, body, fault), False
    response = await _sent(request, web.Response(body=body, content_type=answer.content_type))
    connected = request.transport is not None and not request.transport.is_closing()
    return response, connected and all(fault.kind in INTACT for fault in faults)


async def _sent(request: web.BaseRequest, response: web.Response) -> web.Response:
    """The response, written to its end so that it is known to have left."""
    await response.prepare(request)
    await response.write_eof()
    return response


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _hang(request: web.BaseRequest, _body: bytes, fault: Fault) -> web.StreamResponse:
    """Say nothing until the client is gone or the time is over, then break off."""
    await asyncio.sleep(fault.seconds)
    _abort(request)
    return web.Response()


async def _reset(request: web.BaseRequest, body: bytes, _fault: Fault) -> web.StreamResponse:
    """Half of the answer, then a TCP reset."""
    response = web.StreamResponse(headers={"Content-Length": str(len(body) + 1)})
    await response.prepare(request)
    await response.write(body[: len(body) // 2 + 1])
    sock = request.transport.get_extra_info("socket") if request.transport else None
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _abort(request)
    return response


async def _html(request: web.BaseRequest, _body: bytes, _fault: Fault) -> web.StreamResponse:
    return await _sent(request, web.Response(body=LOGIN_PAGE, content_type="text/html"))


async def _redirect(request: web.BaseRequest, _body: bytes, _fault: Fault) -> web.StreamResponse:
    return await _sent(request, web.Response(status=302, headers={"Location": LOGIN_PATH}))


async def _drip(request: web.BaseRequest, body: bytes, fault: Fault) -> web.StreamResponse:
    """All of it but the last byte, in so many pieces that only a reader's total deadline ends it."""
    response = web.StreamResponse(headers={"Content-Length": str(len(body) + 1)})
    await response.prepare(request)
    size = -(-len(body) // DRIPS) or 1
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        await asyncio.sleep(fault.seconds / DRIPS)
    _abort(request)
    return response


async def _huge(request: web.BaseRequest, body: bytes, _fault: Fault) -> web.StreamResponse:
    """The last row over and over, without a length that would warn."""
    response = web.StreamResponse()
    await response.prepare(request)
    rows = _rows(body) or [b"\n"]
    await response.write(rows[0])
    piece = rows[-1] * (CHUNK // len(rows[-1]) + 1)
    for _ in range(HUGE // len(piece) + 1):
        await response.write(piece)
    await response.write_eof()
    return response


DELIVERIES: dict[FaultKind, Callable[[web.BaseRequest, bytes, Fault], Awaitable[web.StreamResponse]]] = {
    FaultKind.TIMEOUT: _hang,
    FaultKind.RESET: _reset,
    FaultKind.HTML_200: _html,
    FaultKind.REDIRECT: _redirect,
    FaultKind.DRIP: _drip,
    FaultKind.HUGE: _huge,
}
