"""`footfall-agent staff`: where staff is, as a person says it, handed to the running agent."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from agent.commands.count import ask
from agent.commands.spoken import CONFIG, ConfigOption, JsonOption, configuration


def staff(
    zone: Annotated[str, typer.Argument(help="as the layout calls it")],
    persons: Annotated[int, typer.Argument(min=0, help="how many of the staff are there from now on; 0 is nobody")],
    *,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Enter how many of the staff are in a zone from now on, where no device tags them."""
    asked = {"zone": zone, "staff": persons}
    answer = asyncio.run(ask(configuration(config).socket_path, "staff", asked))
    typer.echo(json.dumps(answer, indent=1) if as_json else f"{zone}: {persons} of the staff since {answer['since']}")
