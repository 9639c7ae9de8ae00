"""The cable must fail as real cables do, and come back."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.rig.proxy import Proxy


@pytest.fixture
async def echo():
    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while chunk := await reader.read(1000):
                writer.write(chunk)
        writer.transport.abort()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering)


async def said(proxy: Proxy, words: bytes = b"hello") -> bytes:
    """What comes back through the cable: nothing where it is cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(words)
        return await reader.read(1000)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def test_cut_resets_what_is_connected_and_holds_what_comes(echo: int):
    """A cut is felt at once; who connects meanwhile hears nothing until it is mended, and then gets through."""

    async with Proxy(echo) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.read(1000) == b"hello"

        proxy.cut()
        with pytest.raises(ConnectionError):
            await reader.read(1000)
        writer.transport.abort()
        waiting = asyncio.create_task(said(proxy))
        assert not (await asyncio.wait({waiting}, timeout=0.1))[0]

        proxy.mend()
        assert await waiting == b"hello"


async def test_silence_leaves_the_connection_open(echo: int):
    """A half-open connection swallows bytes and tells nobody."""

    async with Proxy(echo) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.silent = True
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1000), 0.1)
        assert not writer.transport.is_closing()
        writer.transport.abort()


async def test_a_gate_drops_a_chunk_with_its_connection(echo: int):
    """A dropped chunk ends the connection, so that a stream never arrives with a hole in it."""

    async with Proxy(echo) as proxy:
        proxy.downward = lambda chunk: b"secret" not in chunk

        assert await said(proxy, b"plain") == b"plain"
        assert await said(proxy, b"secret") == b""


async def test_a_dead_broker_is_a_reset(unused_tcp_port: int):
    """Where nobody listens behind the cable, the agent is told at once."""

    async with Proxy(unused_tcp_port) as proxy:
        assert await said(proxy) == b""


async def test_a_forgotten_connection_is_half_open_and_new_ones_are_not(echo: int):
    """Who was connected is heard by nobody and told by nobody; who connects now gets through."""

    async with Proxy(echo) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.read(1000) == b"hello"

        proxy.forget()
        writer.write(b"hello again")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1000), 0.1)
        assert await said(proxy) == b"hello"
        assert not writer.transport.is_closing()
        writer.transport.abort()


async def test_a_narrow_line_hands_on_piece_by_piece(echo: int):
    """What is written at once comes in slices of the rate, and whole."""

    async with Proxy(echo) as proxy:
        proxy.rate = 20_000
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x" * 5000)

        first = await reader.read(10_000)
        assert len(first) < 5000
        assert len(await reader.readexactly(5000 - len(first))) == 5000 - len(first)
        writer.transport.abort()
