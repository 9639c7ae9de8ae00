"""A connected socket, TLS handshake included, without ever holding up the loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.foundation.trust import TlsFailed, explain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class TlsSettings:
    """Files of the certificate authority (absent: the system's) and of our own certificate, read at each connect."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.sslsocket_class = _TellingSocket
        if self.cert:
            made.load_cert_chain(self.cert, self.key)
        return made

    @property
    def files(self) -> Iterator[Path]:
        """Those that are set."""
        return (file for file in (self.ca, self.cert, self.key) if file)


class _TellingSocket(ssl.SSLSocket):
    """Remembers why TLS failed: in 1.3 the peer refuses our certificate only after the handshake, while paho reads."""

    trouble: ssl.SSLError | None = None

    def recv(self, *arguments: Any) -> bytes:  # noqa: ANN401 - whatever the library's own takes
        try:
            return super().recv(*arguments)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.trouble = error
            raise


def trouble(sock: socket.socket, tls: TlsSettings | None, host: str) -> str:
    """Why TLS failed on a connected socket, in words; empty where it did not."""
    error = sock.trouble if isinstance(sock, _TellingSocket) else None
    return str(explain(error, host, tls.files if tls else ())) if error else ""


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
    sock = _context(tls).wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
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
    except ssl.SSLError as error:
        sock.close()
        raise explain(error, host, tls.files) from error
    except BaseException:
        sock.close()
        raise


def _context(tls: TlsSettings) -> ssl.SSLContext:
    try:
        return tls.context()
    except ssl.SSLError as error:
        named = ", ".join(str(file) for file in tls.files)
        raise TlsFailed(f"certificate and key cannot be used ({named}): {error.reason or error}") from error


async def _until_ready(sock: ssl.SSLSocket, *, to_write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    watch, forget = (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    watch(sock, ready.set)
    try:
        await ready.wait()
    finally:
        forget(sock)
