"""One MQTT link driven by the running loop: reconnect, window and truth are ours.

paho's own loop has no reconnect jitter; here nothing is kept for later: who wants to send again knows why and when.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from agent.foundation.connection import (
    MQTT5,
    NO_SUBSCRIBERS,
    SILENT_KEEPALIVES,
    Connection,
    LinkDown,
    LinkSettings,
    Message,
    Received,
)
from agent.foundation.dial import dial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MQTT5", "NO_SUBSCRIBERS", "SILENT_KEEPALIVES", "Link", "LinkDown", "LinkSettings", "Message", "Received"]

# Real seconds: a demo's store may live sixty times as fast, its network does not.
CONNECT_WITHIN = 10.0
STABLE_AFTER = 60.0


def _nothing(*_: object) -> None:
    pass


class Link:
    """A connection to a broker that is made again for ever.

    `on_up` and `on_down` tell of each change, `on_down` also of each attempt that failed. An exception of a callback
    ends `run`. `farewell` is published before a clean goodbye, when `run` is cancelled.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        will: Message | None = None,
        will_delay: int = 30,
        subscriptions: Sequence[tuple[str, int]] = (),
        on_message: Callable[[Received], None] = _nothing,
        on_up: Callable[[], None] = _nothing,
        on_down: Callable[[str], None] = _nothing,
        manual_ack: bool = False,
        farewell: Callable[[], Message] | None = None,
    ) -> None:
        self.settings = settings
        self.will = will
        self.will_delay = will_delay
        self.subscriptions = subscriptions
        self.on_message = on_message
        self.manual_ack = manual_ack
        self._on_up = on_up
        self._on_down = on_down
        self._farewell = farewell
        self._connection: Connection | None = None

    @property
    def is_up(self) -> bool:
        return self._connection is not None and not self._connection.ended.done()

    @property
    def congested(self) -> bool:
        """Whether the line has not taken yet what was handed over before."""
        return self._connection is not None and self._connection.congested

    async def publish(self, message: Message) -> int:
        """The broker's PUBACK reason (0, or 16 for nobody subscribes); of QoS 0, 0 once it is handed over.

        Raises:
            LinkDown: not connected, or the link ended before the PUBACK. Whether the message arrived is then unknown.
        """
        if self._connection is None or not self.is_up:
            raise LinkDown("not connected")
        return await self._connection.publish(message)

    async def run(self) -> None:
        """Connect, subscribe, stay, and begin again with decorrelated jitter, until cancelled."""
        first, pause = self.settings.reconnect_first, self.settings.reconnect_first
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            try:
                connection = await self._open()
            except (OSError, UnicodeError) as problem:
                reason = str(problem) or type(problem).__name__
            else:
                reason = await self._stay(connection)
                if loop.time() - since > STABLE_AFTER:
                    pause = first
            self._on_down(reason)
            pause = min(self.settings.reconnect_cap, random.uniform(first, pause * 3))  # noqa: S311 - spreads, hides nothing
            await asyncio.sleep(pause)

    async def _open(self) -> Connection:
        async with asyncio.timeout(CONNECT_WITHIN):
            connection = Connection(self, await dial(self.settings.host, self.settings.port, self.settings.tls))
            try:
                connection.connect()
                await connection.up
            except BaseException:
                connection.end("gave up connecting")
                raise
            return connection

    async def _stay(self, connection: Connection) -> str:
        self._connection = connection
        try:
            self._on_up()
            return await asyncio.shield(connection.ended)
        except asyncio.CancelledError:
            await connection.leave(self._farewell() if self._farewell else None)
            raise
        finally:
            self._connection = None
            connection.end("closed")
