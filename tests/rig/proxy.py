"""The cable between agent and broker: a TCP proxy that can be cut, mended, slowed, silenced and made to drop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Self

CHUNK = 64 * 1024


class Proxy:
    """One listening port on loopback, forwarded to one port. Faults apply to what is connected and what comes.

    `delay` holds every chunk for so many seconds; `silent` swallows bytes with the connection left open (half-open
    TCP: nobody is told); `upward` and `downward` are shown each chunk and, by saying False, drop it together with its
    connection (TCP loses nothing in the middle).
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._whole = asyncio.Event()
        self._whole.set()
        self._waiting: set[asyncio.Task[None]] = set()
        self.delay = 0.0
        self.silent = False
        self.upward: Callable[[bytes], bool] = _passes
        self.downward: Callable[[bytes], bool] = _passes
        self.bytes_up = 0
        self.bytes_down = 0

    @property
    def port(self) -> int:
        """Where the agent connects to."""
        if self._server is None:
            raise RuntimeError("the proxy is not open")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in (*self._waiting, *self._pipes):
            task.cancel()
        await asyncio.gather(*self._waiting, *self._pipes, return_exceptions=True)
        self._server = None

    @property
    def is_cut(self) -> bool:
        """Whether the plug is pulled."""
        return not self._whole.is_set()

    def cut(self) -> None:
        """Pull the plug: what is connected is reset, and whoever connects hears nothing until `mend`.

        That is what a router without uplink does; the agent's attempts hang instead of failing fast.
        """
        self._whole.clear()
        for writer in tuple(self._writers):
            _reset(writer)
        for pipe in tuple(self._pipes):
            pipe.cancel()

    def mend(self) -> None:
        """Plug it in again; who was waiting gets through."""
        self._whole.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=CHUNK)
        except (OSError, asyncio.CancelledError):  # the broker is down: the agent is told by a reset
            _reset(writer)
            return
        self._join(self._carry(reader, far_writer, up=True), writer, far_writer)
        self._join(self._carry(far_reader, writer, up=False), writer, far_writer)
        if self.is_cut:  # while connecting
            self.cut()

    def _join(self, carrying: Coroutine[None, None, None], *writers: asyncio.StreamWriter) -> None:
        self._writers.update(writers)
        pipe = asyncio.create_task(carrying)
        self._pipes.add(pipe)
        pipe.add_done_callback(lambda done: self._part(done, writers))

    def _part(self, done: asyncio.Task[None], writers: tuple[asyncio.StreamWriter, ...]) -> None:
        """One direction ended, so both do."""
        self._pipes.discard(done)
        self._writers.difference_update(writers)
        for writer in writers:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while chunk := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.silent:
                    continue
                if not (self.upward if up else self.downward)(chunk):
                    _reset(writer)
                    return
                self._count(len(chunk), up=up)
                writer.write(chunk)
                await writer.drain()

    def _count(self, size: int, *, up: bool) -> None:
        if up:
            self.bytes_up += size
        else:
            self.bytes_down += size


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, not FIN: a pulled cable is no polite goodbye."""
    if not writer.is_closing():
        endpoint: socket.socket = writer.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _passes(chunk: bytes) -> bool:  # noqa: ARG001 - the gate that lets everything through
    return True
