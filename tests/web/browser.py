"""A headless Chromium, spoken to over its DevTools port: enough to load a page and to read what became of it."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
LOOK_EVERY = 0.05


class Tab:
    """One page of it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._ids = socket, itertools.count(1)
        self.complaints: list[dict[str, Any]] = []

    async def tell(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command, and its answer."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != number:
            if answer.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown"}:
                self.complaints.append(answer)
        return answer.get("result", {})

    async def document(self) -> str:
        """The document as it is now, also where scripts are switched off."""
        root = (await self.tell("DOM.getDocument"))["root"]["nodeId"]
        # Between the two questions the browser may have gone to another document.
        return (await self.tell("DOM.getOuterHTML", nodeId=root)).get("outerHTML", "")

    async def loaded(self) -> None:
        """As soon as all the page names was fetched and its script has begun: only now may the server go."""
        while True:
            found = await self.tell("Runtime.evaluate", expression="document.readyState")
            if found["result"]["value"] == "complete":
                return
            await asyncio.sleep(LOOK_EVERY)

    async def until(self, *words: str) -> str:
        """The document as soon as it holds all these words; the test's own time limit ends a vain wait."""
        while True:
            document = await self.document()
            if all(word in document for word in words):
                return document
            await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def tab(profile: Path) -> AsyncIterator[Tab]:
    """A browser of its own, gone afterwards."""
    assert CHROMIUM, "FOOTFALL_REQUIRE_ALL is set and chromium is not installed"
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            found = await _page(session, await _port(profile))
            async with session.ws_connect(found, max_msg_size=0) as socket:
                yield Tab(socket)
                await socket.send_json({"id": 0, "method": "Browser.close"})
        await process.wait()
    finally:
        if process.returncode is None:
            os.kill(process.pid, 9)
            await process.wait()


async def _port(profile: Path) -> int:
    file = profile / "DevToolsActivePort"
    while True:
        if file.exists() and "\n" in (text := file.read_text()):
            return int(text.split("\n")[0])
        await asyncio.sleep(LOOK_EVERY)


async def _page(session: aiohttp.ClientSession, port: int) -> str:
    while True:
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            for target in await answer.json():
                if target["type"] == "page":
                    return target["webSocketDebuggerUrl"]
        await asyncio.sleep(LOOK_EVERY)
