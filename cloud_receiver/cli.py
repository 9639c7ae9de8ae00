"""`footfall-receiver`: run, check, the devices, and what an operator decides."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from agent.foundation.clock import Clock, parse_clock
from agent.foundation.logs import configure
from agent.foundation.toml import ConfigurationError
from cloud_receiver import app, desk, gate, wishes
from cloud_receiver.crew import Part
from cloud_receiver.settings import read_configuration
from cloud_receiver.spoken import DEFAULT, Config, told

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Headquarters' side of Footfall.")
cli.add_typer(gate.device, name="device")
gate.device.command("resend")(wishes.resend)
cli.add_typer(desk.forks, name="forks")
cli.command("broker-config")(gate.broker_config)
cli.add_typer(desk.quarantine, name="quarantine")
cli.command()(desk.status)


@cli.command()
def run(
    config: Config = DEFAULT,
    clock: Annotated[str, typer.Option(help="A clock such as 60x, for demos and tests.")] = "",
    ready_file: Annotated[
        Path | None, typer.Option(help="Write database URL and pid here as JSON once messages are taken.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the work.")] = 1,
) -> None:
    """Take batches from the broker, commit them, answer them; until SIGTERM or Ctrl-C."""
    with told():
        try:
            chosen = parse_clock(clock) if clock else Clock()
        except ValueError as problem:
            raise ConfigurationError(f"--clock: {problem}") from None
        configuration = read_configuration(config)
        configure(configuration.settings.log.level)
        part = Part.given()
        running = app.run_part(configuration, chosen, part) if part else None
        asyncio.run(running or app.run(configuration, chosen, ready_file, workers))


@cli.command()
def check(config: Config = DEFAULT) -> None:
    """Say whether the configuration is right, without opening a socket."""
    with told():
        settings = read_configuration(config).settings
        typer.echo(f"{config}: right. Tenant {settings.receiver.tenant}, broker {settings.mqtt.host}.")


def main() -> None:
    cli()


if __name__ == "__main__":
    main()
