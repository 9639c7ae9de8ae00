"""A camera as the options of a command describe it, which are said once for all commands that have them."""

from __future__ import annotations

from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from agent.commands.spoken import CONFIG, ConfigOption, end
from agent.foundation.toml import ConfigurationError, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable


class Described(NamedTuple):
    """The options."""

    driver: Annotated[str, typer.Option(help="brand; found out where it is left out")] = ""
    username: Annotated[str, typer.Option(help="an account that may read and do nothing more")] = ""
    password_file: Annotated[Path | None, typer.Option(help="holds nothing but the password; asked for without it")] = (
        None
    )
    zone: Annotated[
        str, typer.Option(help="IANA time zone of the camera's clock; else the store's, or this machine's")
    ] = ""
    option: Annotated[list[str] | None, typer.Option(help="the brand's own, as NAME=VALUE")] = None
    config: ConfigOption = CONFIG


def describing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options, which it takes as the one parameter `described`."""
    hints = get_type_hints(Described, include_extras=True)
    own = [one for one in signature(command, eval_str=True).parameters.values() if one.name != "described"]
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in Described._field_defaults.items()
    ]

    @wraps(command)
    def called(**given: Any) -> None:  # noqa: ANN401 - whatever the options are
        described = Described(**{name: given.pop(name) for name in Described._fields})
        command(**given, described=described)

    called.__signature__ = Signature([*own, *more])  # type: ignore[attr-defined]  # what Typer reads the options from
    called.__annotations__ = {}
    return called


class Wanted(NamedTuple):
    """A camera as the command line or the configuration names it; `driver` is empty where it is to be found out."""

    name: str
    address: str
    driver: str
    zone: ZoneInfo
    username: str
    password: str
    options: dict[str, Any]


def wanted(name: str, address: str, described: Described, zone: str = "") -> Wanted:
    """The camera at an address; `zone` is the store's, for one of which no other was said."""
    driver, username, password_file, own_zone, option, _ = described
    if "//" in address:
        parts = urlsplit(address)
        if parts.username or parts.password:
            end("the address: no user name and password in it; --username NAME, and the password is asked for")
        address = parts.netloc
    try:
        password = read_secret(Path("agent.toml"), str(password_file.absolute())) if password_file else ""
        zone_info = ZoneInfo(own_zone or zone) if own_zone or zone else _own_zone()
    except ConfigurationError as error:
        end(str(error))
    except (ZoneInfoNotFoundError, ValueError):
        end(f"--zone: {own_zone or zone!r} is no IANA time zone; write one such as Europe/Lisbon")
    if username and not password_file:
        password = typer.prompt("Password", hide_input=True)
    pairs = [text.partition("=") for text in option or ()]
    options: dict[str, Any] = {key: int(value) if value.isdecimal() else value for key, _, value in pairs}
    return Wanted(name, address, driver, zone_info, username, password, options)


def _own_zone() -> ZoneInfo:
    """This machine's zone, by the name that Debian keeps."""
    try:
        return ZoneInfo(Path("/etc/timezone").read_text(encoding="ascii").strip())
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return ZoneInfo("UTC")
