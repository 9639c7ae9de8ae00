"""`footfall-agent alerts`: what is open, and taking it on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import typer
from rich.console import Console
from rich.table import Table

from agent.commands.count import ask
from agent.commands.spoken import CONFIG, ConfigOption, JsonOption, configuration, end

if TYPE_CHECKING:
    from pathlib import Path

WITHIN = aiohttp.ClientTimeout(10)
FEWEST = 4  # characters of an id that may stand for the whole

app = typer.Typer(no_args_is_help=True, help="The store's alerts.")


@app.command("list")
def listed(*, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """The open alerts, the worst first; exit status 1 where there are any."""
    found = asyncio.run(_listed(configuration(config).socket_path))
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _show(found)
    raise typer.Exit(1 if found["alerts"] else 0)


@app.command()
def acknowledge(
    alert: Annotated[str, typer.Argument(help="its id, or the beginning of it")],
    *,
    config: ConfigOption = CONFIG,
    by: Annotated[str, typer.Option(help="who takes care of it: a role, no name")] = "command line",
) -> None:
    """Take on an open alert, so that others know that somebody takes care of it."""
    socket = configuration(config).socket_path
    known = [one["id"] for one in asyncio.run(_listed(socket))["alerts"]]
    meant = [one for one in known if one == alert or (len(alert) >= FEWEST and one.startswith(alert))]
    if len(meant) != 1:
        end(f"{alert}: {'more than one alert begins so' if meant else 'there is no such open alert'}", 1)
    asyncio.run(ask(socket, "acknowledge", {"alert": meant[0], "by": by}))
    typer.echo(f"{meant[0]}: taken on")


def _show(found: dict[str, Any]) -> None:
    if found["problem"]:
        typer.echo(found["problem"], err=True)
    table = Table("id", "severity", "state", "since", "what")
    for alert in found["alerts"]:
        table.add_row(alert["id"][:8], alert["severity"], alert["state"], alert["since"], alert["text"])
    Console().print(table if found["alerts"] else "None: nothing is open.")


async def _listed(path: Path) -> dict[str, Any]:
    """What the running agent says over its socket, or why it does not."""
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=WITHIN) as session,
            session.get("http://localhost/api/alerts") as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found
    except (aiohttp.ClientError, TimeoutError, OSError):
        end(f"{path}: the agent is not running, or this user may not ask it", 1)
