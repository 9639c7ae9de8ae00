"""Live updates by server-sent events: rendered at most once a second, however many are listening."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MOST_LISTENERS = 20
AT_MOST_EVERY = 1.0  # seconds between two renderings
AT_LEAST_EVERY = 5.0  # seconds, so that "12 s ago" stays true while nothing changes
LISTEN_FOR = 3600.0  # seconds until a listener has to come again
WRITE_WITHIN = 10.0  # seconds; who reads more slowly comes again


class Live:
    """Those who listen. `render` gives the page's live part, `changed` returns when there is something new."""

    def __init__(self, render: Callable[[], Awaitable[dict[str, str]]], changed: Callable[[], Awaitable[None]]) -> None:
        self._render, self._changed = render, changed
        self._turn = asyncio.Lock()
        self._began = -AT_MOST_EVERY
        self._text = b""
        self._listeners: set[asyncio.Task[None] | None] = set()

    async def events(self, request: web.Request) -> web.StreamResponse:
        """A stream that ends with the listener, the hour or the agent."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise web.HTTPServiceUnavailable(text="Too many are listening.\n", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
        if request.method == hdrs.METH_HEAD:
            response.content_length = 0
            await response.prepare(request)
            return response
        task = asyncio.current_task()
        self._listeners.add(task)
        try:
            await response.prepare(request)
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(LISTEN_FOR):
                    await self._tell(response)
        finally:
            self._listeners.discard(task)
        return response

    async def hang_up(self, _app: web.Application) -> None:
        """End every stream: the agent stops."""
        for task in list(self._listeners):
            if task:
                task.cancel()

    async def _tell(self, response: web.StreamResponse) -> None:
        sent = b""
        while True:
            # The waiting begins before the rendering, so that a change during it is not missed.
            change = asyncio.ensure_future(self._changed())
            try:
                text = await self._fresh()
                if text != sent:
                    async with asyncio.timeout(WRITE_WITHIN):
                        await response.write(text)
                    sent = text
                await asyncio.wait([change], timeout=AT_LEAST_EVERY)
            finally:
                change.cancel()

    async def _fresh(self) -> bytes:
        """Rendered after this was asked for, together with all who ask within the same second."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._turn:
            if self._began < asked:
                await asyncio.sleep(self._began + AT_MOST_EVERY - loop.time())
                self._began = loop.time()
                self._text = b"data: " + json.dumps(await self._render()).encode() + b"\n\n"
            return self._text
