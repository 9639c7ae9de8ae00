"""One MQTT connection from CONNECT to its end, driven by the running loop; paho only speaks the protocol.

paho says success for messages that were only queued and notices a dead link after two keepalives; so each connection
is a fresh paho client, and everything pending fails when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.foundation.dial import TlsSettings, trouble

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

NO_SUBSCRIBERS = 16  # PUBACK 0x10: the broker took the message and nobody was there to get it
MQTT5 = 5

# All in real seconds: a demo's store may live sixty times as fast, its network does not.
LEAVE_WITHIN = 2.0
SILENT_KEEPALIVES = 1.5
MAX_INBOUND = 1024 * 1024
WINDOW = 20  # PUBLISHes without PUBACK; Mosquitto's own default


class LinkDown(ConnectionError):
    """There is no connection, or it ended before the broker acknowledged."""


@dataclass(frozen=True)
class LinkSettings:
    """Where the broker is and how to speak to it. `version` is 5 or 4 (MQTT 3.1.1).

    `keeps_for`: so many seconds the broker keeps what comes for us while we are away; then `client_id` must stay.
    """

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = ""
    version: int = MQTT5
    keepalive: int = 20
    tls: TlsSettings | None = None
    receive_maximum: int | None = None
    keeps_for: int = 0
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


class Wanted(Protocol):
    """What is wanted of each connection; the link that makes them is one."""

    settings: LinkSettings
    will: Message | None
    will_delay: int
    subscriptions: Sequence[tuple[str, int]]
    on_message: Callable[[Received], None]
    manual_ack: bool


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
            clean_session=None if five else not settings.keeps_for,
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


class Connection:
    """One connection from CONNECT to its end; nothing of it outlives it."""

    def __init__(self, link: Wanted, sock: socket.socket) -> None:
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
        """Send CONNECT; `up` says when the broker has answered and all subscriptions stand."""
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
            if settings.keeps_for:
                properties.SessionExpiryInterval = settings.keeps_for
            options = {"clean_start": not settings.keeps_for, "properties": properties}
        self._client.connect(settings.host, settings.port, settings.keepalive, **options)

    @property
    def congested(self) -> bool:
        """Whether the line has not taken yet what was handed over before."""
        return self._client.want_write()

    async def publish(self, message: Message) -> int:
        """The broker's PUBACK reason; LinkDown where the connection ends first."""
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
