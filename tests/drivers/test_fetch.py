"""A GET costs at most so many seconds and bytes, and fails in four ways only."""

import asyncio
import errno
import gzip
import inspect
import ssl
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions, web
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.drivers.base import Garbled, Refused, SensorError, Unreachable, Unsupported
from agent.drivers.reading.fetch import MAX_BODY, Access, translated

CANARY = "canary of a password"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, Refused),
        (404, Unsupported),
        (405, Unsupported),
        (501, Unsupported),
        (204, Unreachable),
        (500, Unreachable),
        (502, Unreachable),
        (503, Unreachable),
    ],
)
async def test_status(rig, status, error):
    """Each status is one kind of error, and the text names it."""

    async def answer(_request):
        return web.Response(status=status)

    with pytest.raises(error, match=str(status)):
        await Access(await rig.device(await rig.serve(answer))).get("/")


async def test_redirect(rig):
    """A redirect is an error, and nobody is asked elsewhere."""

    asked = []

    async def elsewhere(request):
        asked.append(request)
        return web.Response(text="counts")

    other = await rig.serve(elsewhere)

    async def answer(_request):
        return web.Response(status=302, headers={"Location": f"http://{other}/"})

    with pytest.raises(Unreachable, match=r"elsewhere .status 302."):
        await Access(await rig.device(await rig.serve(answer))).get("/")
    assert asked == []


async def test_largest_body(rig):
    """A body of exactly the cap is taken."""

    async def answer(_request):
        return web.Response(body=b"7" * MAX_BODY)

    assert len(await Access(await rig.device(await rig.serve(answer))).get("/")) == MAX_BODY


@pytest.mark.parametrize("says_length", [True, False])
async def test_huge_body(rig, says_length):
    """A body above the cap is an error, whether its length is told or it never ends."""

    sent = 0

    async def answer(request):
        nonlocal sent
        response = web.StreamResponse()
        if says_length:
            response.content_length = 10 * 1024**3
        await response.prepare(request)
        while sent < 20 * MAX_BODY:
            await response.write(b"0" * 65536)
            sent += 65536
        return response

    with pytest.raises(Garbled, match="larger than 4 MiB"):
        await Access(await rig.device(await rig.serve(answer))).get("/")
    assert sent < 4 * MAX_BODY


async def test_compressed(rig):
    """A compressed answer is not opened: nobody asked for it, and it may be a bomb."""

    async def answer(request):
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=gzip.compress(b"0" * 10**6), headers={"Content-Encoding": "gzip"})

    with pytest.raises(Garbled, match="compressed"):
        await Access(await rig.device(await rig.serve(answer))).get("/")


@pytest.mark.parametrize("page", ["<!DOCTYPE html><title>Login</title>", "\ufeff\r\n <HTML><body>", "<html"])
async def test_web_page(rig, page):
    """A web page with status 200 is no data."""

    async def answer(_request):
        return web.Response(text=page)

    with pytest.raises(Garbled, match="web page") as caught:
        await Access(await rig.device(await rig.serve(answer))).get("/")
    assert caught.value.raw


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


async def test_slow_drip(rig):
    """A byte now and then does not extend the deadline."""

    address = await rig.serve_bytes(HEAD, *[b"1"] * 100, pause=0.05)

    with pytest.raises(Unreachable, match=r"within 0.2 seconds"):
        await Access(await rig.device(address), deadline=0.2).get("/")


async def test_silence(rig):
    """A camera that takes the question and never answers is out of reach."""

    address = await rig.serve_bytes(b"", pause=5)

    with pytest.raises(Unreachable, match=r"within 0.2 seconds"):
        await Access(await rig.device(address), deadline=0.2).get("/")


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", HEAD + b"StartTime, En"])
async def test_broken_off(rig, sent, reset):
    """An answer that breaks off is no answer."""

    address = await rig.serve_bytes(sent, then_reset=reset)

    with pytest.raises(SensorError, match=r"broke off|not HTTP"):
        await Access(await rig.device(address)).get("/")


async def test_broken_chunks(rig):
    """An answer in damaged chunks is no answer."""

    address = await rig.serve_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n")

    with pytest.raises(SensorError):
        await Access(await rig.device(address)).get("/")


async def test_huge_header(rig):
    """A header line has a cap too."""

    address = await rig.serve_bytes(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10**6 + b"\r\n\r\n")

    with pytest.raises(SensorError):
        await Access(await rig.device(address)).get("/")


async def test_nobody_there(rig):
    """A refused connection says so in words."""

    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    server.close()
    await server.wait_closed()

    with pytest.raises(Unreachable, match="no connection: connection refused"):
        await Access(await rig.device(address)).get("/")


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=100).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail),
        st.binary(max_size=100).map(lambda tail: b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest " + tail + b"\r\n\r\n"),
        st.text(max_size=50).map(
            lambda realm: (
                b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest nonce=n, realm="' + realm.encode() + b'"\r\n\r\n'
            )
        ),
    )
)
def test_anything_sent(sent):
    """Whatever bytes a device sends, the call gives a body or a `SensorError`."""

    async def ask():
        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        address = "{}:{}".format(*server.sockets[0].getsockname())
        async with server, aiohttp.ClientSession() as session:
            device = SimpleNamespace(address=address, session=session, username="counter", password=CANARY)
            return await asyncio.gather(Access(device, deadline=2).get("/"), return_exceptions=True)

    [found] = asyncio.run(ask())
    assert isinstance(found, bytes | SensorError)
    assert CANARY not in str(found)


KEY = aiohttp.client_reqrep.ConnectionKey("192.0.2.10", 80, False, True, None, None, None)
REQUEST = aiohttp.RequestInfo(
    aiohttp.client.URL("http://192.0.2.10/"), "GET", {}, aiohttp.client.URL("http://192.0.2.10/")
)
ARGUMENTS = [
    (),
    ("what happened",),
    (REQUEST, ()),
    (KEY, OSError(errno.EHOSTUNREACH, "no route")),
    (KEY, ssl.SSLError("no")),
    ("/run/socket", KEY, OSError(errno.ENOENT, "none")),
    (b"expected", b"got", "192.0.2.10", 80),
]


def made(kind):
    """An exception of this class, from the first arguments it takes and can show."""
    for arguments in ARGUMENTS:
        try:
            error = kind(*arguments)
            str(error)
        except (TypeError, AttributeError):
            continue
        return error
    raise AssertionError(f"{kind} is new: how is it made?")


def client_errors():
    classes = [kind for _, kind in inspect.getmembers(client_exceptions, inspect.isclass)]
    classes += [kind for _, kind in inspect.getmembers(http_exceptions, inspect.isclass)]
    wanted = (aiohttp.ClientError, http_exceptions.HttpProcessingError)
    return sorted({kind for kind in classes if issubclass(kind, wanted)}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", [*client_errors(), TimeoutError, OSError, ConnectionResetError])
async def test_every_client_error(rig, kind):
    """Every exception of the HTTP client becomes one of ours, with a text."""

    error = made(kind)

    async def raising(_request, _handler):
        raise error

    device = await rig.device("192.0.2.10", middlewares=(raising,))
    with pytest.raises(SensorError) as caught:
        await Access(device).get("/")
    assert str(caught.value)
    assert type(caught.value) in {Unreachable, Garbled}
    assert caught.value.__cause__


def test_client_errors_are_many():
    """The enumeration above finds what it is for."""

    assert len(client_errors()) > 20
    assert isinstance(translated(aiohttp.ServerTimeoutError()), Unreachable)


@pytest.mark.parametrize("address", ["192.0.2.10", "192.0.2.10:8080", "camera-1.example.com", "[2001:db8::1]:80"])
async def test_address(rig, address):
    """Host and host:port are addresses."""

    Access(await rig.device(address))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://192.0.2.10",
        "192.0.2.10/x",
        "user@192.0.2.10",
        "192.0.2.10:99999",
        "192.0.2.10?x",
        "192.0.2.10#x",
        "192.0.2.10\r\nX: y",
        "192.0.2.10\n",
        "a b",
        "192.0.2.10:80:80",
        "\uff12.example.com",
    ],
)
async def test_no_address(rig, address):
    """Everything else is refused before anything is opened."""

    with pytest.raises(ValueError, match="write host or host:port"):
        Access(await rig.device(address))
