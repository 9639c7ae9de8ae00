"""Layouts and rules as files, the library beside the code, and what a layout measures in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.alerts.binding import Bound, bound
from agent.alerts.rules import Rules
from agent.contract import library
from agent.contract.contradictions import Contradictions
from agent.contract.measurable import explained
from agent.foundation.positions import lines_of
from agent.foundation.toml import ConfigurationError, load
from agent.versions import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.contract.layout import Layout

__all__ = ["explanation", "read_library", "read_rules", "versions"]


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
