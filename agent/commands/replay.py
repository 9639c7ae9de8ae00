"""`footfall-agent replay`: recorded history through the running agent's own stages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from agent.commands.spoken import JsonOption, end
from agent.contract.times import parse_rfc3339, rfc3339
from agent.foundation.toml import ConfigurationError
from agent.settings import WRONG_CONFIGURATION

# Below this loading compiled kernels, 0.5 s from a warm cache, takes longer than it saves. Four weeks of one door's
# minutes are more: from there on it is told how long people stay, which takes minutes uncompiled.
FEW_ROWS = 50_000


def replay(
    layout: Annotated[Path, typer.Argument(help="layout.toml, or a folder with its versions")],
    observations: Annotated[Path, typer.Argument(help="CSV: sensor,place,metric,start,end,value")],
    *,
    rules: Annotated[Path | None, typer.Option(help="alerts.toml; else the layout's own")] = None,
    since: Annotated[str, typer.Option("--from", help="RFC 3339; what lies before teaches and is not told")] = "",
    until: Annotated[str, typer.Option("--to", help="RFC 3339; what lies after is not read")] = "",
    counts: Annotated[Path | None, typer.Option(help="CSV of counts made by hand: sensor,line,from,to,in,out")] = None,
    live: Annotated[bool, typer.Option("--live", help="with --json: also what held at the end of each minute")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run metrics and alerts over recorded history as if live: try a threshold before it is switched on."""
    from agent.commands.recording import RecordingError, read_counts, read_recording  # noqa: PLC0415 - as above
    from agent.commands.replayed import Tried, document, show, written  # noqa: PLC0415 - as above
    from agent.kernels.registry import warm_up  # noqa: PLC0415 - numpy and rule-engine take 0.6 s, which only this needs
    from agent.layouts import read_rules, versions  # noqa: PLC0415 - as above
    from agent.runtime.replay import lived  # noqa: PLC0415 - as above

    try:
        layouts = versions(layout)
        file = rules or next((own for one in layouts if (own := layout.parent / one.rules).exists()), None)
        bounds = {one.version: read_rules(file, one) for one in layouts} if file else {}
        told = read_recording(observations, {sensor.id for version in layouts for sensor in version.sensor})
        by_hand = read_counts(counts) if counts else []
    except ConfigurationError as error:
        end(str(error), WRONG_CONFIGURATION)
    except RecordingError as error:
        end(str(error))
    first, last = _moment(since, "from", told.recording.begins), _moment(until, "to", told.recording.ends)
    if last <= first and told.recording.size:
        end(f"--to: {rfc3339(last)} is not after {rfc3339(first)}; exchange them, or see when the recording begins")
    if told.recording.size > FEW_ROWS:
        warm_up()
    ready = (lambda one: bounds[one.version]) if bounds else None
    try:
        found = asyncio.run(lived(told.recording, layouts, ready, by_hand, since=first, until=last, live=live))
    except ValueError as error:
        end(f"{counts}: {error}")
    tried = Tried(told, layouts, bounds, found, first, last)
    if as_json:
        typer.echo("\n".join(written(document(tried))))
    else:
        show(tried)


def _moment(text: str, option: str, otherwise: float) -> float:
    try:
        return parse_rfc3339(text) if text else float(otherwise)
    except ValueError as error:
        end(f"--{option}: {error}")
