"""Taking hold of parts of JSON that may be missing, or be something else than they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, object]
MAX_DEPTH = 8


def table(found: object, *names: str) -> Object:
    """The object below these names, one in another; empty where there is none."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def items(found: object, *names: str) -> list[Object]:
    """The objects of the list at the last of these names; a single object stands for a list of one."""
    inner = table(found, *names[:-1]).get(names[-1]) if names else found
    listed = inner if isinstance(inner, list) else [inner]
    return [item for item in listed if isinstance(item, dict)]


def word(found: Object, *names: str) -> str:
    """The first of these that is there, as text without blanks around it."""
    return next((str(found[name]).strip() for name in names if found.get(name) is not None), "")


def everywhere(found: object, name: str, depth: int = MAX_DEPTH) -> Iterator[object]:
    """What stands under this name, wherever it stands, not deeper than any message goes."""
    if depth == 0:
        return
    if isinstance(found, dict):
        if name in found:
            yield found[name]
        for part in found.values():
            yield from everywhere(part, name, depth - 1)
    elif isinstance(found, list):
        for part in found:
            yield from everywhere(part, name, depth - 1)
