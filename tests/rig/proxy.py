"""The cable between agent and broker: a TCP proxy that can be cut, mended, slowed, silenced and made to drop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from tests.rig.weather import Torn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Self

    from tests.rig.weather import Weather

CHUNK = 64 * 1024
SLICES = 20  # a second: the pieces in which a narrow line hands on what it carries


class Proxy:
    """One listening port on loopback, forwarded to one port. Faults apply to what is connected and what comes.

    `delay` holds every chunk for so many seconds; `rate` is how many bytes a second a direction carries; `silent`
    swallows bytes with the connection left open (half-open TCP: nobody is told); `upward` and `downward` are shown each
    chunk and, by saying False, drop it together with its connection (TCP loses nothing in the middle); `weather`
    befalls whole MQTT packets (not on a line with a rate, which cuts them up).
    """

    def __init__(self, port: int, host: str = "127.0.0.1", weather: Weather | None = None) -> None:
        self._target = (host, port)
        self._weather = weather
        self._forgotten = 0  # connections up to this one are half-open for ever
        self._made = 0
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._whole = asyncio.Event()
        self._whole.set()
        self._waiting: set[asyncio.Task[None]] = set()
        self.delay = 0.0
        self.rate = 0.0
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

    def forget(self) -> None:
        """What is connected now becomes half-open for ever, as after a router lost its table; new ones get through."""
        self._forgotten = self._made

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
        self._made += 1
        number = self._made
        self._join(self._carry(reader, far_writer, number, up=True), number, writer, far_writer)
        self._join(self._carry(far_reader, writer, number, up=False), number, far_writer, writer)
        if self.is_cut:  # while connecting
            self.cut()

    def _join(
        self, carrying: Coroutine[None, None, None], number: int, near: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        self._writers.update((near, far))
        pipe = asyncio.create_task(carrying)
        self._pipes.add(pipe)
        # One direction ended, so both do, unless nobody is told.
        pipe.add_done_callback(lambda done: self._part(done, (near,) if number <= self._forgotten else (near, far)))

    def _part(self, done: asyncio.Task[None], writers: tuple[asyncio.StreamWriter, ...]) -> None:
        self._pipes.discard(done)
        self._writers.difference_update(writers)
        for writer in writers:
            writer.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, *, up: bool
    ) -> None:
        stream = self._weather.stream(writer.write, up=up) if self._weather else None
        try:
            while chunk := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.silent or number <= self._forgotten:
                    continue
                if not (self.upward if up else self.downward)(chunk):
                    _reset(writer)
                    return
                self._count(len(chunk), up=up)
                await self._hand_on(stream.feed(chunk) if stream else chunk, writer)
        except Torn as torn:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                writer.write(torn.half)
                await writer.drain()
            _reset(writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            if stream:
                stream.end()

    async def _hand_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        """Write it, on a narrow line in pieces and no faster than that carries them."""
        while self.rate and data:
            piece = max(1, int(self.rate / SLICES))
            writer.write(data[:piece])
            await writer.drain()
            await asyncio.sleep(len(data[:piece]) / self.rate)
            data = data[piece:]
        writer.write(data)
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
