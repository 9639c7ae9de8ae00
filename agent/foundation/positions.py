"""Where each key of a TOML document stands, which tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
    r"|(?P<skip>#[^\n]*|[ \t\r]+)|[\[\]{}=,.\n]|[^\s\[\]{}=,.#]+",
    re.DOTALL,
)
_END = frozenset({"\n", ",", "]", "}", ""})


def lines_of(text: str) -> dict[Place, int]:
    """The line (from 1) of every key, table and array element of a document that tomllib has read without error."""
    return _Walk(text).lines


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match["skip"] is None:
            yield match[0], line
        line += match[0].count("\n")
    yield "", line


class _Walk:
    """One pass over the tokens; `arrays` holds the last index of each array of tables met so far."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._arrays: dict[Place, int] = {}
        self._rest = _tokens(text)
        self._word, self._line = next(self._rest)
        table: Place = ()
        while self._word:
            if self._word == "[":
                table = self._header()
            elif self._word == "\n":
                self._step()
            else:
                self._pair(table)

    def _step(self) -> None:
        self._word, self._line = next(self._rest, ("", self._line))

    def _key(self) -> list[str]:
        """The parts of a dotted key, up to the token that ends it."""
        parts: list[str] = []
        while self._word not in _END and self._word != "=":
            if self._word != ".":
                parts.append(_bare(self._word))
            self._step()
        return parts

    def _header(self) -> Place:
        line = self._line
        self._step()
        of_array = self._word == "["
        if of_array:
            self._step()
        parts = self._key()
        while self._word not in ("\n", ""):
            self._step()
        path: Place = ()
        for part in parts[:-1]:
            path = self._last((*path, part))
            self.lines.setdefault(path, line)
        path = (*path, parts[-1])
        self.lines.setdefault(path, line)
        if of_array:
            self._arrays[path] = self._arrays.get(path, -1) + 1
            path = self._last(path)
        self.lines[path] = line
        return path

    def _last(self, path: Place) -> Place:
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _pair(self, table: Place) -> None:
        path, line = table, self._line
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._step()  # the equals sign
        self._value(path)

    def _value(self, path: Place) -> None:
        if self._word == "[":
            self._array(path)
        elif self._word == "{":
            self._inline(path)
        else:
            while self._word not in _END:
                self._step()

    def _array(self, path: Place) -> None:
        self._step()
        index = 0
        while self._word not in ("]", "}", ""):
            if self._word in ("\n", ","):
                self._step()
                continue
            self.lines[(*path, index)] = self._line
            self._value((*path, index))
            index += 1
        self._step()

    def _inline(self, path: Place) -> None:
        self._step()
        while self._word not in ("}", ""):
            if self._word in ("\n", ","):
                self._step()
            else:
                self._pair(path)
        self._step()


def _bare(token: str) -> str:
    if token[0] not in "\"'":
        return token
    text: str = tomllib.loads(f"key = {token}")["key"]
    return text
