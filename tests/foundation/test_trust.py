"""What a person is told when TLS fails: the cause, and what to do about it. Each handshake is a real one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from agent.foundation.dial import TlsSettings, dial
from agent.foundation.mqtt import Link, LinkSettings
from agent.foundation.trust import TlsFailed, is_loopback
from tests.rig.pki import DAY, make

YEAR = timedelta(days=365)
CHECKOUT = Path(__file__).parents[2]


@contextlib.contextmanager
def serving(context: ssl.SSLContext):
    """A server on a free port that hangs up on its first guest. asyncio's would swallow the alert of a refusal."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            guest, _ = listening.accept()
            guest.settimeout(10)
            with guest, context.wrap_socket(guest, server_side=True) as secured:
                secured.recv(1000)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    thread.join(20)
    listening.close()


class Side:
    """An authority, and what a server of it shows."""

    def __init__(self, folder, **wrong) -> None:
        self.root = make("authority")
        self.ca, _ = self.root.write(folder, "ca")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*make("server", self.root, **wrong).write(folder, "server"))


async def told(context, tls: TlsSettings) -> str:
    with serving(context) as port, pytest.raises(TlsFailed) as caught:
        (await dial("127.0.0.1", port, tls)).close()
    return str(caught.value)


async def test_an_expired_certificate(tmp_path):
    """Both causes are named, with what this device believes the time to be."""
    said = await told(Side(tmp_path, begins=-9 * DAY, ends=-DAY).context, TlsSettings(tmp_path / "ca.crt"))

    assert "the certificate of 127.0.0.1 has expired" in said
    assert f"this device's clock, which says {time.strftime('%Y-%m-%d', time.gmtime())}" in said


async def test_a_certificate_that_begins_tomorrow(tmp_path):
    """Most likely the clock is slow."""
    said = await told(Side(tmp_path, begins=DAY).context, TlsSettings(tmp_path / "ca.crt"))

    assert "most likely the clock is slow; set it (NTP)" in said


async def test_a_clock_that_is_behind_what_is_already_known(tmp_path):
    """A file that was written when it was later proves that the clock is wrong, not the certificate."""
    side = Side(tmp_path, begins=DAY)
    later = time.time() + 2 * 365 * 86400
    os.utime(side.ca, (later, later))
    said = await told(side.context, TlsSettings(side.ca))

    assert said.startswith("this device's clock is wrong: it says ")
    assert f"it was already {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(later))}" in said
    assert "The certificates are not at fault" in said


async def test_another_name(tmp_path):
    """The host, or the certificate's name, is what to look at."""
    said = await told(Side(tmp_path, address="192.0.2.9").context, TlsSettings(tmp_path / "ca.crt"))

    assert "is for another name: check the host" in said


async def test_another_authority(tmp_path):
    """A stranger that answers in the broker's place is not spoken to."""
    side = Side(tmp_path)
    stranger, _ = make("stranger").write(tmp_path, "stranger")

    assert "is not from our certificate authority: check ca_file" in await told(side.context, TlsSettings(stranger))


async def test_a_port_without_tls(tmp_path):
    """1883 in place of 8883 is what happens most."""

    async def plain(_reader, writer):
        writer.write(b"\x20\x02\x00\x00" * 8)
        writer.close()

    Side(tmp_path)
    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    with pytest.raises(TlsFailed, match="does not speak TLS there: is the port right"):
        await dial("127.0.0.1", server.sockets[0].getsockname()[1], TlsSettings(tmp_path / "ca.crt"))
    server.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_tls_below_1_2_is_not_spoken(tmp_path):
    """Also where the other side offers nothing else."""
    side = Side(tmp_path)
    side.context.set_ciphers("ALL:@SECLEVEL=0")
    side.context.minimum_version = side.context.maximum_version = ssl.TLSVersion.TLSv1_1

    assert "speaks only TLS older than 1.2" in await told(side.context, TlsSettings(side.ca))


@pytest.mark.parametrize(
    ("ours", "says"),
    [
        (None, "refused: 127.0.0.1 says that a certificate is needed and we showed none: enrol this device"),
        ({"ends": -DAY / 2}, "refused: 127.0.0.1 says that our own certificate has expired"),
        ({"by": make("stranger")}, "our own certificate is from an authority that it does not know"),
    ],
)
async def test_what_the_other_side_says_of_our_certificate(tmp_path, ours, says):
    """TLS 1.3 tells it after the handshake; it is told all the same."""
    side = Side(tmp_path)
    side.context.verify_mode = ssl.CERT_REQUIRED
    side.context.load_verify_locations(side.ca)
    files = make("device", **{"by": side.root, **ours}).write(tmp_path, "device") if ours else (None, None)
    events: asyncio.Queue[str] = asyncio.Queue()
    with serving(side.context) as port:
        link = Link(LinkSettings("127.0.0.1", port, "one", tls=TlsSettings(side.ca, *files)), on_down=events.put_nowait)
        running = asyncio.create_task(link.run())
        said = await events.get()
        running.cancel()

    assert says in said


def test_a_clock_two_years_wrong_at_boot(tmp_path):
    """The whole device believes that it is two years earlier; it is told that its clock is wrong."""
    if not shutil.which("faketime"):
        (pytest.fail if os.environ.get("FOOTFALL_REQUIRE_ALL") else pytest.skip)("faketime is missing")
    side = Side(tmp_path)
    script = (
        "import asyncio, sys, pathlib\n"
        "from agent.foundation.dial import TlsSettings, dial\n"
        "try: asyncio.run(dial('127.0.0.1', int(sys.argv[1]), TlsSettings(pathlib.Path(sys.argv[2]))))\n"
        "except OSError as error: print(error)\n"
    )

    def boot(port: int) -> str:
        return subprocess.run(
            ["faketime", "-f", "-2y", sys.executable, "-c", script, str(port), str(side.ca)],
            cwd=CHECKOUT,
            env={**os.environ, "NO_FAKE_STAT": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    with serving(side.context) as port:
        said = boot(port)

    assert said.startswith(f"this device's clock is wrong: it says {time.gmtime().tm_year - 2}-")
    assert f"it was already {time.gmtime().tm_year}-" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost."])
def test_what_stays_in_this_machine(host):
    """Only there may the line be without TLS."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "mqtt.example.com", "localhost.example.com", "127.0.0.1.example.com", ""]
)
def test_what_leaves_this_machine(host):
    """However much it looks like this one."""
    assert not is_loopback(host)
