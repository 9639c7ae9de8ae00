"""Cameras that send their counts: which there are by the configuration, and the parts that take their messages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

import structlog

from agent.addresses import is_sent, secrets_of
from agent.drivers.base import Kind
from agent.foundation.mqtt import LinkSettings
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

RECONNECT_CAP = 30.0  # real seconds: the cameras' broker is in the store, nobody else comes back at the same time


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
        OSError: the port cannot be had.
    """
    by_id = {sensor.id: sensor for sensor in configuration.settings.sensor if is_sent(sensor)}
    by_name = {poller.sensor: poller for poller in pollers}
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
        tasks[f"stream {name}"] = follow(by_name[name], cast("Streaming", by_name[name].driver), inbox)
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
    box = await load_box(sensor.id, cast("Receiving", poller.driver), poller.condition, buffer)
    if Kind.LINES in poller.driver.cadence:
        box.counters = box.asks_nothing = False  # its memory tells of the same persons, minute by minute
    else:
        poller.leave(Kind.COUNTERS)
        box.asks_nothing = not poller.asks
    if box.asks_nothing:
        poller.condition.patience = box.post.patience = patience(sensor.push.every)
    return box


async def _listen(configuration: Configuration, inbox: Inbox, stack: AsyncExitStack) -> int | None:
    secrets, push = secrets_of(configuration), configuration.settings.push
    if not secrets:
        return None
    runner, port = await Listener(secrets, inbox).open(push.host, push.port)
    stack.push_async_callback(runner.cleanup)
    log.info("push_listens", host=push.host, port=port, sensors=sorted(secrets))
    return port
