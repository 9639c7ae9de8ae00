"""Goes through a range of addresses and asks each web server, without a password, what it is.

The order and the paths are those by which the brands are told apart. A 401 proves a path only on a device that does
not say 401 to everything, so a path that nobody has is asked for first. Nothing is asked with credentials: some
devices lock an account after a few wrong ones.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from agent.discovery.found import Found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_ADDRESSES = 1024  # a /22; a store has less
PORTS = (80, 8080)
AT_ONCE = 64
CONNECT = 1.0  # seconds; a camera in the same building answers within milliseconds
ANSWER = 3.0
MAX_BODY = 64 * 1024
_NOBODY_HAS = "/footfall-asks-what-nobody-has"
_AXIS = json.dumps({"apiVersion": "1.0", "method": "getAllUnrestrictedProperties"}).encode()


class Reply(NamedTuple):
    """What a web server said: status 0 is no HTTP at all, `realm` is the log-in's name in a 401."""

    status: int = 0
    body: str = ""
    realm: str = ""


class Question(NamedTuple):
    """A path that one brand has, and what only its answer contains."""

    brand: str
    path: str
    mark: re.Pattern[str]
    body: bytes | None = None


QUESTIONS = (
    Question("milesight", "/dataloader.cgi?dw=vcalogcsv", re.compile(r"StartTime\s*,\s*EndTime", re.IGNORECASE)),
    Question("milesight", "/api/v1/counting/getAlgoParams", re.compile(r'"(?:code|data|ret)"')),
    Question("hikvision", "/ISAPI/System/deviceInfo", re.compile(r"<DeviceInfo\b")),
    Question("dahua", "/cgi-bin/magicBox.cgi?action=getDeviceType", re.compile(r"^\s*type=", re.MULTILINE)),
    Question("axis", "/axis-cgi/basicdeviceinfo.cgi", re.compile(r'"propertyList"'), _AXIS),
    Question("hanwha", "/stw-cgi/system.cgi?msubmenu=deviceinfo&action=view", re.compile(r"\bModel\b\s*[=\"]")),
)

# How log-ins are called by makers that say 401 to everything.
_REALMS = (
    ("axis", re.compile(r"AXIS", re.IGNORECASE)),
    ("dahua", re.compile(r"^Login to ", re.IGNORECASE)),
    ("hikvision", re.compile(r"Hikvision|^DS-|^IP Camera\(", re.IGNORECASE)),
    ("hanwha", re.compile(r"iPolis|Wisenet|Hanwha", re.IGNORECASE)),
    ("milesight", re.compile(r"Milesight", re.IGNORECASE)),
    ("vivotek", re.compile(r"Vivotek|streaming_server", re.IGNORECASE)),
    ("xovis", re.compile(r"Xovis", re.IGNORECASE)),
)
_SERIAL = re.compile(r'"SerialNumber"\s*:\s*"([\w-]{1,64})"|^SerialNumber=([\w-]{1,64})', re.MULTILINE)
_MODEL = re.compile(
    r'"ProdNbr"\s*:\s*"([^"]{1,64})"|^(?:Model|type)=([^\r\n]{1,64})|"Model"\s*:\s*"([^"]{1,64})"', re.MULTILINE
)


def range_of(text: str) -> Sequence[str]:
    """The addresses of a range such as 192.0.2.0/24, or of one host.

    Raises:
        ValueError: it is none, or has more than `MAX_ADDRESSES`.
    """
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no range of addresses; write one such as 192.0.2.0/24") from None
    if network.num_addresses > MAX_ADDRESSES:
        raise ValueError(f"{text} has {network.num_addresses} addresses; {MAX_ADDRESSES} at most are asked in one go")
    return [str(host) for host in network.hosts()]


async def sweep(hosts: Sequence[str], session: aiohttp.ClientSession, ports: Sequence[int] = PORTS) -> list[Found]:
    """Those of these hosts that answer HTTP on one of the ports, with their brand where it shows."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def visited(host: str, port: int) -> Found | None:
        async with turns:
            return await fingerprint(host, port, session) if await _listens(host, port) else None

    return [found for found in await asyncio.gather(*(visited(h, p) for h in hosts for p in ports)) if found]


async def fingerprint(host: str, port: int, session: aiohttp.ClientSession) -> Found | None:
    """What answers there, by requests without a password; None where it does not speak HTTP."""
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    nobody = await _ask(session, base + _NOBODY_HAS)
    if not nobody.status:
        return None
    found = Found(host, ports={port}, told_by={"http"}, asks_login=nobody.status == 401)  # noqa: PLR2004 - HTTP's
    for question in QUESTIONS:
        reply = await _ask(session, base + question.path, question.body)
        if reply.status == 200 and question.mark.search(reply.body):  # noqa: PLR2004 - HTTP's
            found.brand = question.brand
            found.asks_login = False
            found.model, found.serial = _said(_MODEL, reply.body), _said(_SERIAL, reply.body)
            if question.brand == "hikvision":
                found.model, found.serial = _xml(reply.body, "model"), _xml(reply.body, "serialNumber")
            return found
        if reply.status == 401:  # noqa: PLR2004 - HTTP's
            found.asks_login = True
            brand = next((brand for brand, mark in _REALMS if mark.search(reply.realm)), "")
            if brand or nobody.status != 401:  # noqa: PLR2004 - HTTP's
                found.brand = brand or question.brand
                found.name = reply.realm[:64]
                return found
    return found


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT):
            _, writer = await asyncio.open_connection(host, port)
    except (TimeoutError, OSError):
        return False
    writer.close()
    return True


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes | None = None) -> Reply:
    try:
        async with (
            asyncio.timeout(ANSWER),
            session.request(
                "POST" if body else "GET",
                url,
                data=body,
                headers={"Accept-Encoding": "identity", "User-Agent": "footfall"},
                allow_redirects=False,
                auto_decompress=False,
            ) as answer,
        ):
            read = b""
            while len(read) < MAX_BODY and (piece := await answer.content.read(MAX_BODY - len(read))):
                read += piece
            return Reply(answer.status, read.decode("utf-8", "replace"), _realm(answer.headers))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return Reply()


def _realm(headers: Mapping[str, str]) -> str:
    found = re.search(r'realm="([^"]{0,128})"', headers.get("WWW-Authenticate", "")[:4096])
    return found[1] if found else ""


def _said(pattern: re.Pattern[str], body: str) -> str:
    found = pattern.search(body)
    return next((group.strip() for group in found.groups() if group), "") if found else ""


def _xml(body: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]{{1,64}})</{name}>", body)
    return found[1].strip() if found else ""
