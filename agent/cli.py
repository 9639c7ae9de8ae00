"""The list of the commands, and those of few lines; the others live in `agent.commands`, with Typer and rich."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from agent.addresses import told
from agent.commands import alerts
from agent.commands.cameras import cameras, discover
from agent.commands.count import count
from agent.commands.decode import decode
from agent.commands.poll import poll
from agent.commands.replay import replay
from agent.commands.simulate import simulate
from agent.commands.spoken import CONFIG, ConfigOption, configuration, end, made
from agent.commands.staff import staff
from agent.commands.status import dead_letters, status
from agent.contract.topics import Branch
from agent.foundation.toml import ConfigurationError
from agent.settings import WRONG_CONFIGURATION

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Footfall's agent in the store.")
layouts = typer.Typer(no_args_is_help=True, help="What the numbers of this store mean.")
app.add_typer(layouts, name="layout")
app.add_typer(cameras, name="camera")
app.add_typer(alerts.app, name="alerts")
for command in (status, discover, poll, count, staff, replay, decode, simulate, dead_letters):
    app.command()(command)


@app.command()
def run(
    config: ConfigOption = CONFIG,
    clock: Annotated[str, typer.Option(help="60x,STORE,REAL: for demos and tests")] = "",
    ready_file: Annotated[Path | None, typer.Option(help="gets the page's address as JSON once it answers")] = None,
) -> None:
    """Count, keep, and bring to headquarters, until stopped."""
    arguments = ["--config", str(config)]
    arguments += ["--clock", clock] if clock else []
    arguments += ["--ready-file", str(ready_file)] if ready_file else []
    from agent.app import main as daemon  # noqa: PLC0415 - no other command needs the daemon's parts

    raise typer.Exit(daemon(arguments))


@app.command()
def check(
    config: ConfigOption = CONFIG,
    *,
    secrets: Annotated[bool, typer.Option(help="show the secrets in the URLs that cameras send to")] = False,
) -> None:
    """Check the whole configuration without opening a socket; exit status 78 where it is wrong."""
    found = configuration(config, with_files=True)
    from agent.alerting import check as check_alerts  # noqa: PLC0415 - rule-engine takes 0.4 s to load

    try:
        rules = check_alerts(found)
    except ConfigurationError as error:
        end(str(error), WRONG_CONFIGURATION)
    sensors = len(found.settings.sensor)
    typer.echo(f"{config}: right. Store {found.settings.store.id}, {sensors} sensors, {found.layout.time_zone}.")
    for refusal in rules.refused:
        typer.echo(f"  no alert {refusal.rule}{f' at {refusal.scope}' if refusal.scope else ''}: {refusal.reason}")
    for line in made(lambda: told(found, show=secrets), ""):
        typer.echo(line)


@app.command()
def enrol(
    url: Annotated[str, typer.Argument(help="headquarters' address, as footfall-receiver device add prints it")] = "",
    code: Annotated[str, typer.Option(help="the one-time code; asked for where it is left out")] = "",
    file: Annotated[
        Path | None, typer.Option(help="what footfall-receiver device bundle wrote, without a line")
    ] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Join the network: make a key, have it certified by headquarters, and try the broker with it."""
    if bool(url) == bool(file):
        end("name either headquarters' URL or --file")
    from agent.app import link_settings  # noqa: PLC0415 - no other command needs it
    from agent.enrol.join import Joining, join_by_code, join_by_file  # noqa: PLC0415 - as above

    found = configuration(config)
    branch = Branch(found.settings.store.tenant, found.settings.store.id, found.settings.device.id)
    who = Joining(branch, found.identity_path, link_settings(found))
    if file:
        outcome = asyncio.run(join_by_file(who, file))
    else:
        outcome = asyncio.run(join_by_code(who, url.rstrip("/"), code or typer.prompt("Code", hide_input=True)))
    typer.echo(outcome.text, err=not outcome.well)
    raise typer.Exit(0 if outcome.well else 1)


app.command("enroll", hidden=True)(enrol)


@layouts.command("check")
def layout_check(
    layout: Annotated[Path, typer.Argument(help="layout.toml, or a folder with its versions")],
    rules: Annotated[Path | None, typer.Option(help="alerts.toml; says which alerts this store can have")] = None,
) -> None:
    """Say in words what will be measured with these sensors, what cannot be, and why."""
    from agent.layouts import explanation, read_rules, versions  # noqa: PLC0415 - rule-engine takes 0.4 s to load

    try:
        for version in versions(layout):
            typer.echo(explanation(version, read_rules(rules, version) if rules else None) + "\n")
    except ConfigurationError as error:
        end(str(error), WRONG_CONFIGURATION)


def main() -> None:
    """The commands of this module; `agent.__main__` adds the daemon."""
    app(prog_name="footfall-agent")
