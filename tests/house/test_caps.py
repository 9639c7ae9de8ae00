"""Files and functions stay small enough to be read, and names say something."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HOUSE = Path(__file__).parents[2]
FILES = sorted(
    [HOUSE / "run.py", *(p for top in ("agent", "cloud_receiver", "tests") for p in (HOUSE / top).rglob("*.py"))]
)
MOST_LINES = 400
LONGEST_FUNCTION = 60

SAY_NOTHING = {"manager", "helper", "handler", "service", "util", "utils", "processor"}
NO_FILE = {"utils", "util", "common", "helpers", "helper", "misc", "_utils", "_common"}
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def shown(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def definitions(path: Path) -> list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def test_files_stay_below_the_cap():
    """A file near 400 lines wants a better cut."""
    lines = {shown(path): len(path.read_text().splitlines()) for path in FILES}

    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def test_functions_stay_below_the_cap():
    """A function longer than 60 lines is more than one."""
    lengths = {
        f"{shown(path)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in FILES
        for node in definitions(path)
        if not isinstance(node, ast.ClassDef)
    }

    assert {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION} == {}


def test_names_say_something():
    """No class or function is called by a word that fits everything."""
    empty = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path in FILES
        for node in definitions(path)
        if {word.lower() for word in WORDS.findall(node.name)} & SAY_NOTHING
    ]

    assert empty == []


def test_no_file_is_a_drawer():
    """A file whose name says nothing collects everything."""
    assert [shown(path) for path in FILES if {path.stem, *path.relative_to(HOUSE).parts} & NO_FILE] == []
