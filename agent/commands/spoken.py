"""What the agent's commands share: the configuration they are given, and errors in words with their exit status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar
from zoneinfo import ZoneInfoNotFoundError

import typer

from agent.foundation.toml import ConfigurationError
from agent.settings import WRONG_CONFIGURATION, Configuration, read_configuration

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

CONFIG = Path("/etc/footfall/agent.toml")

ConfigOption = Annotated[Path, typer.Option(help="agent.toml")]
JsonOption = Annotated[bool, typer.Option("--json", help="as JSON")]


def configuration(config: Path, *, with_files: bool = False) -> Configuration:
    """The checked configuration; what is wrong with it ends the command with status 78."""
    try:
        return read_configuration(config, with_files=with_files)
    except ConfigurationError as error:
        end(str(error), WRONG_CONFIGURATION)


def end(text: str, code: int = 2) -> NoReturn:
    """Say why a command cannot go on, and leave with this status."""
    typer.echo(text, err=True)
    raise typer.Exit(code)


def made(make: Callable[[], Value], option: str) -> Value:
    """What is made of an option; where that cannot be, the command ends with the reason."""
    try:
        return make()
    except (ValueError, ZoneInfoNotFoundError, ConfigurationError) as error:
        end(f"--{option}: {error}" if option else str(error))
