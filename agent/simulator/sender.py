"""A camera that sends: what it wants to tell waits in its memory until somebody has taken it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from agent.simulator.brand import Brand, Message
    from agent.simulator.truth import Served

Publish = Callable[[str, bytes], Awaitable[bool]]  # a topic and a payload; whether the broker took it

DEADLINE = 5.0  # real seconds until a camera no longer waits for an answer
_TAKEN = range(200, 300)


class Sender:
    """Sends what its brand says, a period at a time, oldest first; what was not taken is sent again a period later."""

    def __init__(
        self, brand: Brand, served: Served, now: Callable[[], float], can: Callable[[], tuple[bool, bool]]
    ) -> None:
        """`can` says whether there is a network, and whether there is power."""
        self._brand, self._served, self._now, self._can = brand, served, now, can
        self._told = now()
        self._waiting: deque[tuple[Message, bool]] = deque(maxlen=brand.camera.push.keeps or None)
        self._chance = Random(f"{brand.camera.id}:twice")  # noqa: S311 - a simulation

    async def follow(self, sleep: Callable[[float], Awaitable[None]], publish: Publish | None = None) -> None:
        """Send at the end of each period of the camera's clock; at once over where it has nowhere to send to."""
        push = self._brand.camera.push
        if not push.url and publish is None:
            return
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:

            async def send(message: Message, body: bytes) -> bool:
                if (topic := message.topic or push.topic) and publish:
                    return await publish(topic, body)
                return bool(push.url) and await _post(session, push.url, message, body)

            while True:
                clock = self._brand.memory.clock()
                await sleep(push.every - clock % push.every)
                self.gather()
                await self.hand_over(send)

    def gather(self) -> None:
        """What there is to tell since the last time; nothing is about the time without power."""
        _, has_power = self._can()
        now = self._brand.memory.clock()
        every = self._brand.camera.push.every
        since, until = self._told, now // every * every
        if until <= since:
            return
        self._told = until
        if has_power:
            self._waiting += [(message, False) for message in self._brand.messages(since, until)]

    async def hand_over(self, send: Callable[[Message, bytes], Awaitable[bool]]) -> None:
        """Everything that waits, until one is not taken."""
        if self._can() != (True, True):
            return
        while self._waiting:
            message, before = self._waiting[0]
            if not await send(message, message.again if before and message.again else message.body):
                self._waiting[0] = message, True
                return
            self._waiting.popleft()
            self._served.record(message.cells, self._now())
            if self._chance.random() < self._brand.camera.push.twice:
                await send(message, message.again or message.body)


async def _post(session: aiohttp.ClientSession, url: str, message: Message, body: bytes) -> bool:
    try:
        async with session.post(url, data=body, headers={"Content-Type": message.content_type}) as answer:
            return answer.status in _TAKEN
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
