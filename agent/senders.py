"""Cameras that send their counts: which there are by the configuration, and the parts that take their messages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import quote

import structlog

from agent.drivers.base import Kind
from agent.foundation.mqtt import LinkSettings
from agent.foundation.toml import ConfigurationError, named_file
from agent.runtime.following import follow
from agent.runtime.inbox import Box, Inbox, load_box, patience
from agent.runtime.listener import Listener
from agent.runtime.subscriber import KEPT_FOR, MOST_WAITING, Subscriber

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from contextlib import AsyncExitStack

    from agent.buffer.buffer import Buffer
    from agent.drivers.base import Listener as Receiving
    from agent.drivers.base import Streaming
    from agent.foundation.clock import Clock
    from agent.runtime.doubt import Doubt
    from agent.runtime.poller import Poller
    from agent.settings import Configuration, Sensor

log = structlog.get_logger()

_SECRET = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)
RECONNECT_CAP = 30.0  # real seconds: the cameras' broker is in the store, nobody else comes back at the same time
OTHERS = 0o077  # the permissions of a file that is not its owner's alone


def secrets_of(configuration: Configuration) -> dict[str, str]:
    """The secret of each sensor that sends over HTTP.

    Raises:
        ConfigurationError: one cannot be used; the text says how to make one.
    """
    found = {}
    for sensor in configuration.settings.sensor:
        name = sensor.push.secret_file
        if name:
            secret = configuration.secret(name).strip()
            path = named_file(configuration.file, name)
            if not _SECRET.fullmatch(secret):
                raise ConfigurationError(
                    f"{path}: the secret of {sensor.id} needs 16 to 128 letters, digits, dashes or underscores; make"
                    f" one with: (umask 077; openssl rand -hex 16 > {name})"
                )
            if path.stat().st_mode & OTHERS:
                raise ConfigurationError(f"{path}: others may read this secret; say: chmod 600 {name}")
            found[sensor.id] = secret
    return found


def path_of(sensor: str, secret: str) -> str:
    """The path that a camera sends to."""
    return f"/push/{quote(sensor)}/{secret}"


def told(configuration: Configuration, *, show: bool = False) -> list[str]:
    """What a technician enters into each camera that sends; the secrets only where `show` says so.

    Raises:
        ConfigurationError: a secret cannot be used.
    """
    settings, secrets = configuration.settings, secrets_of(configuration)
    lines = []
    for sensor in settings.sensor:
        if sensor.id in secrets:
            secret = secrets[sensor.id] if show else "…"
            url = f"http://ADDRESS:{settings.push.port}{path_of(sensor.id, secret)}"
            lines.append(f"{sensor.id}: enter in the camera, as where it sends its counts by HTTP POST: {url}")
        if sensor.push.topic:
            broker = settings.push.broker or settings.mqtt.host
            lines.append(f"{sensor.id}: let the camera publish at {broker} on {sensor.push.topic}")
    if secrets:
        hint = "" if show else " --secrets prints them with their secrets."
        lines.append(f"ADDRESS is this computer's on the cameras' network.{hint}")
    return lines


def is_sent(sensor: Sensor) -> bool:
    """Whether this sensor's messages are taken."""
    return bool(sensor.push.secret_file or sensor.push.topic or sensor.options.get("alerts"))


class Senders(NamedTuple):
    """The parts that take messages: the port of the HTTP listener, where it is open, and what runs for ever."""

    port: int | None
    tasks: dict[str, Coroutine[object, object, object]]


async def open_senders(
    configuration: Configuration,
    line: LinkSettings,
    pollers: Sequence[Poller],
    buffer: Buffer,
    clock: Clock,
    doubt: Doubt,
    stack: AsyncExitStack,
) -> Senders:
    """Take messages for all sensors that send; nothing is opened where none does. `line` leads to [mqtt]'s broker.

    Raises:
        ConfigurationError: a brand's cameras do not send, or a secret cannot be used.
        OSError: the port cannot be had.
    """
    by_id = {sensor.id: sensor for sensor in configuration.settings.sensor if is_sent(sensor)}
    drivers = {poller.sensor: poller.driver for poller in pollers}
    boxes = [await _box(by_id[poller.sensor], poller, buffer) for poller in pollers if poller.sensor in by_id]
    if not boxes:
        return Senders(None, {})
    inbox = Inbox(boxes, buffer, clock, doubt)
    doubt.shifters += [box.shift for box in boxes]
    tasks: dict[str, Coroutine[object, object, object]] = {"inbox": inbox.run()}
    topics = {sensor.id: sensor.push.topic for sensor in by_id.values() if sensor.push.topic}
    if topics:
        tasks["subscriber"] = Subscriber(_broker(configuration, line), topics, inbox).run()
    for name in (name for name, sensor in by_id.items() if sensor.options.get("alerts")):
        tasks[f"stream {name}"] = follow(name, cast("Streaming", drivers[name]), inbox)
    return Senders(await _listen(configuration, inbox, stack), tasks)


def _broker(configuration: Configuration, line: LinkSettings) -> LinkSettings:
    """Where cameras publish: their own broker, else the one of [mqtt]. The broker knows us again by our name."""
    push, name = configuration.settings.push, f"{configuration.settings.device.id}-cameras"
    if not push.broker:
        return replace(line, client_id=name, keeps_for=KEPT_FOR, receive_maximum=MOST_WAITING)
    password = configuration.secret(push.broker_password_file)
    return LinkSettings(
        push.broker,
        push.broker_port,
        name,
        push.broker_username,
        password,
        keeps_for=KEPT_FOR,
        receive_maximum=MOST_WAITING,
        reconnect_cap=RECONNECT_CAP,
    )


async def _box(sensor: Sensor, poller: Poller, buffer: Buffer) -> Box:
    if not hasattr(poller.driver, "receive"):
        raise ConfigurationError(f"{sensor.id}: a {sensor.driver} camera of this kind does not send its counts")
    box = await load_box(sensor.id, cast("Receiving", poller.driver), poller.condition, buffer)
    if Kind.LINES in poller.driver.cadence:
        box.counters = box.asks_nothing = False  # its memory tells of the same persons, minute by minute
    else:
        poller.leave(Kind.COUNTERS)
        box.asks_nothing = not poller.asks
    if box.asks_nothing:
        poller.condition.patience = patience(sensor.push.every)
    return box


async def _listen(configuration: Configuration, inbox: Inbox, stack: AsyncExitStack) -> int | None:
    secrets, push = secrets_of(configuration), configuration.settings.push
    if not secrets:
        return None
    runner, port = await Listener(secrets, inbox).open(push.host, push.port)
    stack.push_async_callback(runner.cleanup)
    log.info("push_listens", host=push.host, port=port, sensors=sorted(secrets))
    return port
