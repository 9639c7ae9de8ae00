"""What a person reads on the page of a real agent whose clock, certificate or broker is wrong."""

import asyncio
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager, suppress
from socket import create_server
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from agent.drivers.base import Device, Garbled, SensorError
from agent.drivers.reading.fetch import Access
from agent.foundation.mqtt import Link, LinkSettings
from agent.web.phrases import anonymous
from agent.web.words import cards
from tests.buffer.test_disk import AGENT, CHECKOUT, LAYOUT, patiently
from tests.rig.pki import DAY, make
from tests.web.samples import CUT, NOW, sensor, view


@contextmanager
def serving(talk):
    """A server that hands each guest to `talk` until it is over."""
    listening = create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                guest, _ = listening.accept()
            except OSError:
                return
            guest.settimeout(1)
            with guest, suppress(OSError):
                talk(guest)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.close()


def secured(context):
    def talk(guest):
        with context.wrap_socket(guest, server_side=True) as line:
            line.recv(1000)

    return talk


def server_of(folder, **wrong):
    root = make("authority")
    root.write(folder, "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make("server", root, **wrong).write(folder, "server"))
    return root, context


def page_of(folder, port, words, *, files="", before=(), environment=None):
    """The words of the page of a real agent, as soon as it says these."""
    text = AGENT.replace("port = 9\n", f"port = {port}\n{files}", 1)
    (folder / "agent.toml").write_text(text)
    (folder / "layout.toml").write_text(LAYOUT)
    command = [*before, sys.executable, "-m", "agent", "run", "--config", str(folder / "agent.toml")]
    with (folder / "log").open("wb") as log:
        agent = subprocess.Popen(
            [*command, "--ready-file", str(folder / "ready")],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), **(environment or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            patiently((folder / "ready").exists, 30)
            address = re.search(r"http://[^\"]+", (folder / "ready").read_text())[0]

            def look():
                try:
                    page = urllib.request.urlopen(address, timeout=10).read().decode()  # noqa: S310 - our own page
                except TimeoutError:  # a page is no promise of ten seconds on a machine that does other things
                    return ""
                plain = " ".join(re.sub("<[^>]+>", " ", page).replace("&#39;", "'").split())
                return plain if words in plain else ""

            return patiently(look, 60)
        finally:
            os.killpg(agent.pid, signal.SIGTERM)  # faketime is a process of its own before it
            agent.wait(20)


def test_a_clock_two_years_wrong_at_boot(tmp_path):
    """The page says clock and what it reads, not certificate; the remedy is a phone to compare with."""
    if not shutil.which("faketime"):
        (pytest.fail if os.environ.get("FOOTFALL_REQUIRE_ALL") else pytest.skip)("faketime is missing")
    _, context = server_of(tmp_path)
    fake = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    with serving(secured(context)) as port:
        said = page_of(
            *(tmp_path, port, "This device's clock may be wrong"),
            files='ca_file = "ca.crt"\n',
            before=("faketime", "-f", "-2y"),
            environment=fake,
        )

    assert "this device's clock is wrong: it says 20" in said
    assert "The certificates are not at fault" in said
    assert "Compare the time on this page with your phone" in said


def test_an_expired_certificate_of_our_own(tmp_path):
    """The page names it, whom to tell, and that nothing in the store needs repair until then."""
    root, context = server_of(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "ca.crt")
    make("device", by=root, begins=-9 * DAY, ends=-DAY / 2).write(tmp_path, "device")
    files = 'ca_file = "ca.crt"\ncert_file = "device.crt"\nkey_file = "device.key"\n'
    with serving(secured(context)) as port:
        said = page_of(tmp_path, port, "This device's certificate has expired", files=files)

    assert "Tell headquarters: the device asks there for a new certificate" in said
    assert "our own certificate has expired" in said


@pytest.mark.parametrize(
    "packet",
    [b"\x20\xff\xff\xff\xff\xff", b"\x20\x7f" + b"\xff" * 127, b"\x30\x03\x00\xff\xff", b"HTTP/1.1 400 Bad\r\n\r\n"],
)
async def test_a_broker_that_talks_nonsense(packet):
    """Malformed packets cost the connection and nothing else; the page says that the broker is not reached, and why."""

    def talk(guest):
        guest.recv(1000)
        guest.sendall(packet)
        guest.recv(1000)

    events: asyncio.Queue[str] = asyncio.Queue()
    with serving(talk) as port:
        link = Link(LinkSettings("127.0.0.1", port, "one"), on_down=events.put_nowait)
        running = asyncio.create_task(link.run())
        said = await events.get()
        running.cancel()
    [card] = cards(view(uplink=CUT._replace(problem=f"no connection to the broker: {said}")))

    assert card.title == "The broker cannot be reached"
    assert f"What happened: no connection to the broker: {anonymous(said)}." in "".join(map(str, card.meaning))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", "larger than 4 MiB"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", "compressed"),
        (b"\x00\xff\xfe garbage \r\n\r\n", "HTTP"),
    ],
)
async def test_a_camera_that_sends_a_bomb_or_garbage(answer, says):
    """It is not unpacked and not believed; the page names the camera, what it sent, and the next step."""

    def talk(guest):
        guest.recv(1000)
        guest.sendall(answer)
        guest.recv(1000)

    async with aiohttp.ClientSession(auto_decompress=False) as session:
        with serving(talk) as port:
            device = Device("door", f"127.0.0.1:{port}", ZoneInfo("UTC"), session, lambda: NOW)
            with pytest.raises(SensorError) as caught:
                await Access(device).get("/")
    trouble = "answer not understood" if isinstance(caught.value, Garbled) else "no answer"
    silent = sensor(0, up=False, problem=str(caught.value), trouble=trouble)
    [card] = cards(view(sensors=(silent, sensor(1))))

    assert card.title in ("Main door, left answers in a way that is not understood", "Main door, left does not answer")
    assert says in "".join(map(str, card.meaning))
    assert card.step
