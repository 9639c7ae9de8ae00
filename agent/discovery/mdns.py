"""mDNS (RFC 6762): who announces a camera's services. Axis gives its serial number away; others at least a name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from zeroconf import IPVersion, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from agent.discovery.found import Found
from agent.discovery.wsdiscovery import brand_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroconf import Zeroconf

TYPES = tuple(f"_{name}._tcp.local." for name in ("axis-video", "psia", "CGI", "http", "rtsp", "vivotek"))
MAX_SERVICES = 512


async def browse(interfaces: Sequence[str], seconds: float) -> list[Found]:
    """Listen on these own IPv4 addresses for so many seconds.

    Raises:
        OSError: multicast cannot be used.
    """
    names: list[tuple[str, str]] = []

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        del zeroconf
        if state_change is ServiceStateChange.Added and len(names) < MAX_SERVICES:
            names.append((service_type, name))

    zeroconf = AsyncZeroconf(interfaces=list(interfaces), ip_version=IPVersion.V4Only)
    try:
        browser = AsyncServiceBrowser(zeroconf.zeroconf, list(TYPES), handlers=[changed])
        await asyncio.sleep(seconds)
        await browser.async_cancel()
        infos = [AsyncServiceInfo(kind, name) for kind, name in names]
        await asyncio.gather(*(info.async_request(zeroconf.zeroconf, 1000) for info in infos))
        return [found for info in infos for found in _devices(info)]
    finally:
        await zeroconf.async_close()


def _devices(info: AsyncServiceInfo) -> list[Found]:
    name = info.name.removesuffix(f".{info.type}")
    said = {key: value or "" for key, value in info.decoded_properties.items()}
    brand = "axis" if info.type.startswith("_axis") else brand_named(name, said.get("manufacturer", ""))
    speaks_http = not info.type.startswith("_rtsp")
    return [
        Found(
            host,
            brand=brand,
            name=name[:64],
            serial=said.get("macaddress", "")[:64] if brand == "axis" else "",
            ports={info.port} if speaks_http and info.port else set(),
            told_by={"mdns"},
        )
        for host in info.parsed_addresses(IPVersion.V4Only)
    ]
