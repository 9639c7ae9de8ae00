"""`footfall-agent poll --once`: one round without the daemon."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.commands.spoken import CONFIG, ConfigOption, JsonOption, configuration, end
from agent.commands.status import ask_agent
from agent.foundation.clock import Clock
from agent.foundation.logs import configure


def poll(
    config: ConfigOption = CONFIG,
    backfill_hours: Annotated[int, typer.Option(min=0, max=366 * 24, help="of the cameras' memory to read")] = 0,
    *,
    once: Annotated[bool, typer.Option(help="one round; footfall-agent run goes on for ever")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every camera once, read its memory, keep what is new in the buffer, and end."""
    found = configuration(config, with_files=True)
    if not once:
        end("say --once for one round; footfall-agent run polls for ever")
    if found.socket_path.exists() and asyncio.run(ask_agent(found)):
        end("the agent is running and does this by itself; footfall-agent status shows it", 1)
    configure("error")  # a program may read what is printed
    from agent.commands.rounds import one_round  # noqa: PLC0415 - no other command needs the daemon's parts

    try:
        rounds = asyncio.run(one_round(found, Clock(), backfill_hours))
    except (OSError, sqlite3.Error, ValueError) as error:
        end(f"{found.buffer_path}: {error}", 1)
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in rounds], indent=1))
    else:
        table = Table("sensor", "answers", "new rows of its memory", "hours unread", "problem")
        for one in rounds:
            said = "yes" if one.answered else "no"
            table.add_row(one.sensor, said, str(one.rows), str(one.unread_hours), one.problem)
        Console().print(table)
    raise typer.Exit(0 if all(one.answered and not one.unread_hours for one in rounds) else 1)
