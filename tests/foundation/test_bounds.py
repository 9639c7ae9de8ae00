"""No camera's address, however written, leads our requests to this machine, its links or a cloud's metadata."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.reading.fetch import translated
from agent.foundation.bounds import refusal, socket_factory


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "this machine"),
        ("127.9.9.9", "this machine"),
        ("0.0.0.0", "this machine"),  # noqa: S104 - refused
        ("::1", "this machine"),
        ("[::1]", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("64:ff9b::7f00:1", "this machine"),
        ("2002:7f00:1::", "this machine"),
        ("::", "this machine"),
        ("169.254.169.254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("::ffff:169.254.169.254", "metadata"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("224.0.0.251", "one device"),
        ("ff02::1", "one device"),
        ("255.255.255.255", "one device"),
    ],
)
def test_an_address_that_is_no_cameras_is_refused_in_words(host, said):
    """Also where an IPv6 address stands for it."""
    assert said in refusal(host)


@pytest.mark.parametrize("host", ["192.0.2.10", "10.0.0.9", "192.168.1.64", "2001:db8::9", "camera.example.com"])
def test_a_cameras_address_may_be_any_other(host):
    """Private networks are where cameras are; a name says nothing before it is resolved."""
    assert refusal(host) == ""


@given(st.ip_addresses(v=4))
def test_writing_an_address_as_ipv6_changes_no_answer(address):
    """The mapped form is refused exactly where the plain one is."""
    assert bool(refusal(f"::ffff:{address}")) == bool(refusal(str(address)))


def test_what_this_machine_is_called_on_its_network_is_this_machine(monkeypatch):
    """Any address a socket can be bound to is our own, not only 127.0.0.1."""
    bound = []

    class Any(socket.socket):
        def bind(self, address):
            bound.append(address)

    monkeypatch.setattr(socket, "socket", Any)
    assert "this machine" in refusal("192.0.2.77")
    assert bound == [("192.0.2.77", 0)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"])
async def test_a_request_to_this_machine_is_refused_however_it_is_written(host):
    """Names and odd spellings included (some versions of aiohttp refuse those themselves): nobody connects."""
    seen = []
    async with listener(seen) as port:
        with pytest.raises(aiohttp.ClientError) as refused:
            await ask(f"http://{host}:{port}/", loopback=False)
        if host in {"127.0.0.1", "localhost"}:
            assert refused.value.os_error.errno == errno.EACCES
            assert "this machine" in str(translated(refused.value))
    assert not seen


async def test_simulated_cameras_are_let_in_where_the_configuration_says_so():
    """The same request gets its answer with loopback allowed."""
    seen = []
    async with listener(seen) as port:
        assert await ask(f"http://127.0.0.1:{port}/", loopback=True) == "ok"
    assert seen


@asynccontextmanager
async def listener(seen):
    async def answer(_reader, writer):
        seen.append(1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def ask(url, *, loopback):
    connector = aiohttp.TCPConnector(socket_factory=socket_factory(loopback=loopback), family=socket.AF_INET)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return await answer.text()
