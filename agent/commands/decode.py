"""`footfall-agent decode`: a recorded camera answer read offline."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from agent.commands.spoken import end, made
from agent.contract.times import parse_rfc3339
from agent.drivers.base import Garbled, Kind
from agent.drivers.reading.decoded import observations

MAX_ANSWER = 4 * 1024 * 1024  # bytes of a recorded answer, the same cap a camera has


def decode(
    driver: str,
    file: Annotated[Path, typer.Argument(help="the body as received; - for standard input")],
    kind: Annotated[Kind | None, typer.Option(help="what the answer is about; recognised where it is left out")] = None,
    zone: Annotated[str, typer.Option(help="IANA time zone of the device's clock, such as Europe/Lisbon")] = "",
    now: Annotated[str, typer.Option(help="when it was recorded, RFC 3339; else now")] = "",
) -> None:
    """Read a recorded camera answer offline and print its observations as a JSON array."""
    body = _body(file)
    zone_info = made(lambda: ZoneInfo(zone) if zone else None, "zone")
    moment = made(lambda: parse_rfc3339(now) if now else time.time(), "now")
    try:
        rows, problems = observations(driver, body, kind, zone_info, moment)
    except (Garbled, ValueError) as error:
        end(f"{file}: {error}")
    typer.echo(json.dumps(rows, indent=1))
    for problem in problems:
        typer.echo(f"{file}: {problem}", err=True)
    raise typer.Exit(1 if problems else 0)


def _body(file: Path) -> bytes:
    try:
        source = sys.stdin.buffer if str(file) == "-" else file.open("rb")
        with source:
            body = source.read(MAX_ANSWER + 1)
    except OSError as error:
        end(f"{file}: {error.strerror}")
    if len(body) > MAX_ANSWER:
        end(f"{file}: more than 4 MiB; no camera answers that much")
    return body
