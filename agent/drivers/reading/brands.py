"""Which brands there are: the files of `agent.drivers`, and what others install under `footfall.drivers`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

import agent.drivers

if TYPE_CHECKING:
    from agent.drivers.base import Brand

_GROUP = "footfall.drivers"


def brands() -> list[str]:
    """The names that `brand` knows, in alphabetical order."""
    return sorted({*_files(), *entry_points(group=_GROUP).names})


def brand(name: str) -> Brand:
    """The module of a brand; our own file goes before an entry point of the same name.

    Raises:
        ValueError: there is no such brand; the text lists those there are.
    """
    if name in _files():
        return cast("Brand", import_module(f"agent.drivers.{name}"))
    for entry in entry_points(group=_GROUP, name=name):
        return cast("Brand", entry.load())
    raise ValueError(f"there is no driver {name!r}; there are: {', '.join(brands())}")


def _files() -> set[str]:
    return {found.name for found in pkgutil.iter_modules(agent.drivers.__path__) if not found.ispkg} - {"base"}
