"""One look at the store's network by every way there is, and what exactly was looked at."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, NamedTuple

import ifaddr

from agent.discovery.found import Found, together
from agent.discovery.mdns import browse
from agent.discovery.neighbours import neighbours
from agent.discovery.sweep import PORTS, range_of, sweep
from agent.discovery.wsdiscovery import probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp


class Interface(NamedTuple):
    """A network card with its own IPv4 address and the length of its network's prefix."""

    name: str
    address: str
    prefix: int

    @property
    def network(self) -> str:
        return f"{ipaddress.ip_network(f'{self.address}/{self.prefix}', strict=False)}"


class Scan(NamedTuple):
    """What was found, where it was looked for, and which way of looking did not work, in words."""

    found: list[Found]
    interfaces: Sequence[Interface]
    ranges: Sequence[str]
    ports: Sequence[int]
    seconds: float
    problems: Sequence[str]


def interfaces(name: str = "") -> list[Interface]:
    """The network cards with an IPv4 address, without the machine's own loop; or the one of this name.

    Raises:
        ValueError: there is none of this name; the text lists those there are.
    """
    here = [
        Interface(adapter.name, str(ip.ip), ip.network_prefix)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if ip.is_IPv4 and not ipaddress.ip_address(str(ip.ip)).is_loopback
    ]
    chosen = [one for one in here if name in {"", one.name}]
    if not chosen:
        known = ", ".join(dict.fromkeys(one.name for one in here)) or "none"
        raise ValueError(f"no interface {name!r} with an IPv4 address; there are: {known}")
    return chosen


async def scan(
    cards: Sequence[Interface], ranges: Sequence[str], seconds: float, session: aiohttp.ClientSession
) -> Scan:
    """Ask by multicast on these cards, and every address of these ranges; then look who answered from where.

    Raises:
        ValueError: a range is none, or too large.
    """
    hosts = [host for text in ranges for host in range_of(text)]
    own = [card.address for card in cards]
    problems: list[str] = []
    answers = await asyncio.gather(
        probe(own, seconds), browse(own, seconds), sweep(hosts, session), return_exceptions=True
    )
    pieces: list[Found] = []
    for way, answer in zip(("WS-Discovery", "mDNS", "the range"), answers, strict=True):
        if isinstance(answer, OSError):
            problems.append(f"{way} could not be used: {answer.strerror or answer}")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            pieces += answer
    noticed = {piece.host for piece in pieces}
    for near in neighbours({card.name for card in cards}):
        if near.brand or near.host in noticed:
            pieces.append(near)
    return Scan(together(pieces), cards, ranges, PORTS, seconds, problems)
