"""Ballast: disk space held so that it can be given back when the disk is full, for deleting needs room too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 512 * 1024  # dropping a slice of rows takes about 150 kB of WAL; measured on a disk of 4 MB


class Ballast:
    """One file of real blocks beside the buffer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fill(self) -> bool:
        """Hold the space; False where the disk has none to give."""
        try:
            if self._path.exists() and self._path.stat().st_size == SIZE:
                return True
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, SIZE)
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> bool:
        """Give the space back to the disk; False where there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def ballast_of(database: Path) -> Ballast:
    """The ballast beside a database."""
    return Ballast(database.with_name(database.name + ".ballast"))
