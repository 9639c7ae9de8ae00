"""Where key and certificates are on the device: each generation in a folder of its own, one link says which is used.

Key and certificate are two files and must change as one; the link is replaced in one step, and whoever connects
afterwards reads the new pair.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.contract.caps import WireError
from agent.contract.enrolment import Identity, Issued
from agent.contract.messages import read_message
from agent.foundation.dial import TlsSettings
from agent.foundation.files import own_folder, sync_folder, write_file

if TYPE_CHECKING:
    from pathlib import Path

CURRENT, NEXT = "current", "next"  # `next` waits for the broker to accept it
_CA, _CERT, _KEY, _ABOUT = "ca.crt", "device.crt", "device.key", "identity.json"


def tls_of(folder: Path, which: str = CURRENT) -> TlsSettings | None:
    """What the link needs; None where the device is not enrolled."""
    used = folder / which
    if not (used / _ABOUT).is_file():
        return None
    return TlsSettings(used / _CA, used / _CERT, used / _KEY)


def read_identity(folder: Path, which: str = CURRENT) -> Identity | None:
    """Who headquarters says we are, and for how long."""
    try:
        return read_message(Identity, (folder / which / _ABOUT).read_bytes())
    except (OSError, WireError):
        return None


def read_pair(folder: Path) -> tuple[str, str]:
    """Certificate and key in use.

    Raises:
        OSError: they cannot be read.
    """
    used = folder / CURRENT
    return (used / _CERT).read_text(encoding="ascii"), (used / _KEY).read_text(encoding="ascii")


def authority(folder: Path) -> Path:
    """The file of headquarters' authority."""
    return folder / CURRENT / _CA


def lay_beside(folder: Path, issued: Issued, key: str, url: str) -> TlsSettings:
    """Put a new generation beside the one in use, as `next`."""
    own_folder(folder)
    made = folder / secrets.token_hex(4)
    own_folder(made)
    about = Identity(device=issued.device, url=url, begins=issued.begins, ends=issued.ends)
    write_file(made / _KEY, key)
    write_file(made / _CERT, issued.certificate)
    write_file(made / _CA, issued.authority)
    write_file(made / _ABOUT, about.payload().decode())
    _point(folder, NEXT, made.name)
    return TlsSettings(made / _CA, made / _CERT, made / _KEY)


def adopt(folder: Path) -> None:
    """Use `next` from now on, and drop what was used before."""
    _point(folder, CURRENT, (folder / NEXT).readlink().name)
    drop_next(folder)


def drop_next(folder: Path) -> None:
    """Forget what waits, and every generation that nothing points to."""
    with suppress(FileNotFoundError):
        (folder / NEXT).unlink()
    used = (folder / CURRENT).readlink().name if (folder / CURRENT).is_symlink() else ""
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink() and one.name != used:
            shutil.rmtree(one, ignore_errors=True)


def _point(folder: Path, name: str, target: str) -> None:
    link = folder / f".{name}.new"
    with suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(target)
    link.replace(folder / name)
    sync_folder(folder)
