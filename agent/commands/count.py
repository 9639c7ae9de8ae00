"""`footfall-agent count`: what a person counted at a line, handed to the running agent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import typer

from agent.commands.spoken import CONFIG, ConfigOption, JsonOption, configuration, end
from agent.web.phrases import checked
from agent.web.view import LineCheck

if TYPE_CHECKING:
    from pathlib import Path

MOST_SECONDS = 30.0


def count(
    sensor: Annotated[str, typer.Argument(help="as the layout calls it")],
    line: Annotated[str, typer.Argument(help="its number, or line:1")],
    *,
    since: Annotated[str, typer.Option("--from", help="when the counting began, RFC 3339")],
    until: Annotated[str, typer.Option("--to", help="when it ended; fifteen minutes are usual")],
    entered: Annotated[int, typer.Option("--in", min=0, help="persons who came in")],
    left: Annotated[int, typer.Option("--out", min=0, help="persons who went out")],
    by: Annotated[str, typer.Option(help="the counter's role, never a name")] = "staff",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Enter a count made by hand: kept, sent to headquarters, and compared with what the line told."""
    asked = {
        "sensor": sensor,
        "place": line if line.startswith("line:") else f"line:{line}",
        "from": since,
        "to": until,
        "in": entered,
        "out": left,
        "by": by,
    }
    answer = asyncio.run(ask(configuration(config).socket_path, "count", asked))
    typer.echo(json.dumps(answer, indent=1) if as_json else "\n".join(_words(answer)))


async def ask(socket: Path, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the running agent answers to a wish; its refusal, or that none runs, ends the command."""
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket)), timeout=aiohttp.ClientTimeout(MOST_SECONDS)
            ) as session,
            session.post(f"http://localhost/api/{name}", json=asked) as response,
        ):
            answer: dict[str, Any] = await response.json()
    except (aiohttp.ClientError, TimeoutError, OSError):
        end(f"{socket}: the agent does not answer; start it, for only the running agent writes to its buffer", 1)
    if "problem" in answer:
        end(answer["problem"])
    return answer


def _words(answer: dict[str, Any]) -> list[str]:
    told = answer["told"]
    if told["in"] is None or told["out"] is None:
        said = ["Kept. What the line told of these minutes is not here yet; ask again with status in a few minutes."]
    else:
        said = [f"Kept. The line told {told['in']:.0f} in and {told['out']:.0f} out."]
    return [*said, *(f"{one['sensor']} {checked(LineCheck(**one))}" for one in answer["accuracy"])]
