"""WS-Discovery: asks by multicast who is an ONVIF device, and reads the answers (WS-Discovery 1.0, April 2005).

Types in one probe must all hold, so the two kinds of ONVIF device are asked for apart. Some devices send our own
message id back as theirs: an answer counts by what it relates to, or by its coming to the port that asked.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

from agent.discovery.found import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP, PORT = "239.255.255.250", 3702
TTL = 4  # routed VLANs within one store
TYPES = (
    ("tds", "http://www.onvif.org/ver10/device/wsdl", "Device"),
    ("dn", "http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
)
MAX_DATAGRAM = 16 * 1024
MAX_ANSWERS = 2048
_AGAIN = 0.7  # seconds; datagrams get lost
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_SCOPE = "onvif://www.onvif.org/"

# How the names that devices give themselves begin, in small letters, and the driver that reads them.
_NAMES = {
    "axis": "axis",
    "hikvision": "hikvision",
    "ds-": "hikvision",
    "dahua": "dahua",
    "ipc-": "dahua",
    "cp-plus": "dahua",
    "cp plus": "dahua",
    "hanwha": "hanwha",
    "samsung": "hanwha",
    "wisenet": "hanwha",
    "milesight": "milesight",
    "ms-c": "milesight",
    "vivotek": "vivotek",
    "xovis": "xovis",
}


def brand_named(*texts: str) -> str:
    """The driver that reads devices of this name or maker; empty where none is known."""
    for text in texts:
        said = text.strip().lower()
        for beginning, brand in _NAMES.items():
            if said.startswith(beginning):
                return brand
    return ""


def probe_of(message: str, prefix: str, namespace: str, kind: str) -> bytes:
    """The probe for one type of device."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
        f' xmlns:a="{_ADDRESSING}" xmlns:d="{_DISCOVERY}" xmlns:{prefix}="{namespace}">'
        f"<e:Header><a:MessageID>{message}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        f"<a:Action>{_DISCOVERY}/Probe</a:Action></e:Header>"
        f"<e:Body><d:Probe><d:Types>{prefix}:{kind}</d:Types></d:Probe></e:Body></e:Envelope>"
    ).encode()


def read_answer(datagram: bytes, sender: str) -> list[Found]:
    """The devices of one answer; none where it is no answer to a probe, or damaged."""
    reader = _Reader()
    try:
        reader.read(datagram[:MAX_DATAGRAM])
    except (expat.ExpatError, ValueError):
        return []
    return [_device(match, sender) for match in reader.matches]


async def probe(interfaces: Sequence[str], seconds: float) -> list[Found]:
    """Ask on each of these own IPv4 addresses, and listen for so many seconds.

    Raises:
        OSError: an interface cannot be used.
    """
    loop = asyncio.get_running_loop()
    found: list[Found] = []
    transports = []
    try:
        for own in interfaces:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(found), sock=_socket(own))
            transports.append(transport)
        probes = [probe_of(f"urn:uuid:{uuid.uuid4()}", *kind) for kind in TYPES]
        for pause in (_AGAIN, max(0.0, seconds - _AGAIN)):
            for transport in transports:
                for one in probes:
                    transport.sendto(one, (GROUP, PORT))
            await asyncio.sleep(pause)
    finally:
        for transport in transports:
            transport.close()
    return found


def _socket(own: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, TTL)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
        made.bind((own, 0))
    except OSError:
        made.close()
        raise
    return made


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, found: list[Found]) -> None:
        self._found = found

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._found) < MAX_ANSWERS:
            self._found += read_answer(data, addr[0])


class _Reader:
    """Collects the texts of each ProbeMatch; entities and document types, which no device sends, end the reading."""

    def __init__(self) -> None:
        self.matches: list[dict[str, str]] = []
        self._path: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse

    def read(self, data: bytes) -> None:
        self._parser.Parse(data, True)

    def _refuse(self, *_: object) -> None:
        raise ValueError("a document type")

    def _start(self, name: str, _attributes: object) -> None:
        local = name.rpartition(" ")[2]
        self._path.append(local)
        if local == "ProbeMatch":
            self.matches.append({})

    def _end(self, _name: str) -> None:
        self._path.pop()

    def _text(self, text: str) -> None:
        if "ProbeMatch" in self._path and self.matches:
            said = self.matches[-1]
            said[self._path[-1]] = (said.get(self._path[-1], "") + text)[:4096]


def _device(match: dict[str, str], sender: str) -> Found:
    scopes: dict[str, str] = {}
    for scope in match.get("Scopes", "").split():
        if scope.startswith(_SCOPE):
            kind, _, value = scope.removeprefix(_SCOPE).partition("/")
            scopes.setdefault(kind.lower(), unquote(value))
    name, hardware = scopes.get("name", ""), scopes.get("hardware", "")
    return Found(
        sender,
        brand=brand_named(scopes.get("manufacturer", ""), name, hardware),
        model=hardware[:64],
        name=name[:64],
        ports={port for text in match.get("XAddrs", "").split() if (port := _port(text, sender))},
        told_by={"ws-discovery"},
    )


def _port(text: str, sender: str) -> int:
    """The port of a service address, where it is the sender's own: another host's is not asked for its sake."""
    try:
        parts = urlsplit(text)
        own, port = parts.scheme == "http" and parts.hostname == sender, parts.port or 80
    except ValueError:
        return 0
    return port if own else 0
