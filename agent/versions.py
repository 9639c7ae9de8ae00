"""The versions of a store's layout: a file, several tables in one, or a folder with one file each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.contract.layout import Layout
from agent.foundation.toml import ConfigurationError, load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST = 1000  # versions of a store; one a week for nineteen years
_TABLES = re.compile(r"^\s*\[\[\s*layout\s*\]\]", re.MULTILINE)


class Versions(BaseModel):
    """A file with several versions, each a `[[layout]]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Annotated[tuple[Layout, ...], Field(min_length=1, max_length=MOST)]


def versions(place: Path) -> tuple[Layout, ...]:
    """The versions of a store's layout, the earliest first: those of a file, or of all `*.toml` files of a folder.

    A correction is a version with an earlier `effective_from`; the days it touches are worked out again.

    Raises:
        ConfigurationError: a file is wrong, there is none, or two versions have one name or begin on one day.
    """
    files = sorted(place.glob("*.toml"))[: MOST + 1] if place.is_dir() else [place]
    if not files:
        raise ConfigurationError(f"{place}: there is no layout in this folder — put one there, such as 2026-03-02.toml")
    if len(files) > MOST:
        raise ConfigurationError(f"{place}: more than {MOST} layouts — move those that no number needs any more")
    found = [(file, layout) for file in files for layout in _layouts(file)]
    _refuse_twins(found)
    return tuple(sorted((layout for _, layout in found), key=lambda layout: layout.effective))


def _layouts(file: Path) -> tuple[Layout, ...]:
    try:
        several = _TABLES.search(file.read_text(encoding="utf-8-sig", errors="replace"))
    except OSError:  # load tells it in words
        several = None
    return load(file, Versions).layout if several else (load(file, Layout),)


def _refuse_twins(found: Iterable[tuple[Path, Layout]]) -> None:
    seen: dict[str, Path] = {}
    for file, layout in found:
        for key, value in (("version", layout.version), ("effective_from", layout.effective_from.isoformat())):
            if before := seen.get(f"{key} {value}"):
                raise ConfigurationError(
                    f"{file}: {key}: {value} is also that of a version in {before.name} — one of the two counts: give"
                    " the other another, or take it away"
                )
            seen[f"{key} {value}"] = file
