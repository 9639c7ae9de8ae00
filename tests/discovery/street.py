"""A camera on a network of its own: run inside a fresh network namespace, it takes an address and answers to searches.

python3 -m tests.discovery.street ADDRESS MAC BRAND FAMILY ANNOUNCES, where ANNOUNCES is ws, mdns, reused-id or nothing.
It waits for its network card `eth0`, prints "ready" and answers until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from zeroconf import IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store

GROUP, PORT = "239.255.255.250", 3702
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"
 xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<SOAP-ENV:Header><wsa:MessageID>{own}</wsa:MessageID><wsa:RelatesTo>{asked}</wsa:RelatesTo></SOAP-ENV:Header>
<SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch>
<wsa:EndpointReference><wsa:Address>urn:uuid:{address}</wsa:Address></wsa:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter</d:Types>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/{model}
 onvif://www.onvif.org/name/{brand}%20{model}</d:Scopes>
<d:XAddrs>http://{address}/onvif/device_service http://198.51.100.9:8000/onvif/device_service</d:XAddrs>
<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"""


class Onvif(asyncio.DatagramProtocol):
    """Answers to probes for a NetworkVideoTransmitter alone, as most cameras do."""

    def __init__(self, address: str, brand: str, *, reused: bool) -> None:
        self.address, self.brand, self.reused = address, brand, reused

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = re.search(r"MessageID>([^<]+)<", data.decode())
        if asked and b"NetworkVideoTransmitter" in data:
            own = asked[1] if self.reused else "urn:uuid:0a6dc791-2be6-4991-9af1-454778a1917a"
            said = ANSWER.format(own=own, asked=asked[1], address=self.address, model="M-1", brand=self.brand)
            self.transport.sendto(said.encode(), addr)


def multicast(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", PORT))
    member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(address))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    made.setblocking(False)
    return made


async def announce(address: str, brand: str, how: str) -> None:
    loop = asyncio.get_running_loop()
    if how in {"ws", "reused-id"}:
        onvif = Onvif(address, brand, reused=how == "reused-id")
        await loop.create_datagram_endpoint(lambda: onvif, sock=multicast(address))
    elif how == "mdns":
        zeroconf = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
        kind = "_axis-video._tcp.local."
        info = ServiceInfo(kind, f"AXIS M-2 - 00408C000001.{kind}", 80, addresses=[socket.inet_aton(address)])
        await zeroconf.async_register_service(info)


def scenario(brand: str, family: str) -> Scenario:
    lines = [{"number": 1, "counts": "door:main"}]
    camera = {"id": "one", "driver": brand, "family": family, "auth": "digest", "line": lines}
    return Scenario.model_validate(
        {
            "seed": 1,
            "history_days": 3,
            "store": {"name": "street", "time_zone": "Europe/Lisbon"},
            "arrivals": {"visits_per_day": 500, "by_hour": [1.0] * 24},
            "door": [{"name": "main"}],
            "camera": [camera],
        }
    )


async def forward(port: int, address: str) -> None:
    """Port 80 of the address leads to the simulated camera, which listens on the loop of this namespace."""

    async def pipe(reader, writer) -> None:
        try:
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def joined(reader, writer) -> None:
        there, here = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, here), pipe(there, writer))

    await asyncio.start_server(joined, address, 80)


def take_address(address: str, mac: str) -> None:
    while not Path("/sys/class/net/eth0").exists():
        time.sleep(0.02)
    for words in (
        f"link set eth0 address {mac}",
        "link set lo up",
        f"address add {address}/24 dev eth0",
        "link set eth0 up",
        "route add 224.0.0.0/4 dev eth0",
    ):
        subprocess.run(["ip", *words.split()], check=True)


async def main(address: str, brand: str, family: str, how: str) -> None:
    async with open_store(scenario(brand, family), time.time) as store:
        await forward(int(store.addresses["cameras"]["one"].rpartition(":")[2]), address)
        await announce(address, brand, how)
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    take_address(*sys.argv[1:3])
    asyncio.run(main(sys.argv[1], *sys.argv[3:]))
