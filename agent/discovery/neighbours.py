"""The network's neighbours, as the kernel knows them: which hardware address answered for which IPv4 address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.discovery.found import Found
from agent.discovery.makers import brand_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ARP = Path("/proc/net/arp")
MAX_BYTES = 1024 * 1024
_NOBODY = "00:00:00:00:00:00"


def neighbours(interfaces: Collection[str], table: Path = ARP) -> Iterator[Found]:
    """Everybody who answered on one of these interfaces; `brand` is set where the maker builds cameras."""
    try:
        with table.open(encoding="ascii", errors="replace") as file:
            lines = file.read(MAX_BYTES).splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        if len(words) == 6 and words[5] in interfaces and words[3] != _NOBODY:  # noqa: PLR2004 - its columns
            brand = brand_of(words[3])
            yield Found(words[0], brand=brand, mac=words[3].lower(), told_by={"mac"} if brand else set())
