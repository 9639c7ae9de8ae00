"""A receiver starts, waits, works and stops; systemd and a monitor are told the truth meanwhile."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from pathlib import Path

import psutil
import pytest

from cloud_receiver.database.server import Server
from tests.receiver.hq import Headquarters, rows
from tests.receiver.mosquitto import Mosquitto, free_port
from tests.receiver.systemd import Systemd
from tests.receiver.test_desk import get
from tests.receiver.test_pressure import standing

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def systemd(folder):
    beside = Path(tempfile.mkdtemp(dir=folder))  # short: a socket's name has 107 bytes
    beside.chmod(0o755)
    with Systemd(beside) as made:
        yield made


def configure(folder, port: int, url: str, monitor: int = 0, worker: str = "") -> Headquarters:
    """A receiver on a database that others look after."""
    hq = Headquarters(folder, port, more=f"[monitor]\nport = {monitor}\n")
    text = hq.configuration.read_text().replace('data_dir = "hq"', f'url = "{url}"')
    hq.configuration.write_text(text.replace('tenant = "acme"', f'tenant = "acme"\nworker = "{worker}"'))
    return hq


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_start_without_a_database_is_ready_says_so_feeds_the_watchdog_and_ends_when_told(systemd, options):
    """systemd neither times the start out nor restarts it, a monitor sees what is missing, SIGTERM need not wait."""
    port = free_port()
    hq = configure(systemd.folder, free_port(), f"postgresql://footfall@127.0.0.1:{free_port()}/footfall", port)
    systemd.start(hq.configuration, *options)
    systemd.hears("READY=1")
    assert "STATUS=waiting for the database" in systemd.said[-1]
    for _ in range(3):
        systemd.hears("WATCHDOG=1")
    assert get(port, "/healthz")[0] == 200
    code, said = get(port, "/readyz")
    assert (code, json.loads(said)) == (503, {"ok": False, "broker": False, "database": False})
    assert "footfall_batches" in get(port, "/metrics")[1]

    systemd.process.send_signal(signal.SIGTERM)
    systemd.hears("STOPPING=1")
    assert systemd.process.wait(10) == 0
    assert "Traceback" not in (systemd.folder / "receiver.log").read_text()


async def test_a_database_that_comes_late_is_prepared_and_used(systemd):
    """The receiver that waited for it makes its tables and takes batches; it was never started again."""
    broker, server = Mosquitto(systemd.folder), Server(systemd.folder / "pg")
    broker.start()
    hq = configure(systemd.folder, broker.port, server.url)
    try:
        systemd.start(hq.configuration)
        await asyncio.to_thread(systemd.hears, "STATUS=waiting for the database")
        await server.start()
        await asyncio.to_thread(systemd.hears, "STATUS=taking batches")
        hq.url = server.url
        async with hq.device() as device:
            assert (await device.send(device.batch([(1, 3)], rows(3))))["st"] == "committed"
        systemd.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(systemd.process.wait, 10) == 0
    finally:
        await server.stop()
        broker.kill()


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
async def test_the_watchdog_is_fed_by_progress_only(systemd, options):
    """A process whose loop turns and whose work stands still is restarted; one that works on is not."""
    broker = Mosquitto(systemd.folder)
    broker.start()
    hq = Headquarters(systemd.folder, broker.port)
    hq.url = Server(systemd.folder / "hq").url
    try:
        systemd.start(hq.configuration, *options)
        for _ in range(3):
            await asyncio.to_thread(systemd.hears, "WATCHDOG=1")
        with standing(hq):  # idle, and yet the database of this receiver answers nothing
            await asyncio.to_thread(systemd.loses_patience)
        await asyncio.to_thread(systemd.hears, "WATCHDOG=1")
        systemd.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(systemd.process.wait, 30) == 0
    finally:
        broker.kill()


def test_a_start_that_is_stopped_while_it_makes_its_database_leaves_nothing(systemd):
    """No PostgreSQL, no half of one, and no trace back."""
    hq = Headquarters(systemd.folder, free_port())
    systemd.start(hq.configuration)
    while not (systemd.folder / "hq/data.new").exists():
        pass
    systemd.process.send_signal(signal.SIGTERM)
    assert systemd.process.wait(10) == 0
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if f"{systemd.folder}/hq" in " ".join(p.info["cmdline"] or [])
    ]
    assert "Traceback" not in (systemd.folder / "receiver.log").read_text()
