"""A camera of our own making on loopback, and the recorded answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from aiohttp import web

from agent.drivers.base import Device
from agent.drivers.reading.decoded import unwrapped

DATA = Path(__file__).parents[1] / "data"
NOON = 1_763_640_000  # 2025-11-20T12:00:00Z


@pytest.fixture
def recorded():
    """The body of a recorded answer of Milesight, out of its envelope where it has one."""

    def read(name):
        body = (DATA / "milesight" / name).read_bytes()
        envelope = json.loads(body) if name.endswith(".json") else {}
        return envelope["body"].encode() if "body" in envelope else body

    return read


@pytest.fixture
def recorded_of():
    """The body of a recorded answer of a brand, out of its envelope where it has one."""

    def read(name, file):
        return unwrapped((DATA / name / file).read_bytes())

    return read


@pytest.fixture
async def rig():
    """Opens servers on loopback and devices that point at them; closes them all afterwards."""
    async with AsyncExitStack() as stack:
        yield Rig(stack)


class Rig:
    def __init__(self, stack):
        self._stack = stack

    async def enter(self, context):
        """What the context gives, until the test is over."""
        return await self._stack.enter_async_context(context)

    async def serve(self, answer):
        """The address of a web server whose every request `answer(request)` answers."""
        server = web.Server(answer, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        return f"{host}:{port}"

    async def serve_bytes(self, *pieces, pause=0.0, then_reset=False):
        """The address of a server that reads a request's head and sends these bytes, whatever they are."""

        running = set()

        async def answer(reader, writer):
            running.add(asyncio.current_task())
            try:
                await reader.readuntil(b"\r\n\r\n")
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                if then_reset:
                    writer.transport.abort()
                writer.close()

        async def stop():
            server.close()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await asyncio.sleep(0)

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        self._stack.push_async_callback(stop)
        host, port = server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def device(self, address, *, username="", password="", middlewares=(), now=NOON, **options):
        jar = aiohttp.DummyCookieJar()
        session = await self.enter(aiohttp.ClientSession(cookie_jar=jar, middlewares=middlewares))
        zone = ZoneInfo("Europe/Lisbon")
        return Device("door-1", address, zone, session, lambda: now, username, password, options)
