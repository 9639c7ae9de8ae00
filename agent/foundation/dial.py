"""A connected socket, TLS handshake included, without ever holding up the loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TlsSettings:
    """Files of the certificate authority (absent: the system's) and of our own certificate, read at each connect."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        if self.cert:
            made.load_cert_chain(self.cert, self.key)
        return made


async def dial(host: str, port: int, tls: TlsSettings | None = None) -> socket.socket:
    """A non-blocking connection with TCP_NODELAY to the first address of the host that answers.

    Raises:
        OSError: no address, none answered, or the handshake failed; of the last address tried.
    """
    loop = asyncio.get_running_loop()
    problem = OSError(f"{host} has no address")
    for family, kind, proto, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, proto)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return await _secured(sock, tls, host) if tls else sock
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
    raise problem


async def _secured(plain: socket.socket, tls: TlsSettings, host: str) -> ssl.SSLSocket:
    sock = tls.context().wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    try:
        while True:
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                await _until_ready(sock, to_write=False)
            except ssl.SSLWantWriteError:
                await _until_ready(sock, to_write=True)
            else:
                return sock
    except BaseException:
        sock.close()
        raise


async def _until_ready(sock: ssl.SSLSocket, *, to_write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    watch, forget = (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    watch(sock, ready.set)
    try:
        await ready.wait()
    finally:
        forget(sock)
