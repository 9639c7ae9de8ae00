"""Which addresses a configured host may lead to: a camera's name must not turn our requests against this machine.

Checked where a socket is made, after names were resolved: a name that changes what it stands for gains nothing.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType, SocketFactoryType

    Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds hand out credentials to whoever asks from inside; 169.254.169.254 is link-local anyway.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def refusal(host: str, *, loopback: bool = False) -> str:
    """Why nothing is sent to this address, in words; empty where it may be, and for names, which say nothing yet.

    `loopback` allows this machine's own addresses, for simulated cameras.
    """
    try:
        found = _meant(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return ""
    if found.is_link_local or found in _METADATA:
        return f"{host} is a link-local or metadata address, where no camera is"
    if found.is_multicast or found == ipaddress.IPv4Address("255.255.255.255"):
        return f"{host} is not the address of one device"
    if (found.is_loopback or found.is_unspecified or _is_own(found)) and not loopback:
        return f"{host} is this machine itself; only [cameras] loopback = true allows that, for simulated cameras"
    return ""


def socket_factory(*, loopback: bool = False) -> SocketFactoryType:
    """For aiohttp's connector: makes no socket towards an address that is refused (`OSError`, EACCES)."""

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        why = refusal(str(address[0]), loopback=loopback)
        if why:
            raise PermissionError(errno.EACCES, why)
        return socket.socket(family, kind, protocol)

    return make


def _meant(found: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        return found.ipv4_mapped or found.sixtofour or found
    return found


def _is_own(found: Address) -> bool:
    """Whether this machine has the address: then a socket may be bound to it."""
    family = socket.AF_INET if found.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IP's version
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(found), 0))
    except OSError:
        return False
    return True
