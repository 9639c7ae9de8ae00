"""What a scan finds: devices, and by what each was noticed; what different ways say of one address is put together."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Found:
    """One device at one address, which may be a network's translation of several.

    `told_by` are the ways it was noticed: ws-discovery, mdns, mac, http. Empty texts are what nobody said. `ports` are
    those that answer HTTP. `asks_login` is a device that tells nothing without a password.
    """

    host: str
    brand: str = ""
    model: str = ""
    serial: str = ""
    name: str = ""
    mac: str = ""
    ports: set[int] = field(default_factory=set)
    told_by: set[str] = field(default_factory=set)
    asks_login: bool = False

    @property
    def address(self) -> str:
        """As a sensor's `address` is written: host, or host:port where HTTP is elsewhere than on 80."""
        port = min(self.ports, default=80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if port == 80 else f"{host}:{port}"  # noqa: PLR2004 - HTTP's own


def together(pieces: Iterable[Found]) -> list[Found]:
    """One entry for each address, in their order; what was said first stays."""
    entries: dict[str, Found] = {}
    for piece in pieces:
        known = entries.setdefault(piece.host, Found(piece.host))
        for name in ("brand", "model", "serial", "name", "mac"):
            setattr(known, name, getattr(known, name) or getattr(piece, name))
        known.ports |= piece.ports
        known.told_by |= piece.told_by
        known.asks_login |= piece.asks_login
    return sorted(entries.values(), key=lambda found: _order(found.host))


def _order(host: str) -> tuple[int, int]:
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.version, int(address)
