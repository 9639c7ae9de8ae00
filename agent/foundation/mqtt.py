"""One MQTT link driven by the running loop: reconnect, window and truth are ours, paho only speaks the protocol.

paho's own loop has no reconnect jitter, says success for messages that were only queued, and notices a dead link
after two keepalives; so each connection here is a fresh paho client, everything pending fails when it ends, and
nothing is kept for later: who wants to send again knows why and when.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.foundation.dial import TlsSettings, dial, trouble

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

NO_SUBSCRIBERS = 16  # PUBACK 0x10: the broker took the message and nobody was there to get it
MQTT5 = 5

# All in real seconds: a demo's store may live sixty times as fast, its network does not.
CONNECT_WITHIN = 10.0
LEAVE_WITHIN = 2.0
STABLE_AFTER = 60.0
SILENT_KEEPALIVES = 1.5
MAX_INBOUND = 1024 * 1024
WINDOW = 20  # PUBLISHes without PUBACK; Mosquitto's own default


class LinkDown(ConnectionError):
    """There is no connection, or it ended before the broker acknowledged."""


@dataclass(frozen=True)
class LinkSettings:
    """Where the broker is and how to speak to it. `version` is 5 or 4 (MQTT 3.1.1)."""

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = ""
    version: int = MQTT5
    keepalive: int = 20
    tls: TlsSettings | None = None
    receive_maximum: int | None = None
    reconnect_first: float = 0.5
    reconnect_cap: float = 300.0


@dataclass(frozen=True)
class Message:
    """What is published. Expiry, content type and properties are MQTT 5's; 3.1.1 leaves them out."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry: int | None = None
    content_type: str = ""
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came. With manual acknowledgement the broker keeps it until `ack`."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    content_type: str
    properties: tuple[tuple[str, str], ...]
    ack: Callable[[], None]


def _properties(message: Message, packet: int, will_delay: int = 0) -> Properties:
    made = Properties(packet)  # type: ignore[no-untyped-call]  # paho's only untyped constructor
    if message.expiry is not None:
        made.MessageExpiryInterval = message.expiry
    if message.content_type:
        made.ContentType = message.content_type
    if message.properties:
        made.UserProperty = list(message.properties)
    if will_delay:
        made.WillDelayInterval = will_delay
    return made


class _Client(paho.Client):
    """paho on a socket that is already connected: its own `connect` would stand still for a dead address."""

    def __init__(self, settings: LinkSettings, sock: socket.socket, *, manual_ack: bool) -> None:
        five = settings.version == MQTT5
        super().__init__(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            clean_session=None if five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )
        self._dialled = sock
        self.max_inflight_messages_set(0)  # the window is ours: paho's ignores the broker's Receive Maximum
        if settings.username:
            self.username_pw_set(settings.username, settings.password)

    def _create_socket(self) -> Any:  # noqa: ANN401 - paho's own type for a socket is private
        return self._dialled

    def drop(self) -> None:
        self._sock_close()


class _Connection:
    """One connection from CONNECT to its end; nothing of it outlives it."""

    def __init__(self, link: Link, sock: socket.socket) -> None:
        self._link = link
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, asyncio.Future[int]] = {}
        self._window = asyncio.Semaphore(WINDOW)
        self._heard = self._loop.time()
        self.up: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._client = _Client(link.settings, sock, manual_ack=link.manual_ack)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_open = self._on_socket_open
        self._client.on_socket_close = self._on_socket_close
        self._client.on_socket_register_write = self._on_want_write
        self._client.on_socket_unregister_write = self._on_wrote
        self._tick = self._loop.call_later(1, self._each_second)

    def connect(self) -> None:
        settings, will = self._link.settings, self._link.will
        five = settings.version == MQTT5
        if will:
            stated = _properties(will, PacketTypes.WILLMESSAGE, self._link.will_delay) if five else None
            self._client.will_set(will.topic, will.payload, will.qos, will.retain, stated)
        options: dict[str, Any] = {}
        if five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # as above
            properties.MaximumPacketSize = MAX_INBOUND
            if settings.receive_maximum:
                properties.ReceiveMaximum = settings.receive_maximum
            options = {"clean_start": True, "properties": properties}
        self._client.connect(settings.host, settings.port, settings.keepalive, **options)

    async def publish(self, message: Message) -> int:
        five = self._link.settings.version == MQTT5
        properties = _properties(message, PacketTypes.PUBLISH) if five else None
        if message.qos:
            await self._window.acquire()
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            self._window.release()
            raise LinkDown(paho.error_string(info.rc))
        if message.qos == 0:
            return 0
        answer: asyncio.Future[int] = self._loop.create_future()
        self._pending[info.mid] = answer
        return await answer

    async def leave(self, farewell: Message | None) -> None:
        """Say goodbye within two seconds, so that the broker does not speak the will."""
        with contextlib.suppress(TimeoutError, LinkDown):
            async with asyncio.timeout(LEAVE_WITHIN):
                if farewell:
                    await self.publish(farewell)
                self._client.disconnect()
                await asyncio.shield(self.ended)

    def end(self, reason: str, problem: Exception | None = None) -> None:
        """Close, and fail whatever waits; a problem of a callback's making is what `run` raises."""
        self._tick.cancel()
        self._client.drop()
        if self.ended.done():
            return
        reason = trouble(self._sock, self._link.settings.tls, self._link.settings.host) or reason
        if problem:
            self.ended.set_exception(problem)
            self.ended.exception()  # seen: `up` below may be the one that is awaited
        else:
            self.ended.set_result(reason)
        if not self.up.done():
            self.up.set_exception(problem or LinkDown(reason))
        for waiting in self._pending.values():
            self._window.release()
            if not waiting.done():
                waiting.set_exception(LinkDown(reason))
        self._pending.clear()

    # ---- paho calls these, all from within the loop

    def _turn(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as problem:  # noqa: BLE001 - a packet that makes no sense raises anything; told by on_down
            self.end(f"the broker's packet makes no sense: {problem!r}")

    def _each_second(self) -> None:
        self._tick = self._loop.call_later(1, self._each_second)
        self._turn(self._client.loop_misc)
        silent = self._loop.time() - self._heard
        # paho asks for a sign of life after one silent keepalive, but would wait another whole one for the answer
        if silent > SILENT_KEEPALIVES * self._client.keepalive:
            self.end(f"nothing heard for {silent:.0f} s")

    def _on_readable(self, sock: socket.socket) -> None:
        self._heard = self._loop.time()
        self._turn(self._client.loop_read)
        # TLS may hold more decrypted bytes, of which the selector knows nothing
        while isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._turn(self._client.loop_read)

    def _on_socket_open(self, _client: object, _data: object, sock: Any) -> None:  # noqa: ANN401 - paho's type is private
        self._loop.add_reader(sock, self._on_readable, sock)

    def _on_socket_close(self, _client: object, _data: object, sock: Any) -> None:  # noqa: ANN401 - as above
        self._loop.remove_reader(sock)
        self._loop.call_soon(self.end, "the connection closed")

    def _on_want_write(self, _client: object, _data: object, sock: Any) -> None:  # noqa: ANN401 - as above
        self._loop.add_writer(sock, self._turn, self._client.loop_write)

    def _on_wrote(self, _client: object, _data: object, sock: Any) -> None:  # noqa: ANN401 - as above
        self._loop.remove_writer(sock)

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: Any, properties: Any) -> None:  # noqa: ANN401 - as above
        if reason.is_failure:
            self._loop.call_soon(self.end, f"refused: {reason}")
            return
        self._window = asyncio.Semaphore(min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW)))
        if self._link.subscriptions:
            self._client.subscribe(list(self._link.subscriptions))
        else:
            self._is_up()

    def _on_subscribe(self, _client: object, _data: object, _mid: int, reasons: list[Any], _properties: object) -> None:
        refused = [
            f"{name}: {reason}"
            for (name, _), reason in zip(self._link.subscriptions, reasons, strict=False)
            if reason.is_failure
        ]
        if refused:
            self._loop.call_soon(self.end, f"subscription refused: {', '.join(refused)}")
        else:
            self._is_up()

    def _is_up(self) -> None:
        if not self.up.done():
            self.up.set_result(None)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        if len(message.payload) > MAX_INBOUND:
            self._client.ack(message.mid, message.qos)
            return
        stated = message.properties
        received = Received(
            message.topic,
            bytes(message.payload),
            message.qos,
            message.retain,
            getattr(stated, "ContentType", ""),
            tuple(getattr(stated, "UserProperty", ())),
            lambda: self._acknowledge(message),
        )
        try:
            self._link.on_message(received)
        except Exception as problem:  # noqa: BLE001 - run() raises it; asyncio would log it and carry on half alive
            failure = RuntimeError(f"a message on {message.topic} could not be taken")
            failure.__cause__ = problem
            self._loop.call_soon(self.end, str(failure), failure)

    def _acknowledge(self, message: paho.MQTTMessage) -> None:
        if not self.ended.done():
            self._client.ack(message.mid, message.qos)

    def _on_publish(self, _client: object, _data: object, mid: int, reason: Any, _properties: object) -> None:  # noqa: ANN401 - as above
        answer = self._pending.pop(mid, None)
        if answer is None:
            return
        self._window.release()
        if not answer.done():
            answer.set_result(reason.value)

    def _on_disconnect(self, _client: object, _data: object, flags: Any, reason: Any, _properties: object) -> None:  # noqa: ANN401 - as above
        sent = flags.is_disconnect_packet_from_server
        self._loop.call_soon(self.end, f"the broker said {reason}" if sent else "the connection was lost")


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
        self._connection: _Connection | None = None

    @property
    def is_up(self) -> bool:
        return self._connection is not None and not self._connection.ended.done()

    @property
    def congested(self) -> bool:
        """Whether the line has not taken yet what was handed over before."""
        return self._connection is not None and self._connection._client.want_write()  # noqa: SLF001 - of this file

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

    async def _open(self) -> _Connection:
        async with asyncio.timeout(CONNECT_WITHIN):
            connection = _Connection(self, await dial(self.settings.host, self.settings.port, self.settings.tls))
            try:
                connection.connect()
                await connection.up
            except BaseException:
                connection.end("gave up connecting")
                raise
            return connection

    async def _stay(self, connection: _Connection) -> str:
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
