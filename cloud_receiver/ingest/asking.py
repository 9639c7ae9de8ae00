"""One question to one device: a command on its branch, and the reply that names it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.caps import WireError
from agent.contract.messages import Reply, ResendCommand, read_message
from agent.contract.times import rfc3339
from agent.foundation.mqtt import NO_SUBSCRIBERS, Link, LinkDown, Message
from cloud_receiver.database import coverage
from cloud_receiver.database.pool import persistently

if TYPE_CHECKING:
    from agent.contract.messages import Command
    from agent.contract.topics import Branch
    from agent.foundation.clock import Clock
    from agent.foundation.mqtt import LinkSettings, Received
    from cloud_receiver.database.pool import Pool

EXPIRES = 3600  # s; a device refuses what comes later


class BrokerAway(Exception):
    """The broker cannot be reached; the text says why."""


class Asked(NamedTuple):
    """What became of a command: `there` says that somebody on the device's branch took it."""

    there: bool
    reply: Reply | None


class Range(NamedTuple):
    """Numbers first…last of an epoch of a device."""

    device: str
    epoch: str
    first: int
    last: int


async def ask(broker: LinkSettings, branch: Branch, verb: str, command: Command, patience: float) -> Asked:
    """Publish a command and wait for the reply to it, so many real seconds.

    Raises:
        BrokerAway: there is no connection, so certainly nobody heard the command.
    """
    loop = asyncio.get_running_loop()
    up: asyncio.Future[str] = loop.create_future()  # why not, where it could not be reached
    replied: asyncio.Future[Reply] = loop.create_future()

    def take(message: Received) -> None:
        try:
            reply = read_message(Reply, message.payload)
        except WireError:
            return
        if reply.id == command.id and not replied.done():
            replied.set_result(reply)

    def tried(problem: str) -> None:
        if not up.done():
            up.set_result(problem)

    link = Link(
        replace(broker, client_id=f"hq-{branch.tenant}-asks-{secrets.token_hex(4)}"),
        subscriptions=[(branch.topic("reply"), 1)],
        on_message=take,
        on_up=lambda: tried(""),
        on_down=tried,
    )
    running = asyncio.create_task(link.run())
    try:
        if problem := await up:
            raise BrokerAway(f"{broker.host}, port {broker.port}: {problem}")
        content = Message(
            branch.topic(f"cmd/{verb}"), command.payload(), expiry=EXPIRES, content_type="application/json"
        )
        there = await link.publish(content) != NO_SUBSCRIBERS
        done, _ = await asyncio.wait([replied], timeout=patience if there else 0)
        return Asked(there, replied.result() if done else None)
    except LinkDown:
        return Asked(there=True, reply=None)  # the line ended while the command was on its way: it may be heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def resend(
    pool: Pool, broker: LinkSettings, branch: Branch, asked: Range, clock: Clock, patience: float
) -> Asked:
    """Forget that HQ has these numbers, and tell the device. One that is away finds it out at its next hello.

    Raises:
        BrokerAway: nothing was changed.
    """
    command = ResendCommand(
        id=secrets.token_hex(8),
        device=asked.device,
        expires=rfc3339(clock.now() + EXPIRES),
        epoch=asked.epoch,
        first=asked.first,
        last=asked.last,
    )
    # First here: what a device sends before HQ has forgotten, or after HQ remembers, is a fork of what HQ had. So it is
    # put back only where the device certainly sends nothing.
    taken = await coverage.forget(pool, *asked)
    try:
        said = await ask(broker, branch, "resend", command, patience)
    except BrokerAway:
        await persistently(lambda: coverage.put_back(pool, taken), "coverage")
        raise
    if said.reply and said.reply.st == "refused":
        await persistently(lambda: coverage.put_back(pool, taken), "coverage")
    return said
