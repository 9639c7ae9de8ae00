"""Files with secrets in them: written whole or not at all, for one user alone, who may be another than the writer."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SECRET, PUBLIC = 0o600, 0o644
FOLDER = 0o700


def own_folder(folder: Path) -> None:
    """A folder that only its owner may enter. What root makes in a unit's folder belongs to the unit's user."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    folder.mkdir(mode=FOLDER)
    _give(folder)


def write_file(path: Path, text: str, mode: int = SECRET) -> None:
    """The whole file or the old one, also after a power cut; it belongs to whom its folder belongs."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _give(part)
        part.chmod(mode)
        part.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Make names that were just changed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid)
