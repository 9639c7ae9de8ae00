"""The first page of a file, without which nothing of it can be read, lent from a new file while one is salvaged.

What stands on it, where each table begins, is the same in every file that the same migrations made. One that an older
version made may differ: then its rows do not bear their seals, and nothing is believed of it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from agent.buffer.seals import teach
from agent.foundation.sqlite import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 4096  # bytes; SQLite's own choice, which nobody changed


def first_page(migrations: Path) -> bytes:
    """The first page of a file that these migrations made."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        teach(made)
        migrate(made, migrations)
        page = bytearray(made.serialize()[:PAGE])
    page[18:20] = b"\2\2"  # its journal is a WAL
    page[24:28], page[92:96] = bytes(4), b"\0\0\0\1"  # unequal: SQLite then takes the file's length for its size
    return bytes(page)


@contextmanager
def lent(path: Path, page: bytes) -> Iterator[None]:
    """The file with this first page, for so long; then with its own again, for whoever looks into what happened."""
    own = _exchange(path, page)
    try:
        yield
    finally:
        _exchange(path, own)


def _exchange(path: Path, page: bytes) -> bytes:
    with path.open("r+b") as file:
        before = file.read(PAGE)
        file.seek(0)
        file.write(page)
    return before
