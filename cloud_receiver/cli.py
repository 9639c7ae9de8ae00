"""`footfall-receiver`: run, check, the devices, and what an operator decides."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.contract.times import rfc3339
from agent.foundation.clock import Clock, parse_clock
from agent.foundation.logs import configure
from agent.foundation.toml import ConfigurationError
from cloud_receiver import app, desk
from cloud_receiver.database import registry
from cloud_receiver.settings import read_configuration
from cloud_receiver.spoken import DEFAULT, Config, read, told

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"  # what fits between two slashes of a topic

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Headquarters' side of Footfall.")
device = typer.Typer(no_args_is_help=True, help="The registry of devices: who may send, and for which store.")
cli.add_typer(device, name="device")
cli.add_typer(desk.forks, name="forks")


@cli.command()
def run(
    config: Config = DEFAULT,
    clock: Annotated[str, typer.Option(help="A clock such as 60x, for demos and tests.")] = "",
    ready_file: Annotated[
        Path | None, typer.Option(help="Write database URL and pid here as JSON once messages are taken.")
    ] = None,
) -> None:
    """Take batches from the broker, commit them, answer them; until SIGTERM or Ctrl-C."""
    with told():
        try:
            chosen = parse_clock(clock) if clock else Clock()
        except ValueError as problem:
            raise ConfigurationError(f"--clock: {problem}") from None
        configuration = read_configuration(config)
        configure(configuration.settings.log.level)
        asyncio.run(app.run(configuration, chosen, ready_file))


@cli.command()
def check(config: Config = DEFAULT) -> None:
    """Say whether the configuration is right, without opening a socket."""
    with told():
        settings = read_configuration(config).settings
        typer.echo(f"{config}: right. Tenant {settings.receiver.tenant}, broker {settings.mqtt.host}.")


@device.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id, as in its agent.toml.")],
    store: Annotated[str, typer.Option(help="The store whose numbers it brings.")],
    tenant: Annotated[str, typer.Option(help="Default: the configuration's.")] = "",
    config: Config = DEFAULT,
) -> None:
    """Make a device known; one that is known moves to the store named now."""

    async def work() -> None:
        configuration = read(config)
        owner = tenant or configuration.settings.receiver.tenant
        for part in (name, store, owner):
            if not re.fullmatch(NAME, part):
                raise ConfigurationError(f"{part!r}: letters, digits, dot, dash and underscore only, 63 at most")
        async with app.database(configuration) as pool:
            await registry.add_device(pool, name, owner, store, int(Clock().now()))
        typer.echo(f"{name} sends for {store} of {owner}.")

    with told():
        asyncio.run(work())


@device.command("list")
def show(config: Config = DEFAULT) -> None:
    """Who may send, for which store, and when each was last heard."""

    async def work() -> None:
        async with app.database(read(config)) as pool:
            found = await registry.devices(pool)
        table = Table("device", "tenant", "store", "added", "last batch")
        for entry in found:
            last = rfc3339(entry.last) if entry.last is not None else "never"
            table.add_row(entry.device, entry.tenant, entry.store, rfc3339(entry.added), last)
        Console().print(table)

    with told():
        asyncio.run(work())


def main() -> None:
    cli()


if __name__ == "__main__":
    main()
