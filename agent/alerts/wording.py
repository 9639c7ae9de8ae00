"""Alerts in people's words: what is wrong, where, and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.alerts.durations import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.alerts.binding import Watch
    from agent.alerts.state import Life

LONGEST = 500  # characters, the wire's cap


def worded(watch: Watch, life: Life, values: Mapping[str, float | None], remark: str) -> str:
    """One line for people."""
    if watch.rule.text:
        known = {name: value for name, value in values.items() if value is not None}
        said = _filled(watch.rule.text, {**known, "place": watch.title, "value": life.value})
    else:
        said = f"{watch.rule.name.replace('-', ' ').capitalize()} at {watch.title}"
    parts = [said, *([life.why] if life.why else []), *([remark] if remark else [])]
    return "; ".join(parts)[:LONGEST]


def _filled(text: str, known: Mapping[str, object]) -> str:
    try:
        return text.format_map(_Shown(known))
    except (ValueError, TypeError):  # a format that does not suit the value: better without than not at all
        return text


class _Shown(dict[str, object]):
    """What is not known just now is shown as a question mark, in any format."""

    def __missing__(self, key: str) -> object:
        return _Unknown()

    def __getitem__(self, key: str) -> object:
        value = super().__getitem__(key)
        if value is None:
            return _Unknown()
        return _Seconds(value) if key.endswith(("_seconds", "_time")) and isinstance(value, float) else value


class _Unknown:
    def __format__(self, _: str) -> str:
        return "?"


class _Seconds(float):
    """A duration: without a format of its own it is shown in words."""

    def __format__(self, spec: str) -> str:
        return float.__format__(self, spec) if spec else words(self)
