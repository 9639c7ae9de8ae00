"""The certificates of headquarters' own machines: made when missing, renewed from a third of their life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.foundation.files import PUBLIC, SECRET, write_file
from cloud_receiver.devices.authority import due, key_pem, names_of, new_key, requested_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from cloud_receiver.devices.authority import Authority, Signed


def certify_server(authority: Authority, folder: Path, file: str, names: Sequence[str], now: float) -> bool:
    """FILE.crt and FILE.key for a server of these names; whether they were made just now."""
    return _certify(
        authority, folder / file, names, now, lambda key: authority.sign_server(key.public_key(), names, now)
    )


def certify_client(authority: Authority, folder: Path, file: str, name: str, now: float) -> bool:
    """FILE.crt and FILE.key for who is called so at the broker."""
    return _certify(
        authority, folder / file, (name,), now, lambda key: authority.sign_device(name, requested_by(key), now)
    )


def _certify(
    authority: Authority,
    stem: Path,
    names: Sequence[str],
    now: float,
    sign: Callable[[ec.EllipticCurvePrivateKey], Signed],
) -> bool:
    cert, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
    try:
        text = cert.read_text(encoding="ascii")
        if key.exists() and not due(text, now) and names_of(text) == list(names) and authority.made(text):
            return False
    except (OSError, ValueError):
        pass  # made anew below
    fresh = new_key()
    write_file(key, key_pem(fresh), SECRET)
    write_file(cert, sign(fresh).pem, PUBLIC)
    return True
