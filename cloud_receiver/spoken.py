"""What the receiver's commands share: the configuration, errors in words, tables and JSON."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from agent.contract.times import rfc3339
from agent.foundation.logs import configure
from agent.foundation.toml import ConfigurationError
from cloud_receiver.database.migrate import NewerSchema
from cloud_receiver.database.pool import DatabaseAway
from cloud_receiver.database.server import ServerError
from cloud_receiver.devices.registry import NotAllowed
from cloud_receiver.ingest.asking import BrokerAway
from cloud_receiver.settings import Configuration, read_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WRONG_CONFIGURATION = 78  # EX_CONFIG, and what trying again cannot mend either: systemd does not loop on it
FAILED = 1
MOMENTS = ("start", "end", "found", "decided", "received", "since", "last", "born", "revoked", "tried")  # UTC seconds

Config = Annotated[Path, typer.Option("--config", help="The configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
DEFAULT = Path("/etc/footfall/receiver.toml")


@contextmanager
def told() -> Iterator[None]:
    """Errors that a person can mend are said in words, without a trace back."""
    try:
        yield
    except ConfigurationError as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(WRONG_CONFIGURATION) from None
    except NewerSchema as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(WRONG_CONFIGURATION) from None
    except (NotAllowed, ServerError, BrokerAway, DatabaseAway) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(FAILED) from None


def read(config: Path) -> Configuration:
    """The configuration; of the log only errors are shown, since a program may read a command's output."""
    configure("error")
    return read_configuration(config)


def show(entries: Sequence[NamedTuple], columns: Sequence[str], *, as_json: bool) -> None:
    """Entries as JSON, or as a table with a header also where there are none."""
    if as_json:
        typer.echo(json.dumps([entry._asdict() for entry in entries], default=str))
        return
    table = Table(*columns)
    for entry in entries:
        said = entry._asdict()
        table.add_row(*(_cell(name, said[name]) for name in columns))
    Console().print(table)


def _cell(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a column holds
    if value is None:
        return ""
    if name in MOMENTS:
        return rfc3339(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
