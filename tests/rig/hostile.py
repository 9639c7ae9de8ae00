"""Cameras that mean harm, each way on a loopback port of its own. `python -m tests.rig.hostile` prints where, as JSON.

They speak raw bytes: a web server would keep them to the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import socket
import struct
from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
PIECE = 64 * 1024
HUGE = 10 * 1024**3
NOISE = random.Random(5).randbytes(PIECE)  # noqa: S311 - no secret
poured: Counter[int] = Counter()  # bytes that left, by port
BOMB = gzip.compress(bytes(64 * 1024**2))  # 64 kB that become 64 MB; sent 160 times they become 10 GB


async def hang(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def drip(writer: asyncio.StreamWriter) -> None:
    """A byte ten times a second, for as long as anybody waits."""
    writer.write(OK + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"1")
        await writer.drain()
        await asyncio.sleep(0.1)


async def headers_drip(writer: asyncio.StreamWriter) -> None:
    """The same within the head of the answer, which never ends."""
    writer.write(OK)
    for number in range(10_000):
        writer.write(b"X-%d: 1\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.1)


async def garbage(writer: asyncio.StreamWriter) -> None:
    """A MiB of noise under a good head."""
    writer.write(OK + b"Content-Length: %d\r\n\r\n" % (16 * PIECE) + NOISE * 16)
    await writer.drain()


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(NOISE)
    await writer.drain()


async def huge(writer: asyncio.StreamWriter) -> None:
    """10 GB without a length that would warn."""
    await _pour(writer, OK + b"Connection: close\r\n\r\n", b"2026-11-20,1,2,3\n" * (PIECE // 17))


async def huge_told(writer: asyncio.StreamWriter) -> None:
    await _pour(writer, OK + b"Content-Length: %d\r\n\r\n" % HUGE, bytes(PIECE))


async def bomb(writer: asyncio.StreamWriter) -> None:
    await _pour(writer, OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", BOMB, 160 * len(BOMB))


async def redirect(writer: asyncio.StreamWriter) -> None:
    """To itself, without end."""
    await _redirected(writer, "/again")


async def elsewhere(writer: asyncio.StreamWriter) -> None:
    """To where clouds keep their credentials."""
    await _redirected(writer, "http://169.254.169.254/latest/meta-data/")


async def refused(writer: asyncio.StreamWriter) -> None:
    """No password is good enough."""
    nonce = random.randbytes(8).hex()  # noqa: S311 - a simulated camera's
    offer = f'WWW-Authenticate: Digest realm="camera", qop="auth", nonce="{nonce}"\r\n'
    writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n" + offer.encode() + b"\r\n")
    await writer.drain()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Half an answer, then a TCP reset."""
    writer.write(OK + b"Content-Length: 100\r\n\r\n" + b"1" * 50)
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


WAYS: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    way.__name__: way
    for way in (
        *(hang, drip, headers_drip, garbage, no_http, huge, huge_told),
        *(bomb, redirect, elsewhere, refused, reset),
    )
}


async def _pour(writer: asyncio.StreamWriter, head: bytes, piece: bytes, size: int = HUGE) -> None:
    writer.write(head)
    port = writer.get_extra_info("sockname")[1]
    for _ in range(-(-size // len(piece))):
        writer.write(piece)
        await writer.drain()
        poured[port] += len(piece)


async def _redirected(writer: asyncio.StreamWriter, target: str) -> None:
    writer.write(f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {target}\r\n\r\n".encode())
    await writer.drain()


@contextlib.asynccontextmanager
async def hostile_cameras() -> AsyncIterator[dict[str, str]]:
    """The address of each way, until the block is left."""
    tasks: set[asyncio.Task[None]] = set()
    writers: WeakSet[asyncio.StreamWriter] = WeakSet()

    async def answered(
        way: Callable[[asyncio.StreamWriter], Awaitable[None]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await way(writer)
                    if way in {huge, huge_told, bomb, reset, no_http}:
                        break
                await writer.drain()
        finally:
            writer.close()

    async with contextlib.AsyncExitStack() as stack:
        addresses = {}
        for name, way in WAYS.items():

            def connected(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                way: Callable[[asyncio.StreamWriter], Awaitable[None]] = way,
            ) -> None:
                writers.add(writer)
                task = asyncio.get_running_loop().create_task(answered(way, reader, writer))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            server = await asyncio.start_server(connected, "127.0.0.1", 0)
            stack.callback(server.close)
            host, port = server.sockets[0].getsockname()
            addresses[name] = f"{host}:{port}"
        try:
            yield addresses
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0.01)  # in which the transports close their sockets


async def main() -> None:
    async with hostile_cameras() as addresses:
        print(json.dumps(addresses), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
