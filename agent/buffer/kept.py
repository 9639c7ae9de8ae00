"""Small things kept by name, each sealed: identity, what became of numbers, the stages' cursors and states."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from agent.buffer.seals import is_whole, seal_of

SET = "INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value, seal = excluded.seal"
GET = "SELECT name, value, seal FROM kept WHERE name = ?"
CURSORS = "SELECT value FROM kept WHERE name >= 'cursor:' AND name < 'cursor;'"
EVERYTHING = "SELECT name, value, seal FROM kept"


def put(connection: sqlite3.Connection, name: str, value: object) -> None:
    """Keep a value as JSON under a name."""
    text = json.dumps(value, separators=(",", ":"))
    connection.execute(SET, (name, text, seal_of(name, text)))


def get(connection: sqlite3.Connection, name: str) -> Any:  # noqa: ANN401 - JSON that only its owner understands
    """What is kept under a name, None where nothing is.

    Raises:
        sqlite3.DatabaseError: it is not what was written; the next opening mends that.
    """
    row = connection.execute(GET, (name,)).fetchone()
    if row is None:
        return None
    if not is_whole(row):
        raise sqlite3.DatabaseError(f"what is kept as {name} is damaged")
    return json.loads(row[1])


def drop(connection: sqlite3.Connection, name: str) -> None:
    """Keep nothing under a name any more."""
    connection.execute("DELETE FROM kept WHERE name = ?", (name,))


def cursors(connection: sqlite3.Connection) -> list[int]:
    """How far each stage has read."""
    return [json.loads(value) for (value,) in connection.execute(CURSORS)]


def all_whole(connection: sqlite3.Connection) -> bool:
    """Whether everything that is kept is what was written."""
    return all(is_whole(row) for row in connection.execute(EVERYTHING))
