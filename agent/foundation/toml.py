"""TOML files read into a pydantic model; what is wrong is told by file, line and key, with what to write instead.

agent.toml:11: sensor.1.adress: unknown key — did you mean "address"?
   11 | adress = "192.0.2.11"
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import typing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from agent.foundation.positions import lines_of
from agent.foundation.secrets import REDACTED, names_secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1024 * 1024  # a store with 100 sensors needs 30 kB
MAX_SECRET = 4096  # bytes of a file that holds a password
MAX_ERRORS = 50  # nobody mends more in one go

_WORDS = {"extra_forbidden": "unknown key", "missing": "this key is required and is not there"}
_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_CURLY_QUOTES = re.compile("[\u2018\u2019\u201c\u201d\u201e]")


class ConfigurationError(Exception):
    """A configuration file is wrong; the text is ready to be printed and has a line or two for each error."""


def load(path: Path, model: type[M]) -> M:
    """The model that a file describes.

    Raises:
        ConfigurationError: all that is wrong with the file.
    """
    text = _text(path)
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise ConfigurationError(f"{path}: nested too deeply to be a configuration") from None
    except ValueError as error:  # TOMLDecodeError, and a bare ValueError for numbers beyond 4,300 digits
        raise ConfigurationError(_syntax(path, text, str(error))) from None
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise ConfigurationError(_problems(path, text, model, error.errors(include_url=False))) from None


def named_file(configuration: Path, name: str) -> Path:
    """A file named in a configuration: one of systemd's credentials, else beside the configuration."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (path := Path(credentials, name)).is_file():
        return path
    return configuration.absolute().parent / name


def read_secret(configuration: Path, name: str) -> str:
    """The first line of a file named in a configuration.

    Raises:
        ConfigurationError: the file is not there or not readable.
    """
    path = named_file(configuration, name)
    try:
        with path.open("rb") as file:
            return file.readline(MAX_SECRET).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{configuration}: {path}, which it names, cannot be read: {why}") from None


# ---- the file


def _text(path: Path) -> str:
    """The file's text; a byte order mark and Windows line ends are accepted."""
    raw = _raw(path)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigurationError(f"{path}:1: the file is UTF-16 — save it as UTF-8")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        what = f"byte 0x{raw[error.start]:02x} at column {column} is not UTF-8 — save the file as UTF-8"
        raise ConfigurationError(f"{path}:{line}: {what}") from None


def _raw(path: Path) -> bytes:
    try:
        if not path.is_file():
            what = "this is no ordinary file" if path.exists() else "there is no such file"
            raise ConfigurationError(f"{path}: {what} — name one with --config; a commented sample is in config/")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except PermissionError:
        remedy = "let the user that runs this read the file and enter its folder (chgrp, chmod g+r)"
        raise ConfigurationError(f"{path}: reading is not permitted — {remedy}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(f"{path}: larger than {MAX_BYTES // 1024} KiB, so this is no configuration")
    return raw


def _syntax(path: Path, text: str, message: str) -> str:
    lines = text.splitlines()
    at = _AT_LINE.search(message)
    number = int(at[1]) if at and at[1] else max(1, len(lines))
    line = lines[number - 1] if number <= len(lines) else ""
    what = message[: at.start()] if at else message
    return f"{path}:{number}: {what[:1].lower()}{what[1:]}{_syntax_remedy(line)}{_quoted(lines, number)}"


def _syntax_remedy(line: str) -> str:
    if _CURLY_QUOTES.search(line):
        return ' — these are typographic quotes; write plain ones: "text"'
    if re.match(r"\s*[\w-]+\s*:", line):
        return " — TOML writes key = value, not key: value"
    if re.match(r"\s*[\w-]+\s*=\s*[^\s\"'\d\[{+-]", line):
        return ' — a text needs quotes: key = "text"'
    return ""


def _quoted(lines: Sequence[str], number: int) -> str:
    """The source line below its error, without the value where the key names a secret."""
    if not 1 <= number <= len(lines) or not lines[number - 1].strip():
        return ""
    line = lines[number - 1].rstrip()[:200]
    key, equals, _ = line.partition("=")
    shown = f"{key}= {REDACTED}" if equals and names_secret(key.strip()) else without_secrets(line)
    return f"\n{number:5} | {''.join(c if c.isprintable() else ' ' for c in shown)}"


# ---- what pydantic found


def _problems(path: Path, text: str, model: type[BaseModel], errors: Sequence[ErrorDetails]) -> str:
    positions = lines_of(text)
    lines = text.splitlines()
    told = []
    errors = [part for error in errors for part in _located(error)]
    # A table with an error in it is not counted, so pydantic also finds its array too short.
    errors = [e for e in errors if e["type"] != "too_short" or not any(_is_within(o["loc"], e["loc"]) for o in errors)]
    for error in errors[:MAX_ERRORS]:
        place = _place(error, positions)
        number = next((positions[place[:n]] for n in range(len(place), 0, -1) if place[:n] in positions), 1)
        key = ".".join(str(part) for part in place)
        what = f"{path}:{number}: {key + ': ' if key else ''}{_message(error)}{_suggestion(error, place, model)}"
        told.append((number, what + (_quoted(lines, number) if place else "")))
    more = [] if len(errors) <= MAX_ERRORS else [f"{path}: and {len(errors) - MAX_ERRORS} more"]
    return "\n".join([*(what for _, what in sorted(told, key=lambda pair: pair[0])), *more])


def _located(error: ErrorDetails) -> list[ErrorDetails]:
    """An error of a whole table as one for each key that it names in `located`: pairs of a key below it and a text."""
    pairs = getattr(error.get("ctx", {}).get("error"), "located", ())
    return [{**error, "loc": (*error["loc"], *key), "msg": text, "input": None} for key, text in pairs] or [error]


def _is_within(inner: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _place(error: ErrorDetails, positions: Mapping[tuple[str | int, ...], int]) -> tuple[str | int, ...]:
    """The error's key as the file has it: pydantic also names the branches of unions and validators in between."""
    place: tuple[str | int, ...] = ()
    for part in error["loc"]:
        if (*place, part) in positions:
            place = (*place, part)
    return (*place, error["loc"][-1]) if error["type"] == "missing" else place


def _message(error: ErrorDetails) -> str:
    text = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _WORDS.get(error["type"], without_secrets(text))


def _suggestion(error: ErrorDetails, place: tuple[str | int, ...], model: type[BaseModel]) -> str:
    known: list[str] = []
    if error["type"] == "extra_forbidden":
        known = [name for found in _models_at(model, place[:-1]) for name in _keys(found)]
    elif error["type"] in ("literal_error", "enum"):
        known = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    written = str(place[-1] if error["type"] == "extra_forbidden" and place else error["input"])
    close = difflib.get_close_matches(written.lower(), known, n=1, cutoff=0.6)
    if close:
        return f' — did you mean "{close[0]}"?'
    return f" — known here: {', '.join(known)}" if error["type"] == "extra_forbidden" and known else ""


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_at(model: type[BaseModel], place: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at a place."""
    here = [model]
    for part in place:
        if isinstance(part, str):
            fields = [f for m in here for name, f in m.model_fields.items() if part in (f.alias, name)]
            # A part that is no field is the key of a dict, whose models are those already found.
            here = [found for field in fields for found in _models_in(field.annotation)] or here
    return here


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)
