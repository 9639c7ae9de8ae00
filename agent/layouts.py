"""Layouts and rules as files: their versions, the library beside the code, and what a layout measures in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.alerts.binding import Bound, bound
from agent.alerts.rules import Rules
from agent.contract import library
from agent.contract.contradictions import Contradictions
from agent.contract.layout import Layout
from agent.contract.measurable import explained
from agent.foundation.positions import lines_of
from agent.foundation.toml import ConfigurationError, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


def read_rules(file: Path, layout: Layout) -> Bound:
    """The rules of a file made ready for a store.

    Raises:
        ConfigurationError: all that is wrong, with file, line and key.
    """
    try:
        return bound(load(file, Rules), layout)
    except Contradictions as error:
        raise ConfigurationError("\n".join(_located(file, error))) from None


def _located(file: Path, error: Contradictions) -> Iterator[str]:
    lines = lines_of(file.read_text(encoding="utf-8-sig"))
    for key, text in error.located:
        at = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), 1)
        yield f"{file}:{at}: {'.'.join(map(str, key))}: {text}"


def read_library() -> library.Library:
    """The library that comes with the code."""
    folder = Path(library.__file__).parent
    parts = [load(folder / name, library.Library) for name in library.FILES]
    return library.Library(
        region=tuple(entry for part in parts for entry in part.region),
        store=tuple(entry for part in parts for entry in part.store),
    )


def explanation(layout: Layout, rules: Bound | None = None) -> str:
    """What will and what cannot be measured, which alerts this store has, and what to look at first."""
    told = [explained(layout)]
    known = read_library()
    if rules is not None:
        told += ["", "Alerts", *(f"  {w.rule.name} at {w.title}" for w in rules.watches)]
        told += [f"  not {r.rule}{f' at {r.scope}' if r.scope else ''}: {r.reason}" for r in rules.refused]
    entry = known.store_entry(layout.store_type) if layout.store_type else None
    if entry is not None:
        told += ["", f"What to look at first in a {entry.type} store", f"  {entry.advice}"]
        have = {region.type for sensor in layout.sensor for region in sensor.region}
        if lacking := [kind for kind in entry.regions if kind not in have and kind != "entrance"]:
            told.append(f"  Such stores usually also have regions for {', '.join(lacking)}; this layout has none.")
    return "\n".join(told)
