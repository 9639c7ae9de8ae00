"""`footfall-agent replay`: recorded history through the running agent's own stages."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agent.contract.times import parse_rfc3339, rfc3339
from agent.foundation.toml import ConfigurationError

FEW_ROWS = 200_000  # below which loading compiled kernels, 0.5 s from a warm cache, takes longer than it saves


def replay(
    layout: Annotated[Path, typer.Argument(help="layout.toml, or a folder with its versions")],
    observations: Annotated[Path, typer.Argument(help="CSV: sensor,place,metric,start,end,value")],
    *,
    since: Annotated[str, typer.Option("--from", help="RFC 3339; what lies before teaches and is not told")] = "",
    until: Annotated[str, typer.Option("--to", help="RFC 3339; what lies after is not read")] = "",
    live: Annotated[bool, typer.Option("--live", help="with --json: also what held at the end of each minute")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, for programs")] = False,
) -> None:
    """Run metrics and alerts over recorded history as if live: try a threshold before it is switched on."""
    from agent.kernels.registry import warm_up  # noqa: PLC0415 - numpy and rule-engine take 0.6 s, which only this needs
    from agent.layouts import versions  # noqa: PLC0415 - as above
    from agent.recording import RecordingError, read_recording  # noqa: PLC0415 - as above
    from agent.replayed import document, show  # noqa: PLC0415 - as above
    from agent.runtime.replay import lived  # noqa: PLC0415 - as above

    try:
        layouts = versions(layout)
        told = read_recording(observations, {sensor.id for version in layouts for sensor in version.sensor})
    except (ConfigurationError, RecordingError) as error:
        _exit(str(error))
    first, last = _moment(since, "from", told.recording.begins), _moment(until, "to", told.recording.ends)
    if last <= first and told.recording.size:
        _exit(f"--to: {rfc3339(last)} is not after {rfc3339(first)}; exchange them, or see when the recording begins")
    if told.recording.size > FEW_ROWS:
        warm_up()
    found = asyncio.run(lived(told.recording, layouts, since=first, until=last, live=live))
    if as_json:
        typer.echo(json.dumps(document(told, layouts, found, (first, last)), indent=1, allow_nan=False))
    else:
        show(told, layouts[-1], found, (first, last))


def _moment(text: str, option: str, otherwise: float) -> float:
    try:
        return parse_rfc3339(text) if text else float(otherwise)
    except ValueError as error:
        _exit(f"--{option}: {error}")


def _exit(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(2)
