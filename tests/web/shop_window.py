"""The page of a store on a real server, on loopback and a free port."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import aiohttp

from agent.web.page import application, serve
from tests.web.samples import view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.web.view import StoreView


class Read(HTMLParser):
    """What a browser would make of it, as tags with attributes and as text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


class Window:
    """The store may change while it is looked at."""

    def __init__(self, shown: StoreView) -> None:
        self.shown = shown
        self.looks = 0
        self.slow = False
        self.port = 0
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def view(self) -> StoreView:
        self.looks += 1
        if self.slow:
            await asyncio.Event().wait()
        return self.shown

    async def changed(self) -> None:
        await self._changed.wait()

    def show(self, shown: StoreView) -> None:
        self.shown = shown
        self._changed.set()
        self._changed = asyncio.Event()

    async def get(self, path: str = "/", **options: object) -> tuple[aiohttp.ClientResponse, str]:
        async with self.session.get(f"{self.url}{path}", **options) as answer:
            return answer, await answer.text()


@asynccontextmanager
async def window(shown: StoreView | None = None, **options: object) -> AsyncIterator[Window]:
    made = Window(shown or view())
    runner, made.port = await serve(application(made.view, made.changed, **options), "127.0.0.1", 0)
    try:
        yield made
    finally:
        await made.session.close()
        await runner.cleanup()
