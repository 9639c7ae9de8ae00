"""What a body is as text, and the settings many cameras answer with: `var name='value';` or `name=value`."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

_STATEMENT = re.compile(r"[^;\n]+")
_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
MAX_STATEMENTS = 10_000


class Pair(NamedTuple):
    """One setting; `line` and `column` (both from 1) say where its statement begins."""

    name: str
    value: str
    line: int
    column: int


def text_of(body: bytes | bytearray) -> str:
    """A body's text without byte-order mark, lines ended by LF alone; what is not UTF-8 is read as Latin-1."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_page(body: bytes | bytearray) -> bool:
    """Whether this is a web page: what a camera shows a browser, often with status 200, instead of data."""
    return body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE)


def pairs(text: str) -> list[Pair]:
    """The settings among the first `MAX_STATEMENTS` statements, in order; what is no setting is left out."""
    found: list[Pair] = []
    line, newline, searched = 1, -1, 0
    for statement in islice(_STATEMENT.finditer(text), MAX_STATEMENTS):
        line += text.count("\n", searched, statement.start())
        newline = max(newline, text.rfind("\n", searched, statement.start()))
        searched = statement.start()
        name, equals, value = statement[0].strip().removeprefix("var ").partition("=")
        if equals and name.strip():
            found.append(Pair(name.strip(), value.strip().strip("'\""), line, statement.start() - newline))
    return found
