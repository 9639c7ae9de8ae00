"""`footfall-agent simulate`: a shop whose cameras answer over HTTP, send to a URL, or publish to a broker."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.spoken import made
from agent.foundation.clock import Clock, parse_clock
from agent.foundation.mqtt import Link, LinkDown, LinkSettings, Message
from agent.foundation.toml import load, read_secret
from agent.simulator.scenario import Scenario
from agent.simulator.store import Addresses, serve

if TYPE_CHECKING:
    from collections.abc import Callable

MQTT_PORT = 1883


def simulate(
    scenario: Path,
    clock: Annotated[str, typer.Option(help="60x, 60x,START or 60x,STORE,REAL")] = "1x",
    ready_file: Annotated[Path | None, typer.Option(help="gets the addresses as JSON once all answer")] = None,
    broker: Annotated[str, typer.Option(help="host or host:port, for the cameras that speak MQTT")] = "",
    broker_username: Annotated[str, typer.Option(help="the broker's, where it wants one")] = "",
    broker_password_file: Annotated[Path | None, typer.Option(help="holds nothing but the password")] = None,
) -> None:
    """A store with shoppers and cameras that answer, or send by themselves, until stopped."""
    ticking: Clock = made(lambda: parse_clock(clock), "clock")
    model = made(lambda: load(scenario, Scenario), "")
    line = made(lambda: _line(broker, broker_username, broker_password_file), "broker") if broker else None

    def ready(addresses: Addresses) -> None:
        if ready_file:
            ready_file.with_suffix(".part").write_text(json.dumps(addresses), encoding="utf-8")
            ready_file.with_suffix(".part").replace(ready_file)
        else:
            typer.echo(json.dumps(addresses, indent=1))

    with suppress(KeyboardInterrupt):
        asyncio.run(_live(model, ticking, ready, line))


async def _live(
    model: Scenario, clock: Clock, ready: Callable[[Addresses], None], settings: LinkSettings | None
) -> None:
    if settings is None:
        await serve(model, clock.now, clock.sleep, ready=ready)
        return
    link = Link(settings, on_down=lambda why: typer.echo(f"the broker is not reached: {why}", err=True))

    async def publish(topic: str, body: bytes) -> bool:
        """Whether the broker has it, be it that nobody listens there."""
        try:
            await link.publish(Message(topic, body))
        except LinkDown:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run(), name="broker")
        tasks.create_task(serve(model, clock.now, clock.sleep, ready=ready, publish=publish), name="shop")


def _line(broker: str, username: str, password_file: Path | None) -> LinkSettings:
    host, colon, port = broker.rpartition(":")
    if not colon:
        host, port = broker, str(MQTT_PORT)
    if not host or not port.isdecimal() or not 0 < int(port) <= 0xFFFF:  # noqa: PLR2004 - the largest port
        raise ValueError(f"{broker!r}: write host or host:port, such as 127.0.0.1:1883")
    password = read_secret(Path("scenario.toml"), str(password_file.absolute())) if password_file else ""
    return LinkSettings(host, int(port), f"simulated-{secrets.token_hex(4)}", username, password, reconnect_cap=5.0)
