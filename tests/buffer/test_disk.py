"""A disk that is full, read-only or failing: said, survived without haste, and everything is stored afterwards."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from agent.buffer.buffer import Buffer
from agent.buffer.room import FULL
from agent.contract import wire
from agent.contract.observation import Origin
from tests.buffer.samples import T0, Still, drained, row

CHECKOUT = Path(__file__).parents[2]
REQUIRED = bool(os.environ.get("FOOTFALL_REQUIRE_ALL"))


@pytest.fixture
def small_disk(tmp_path):
    """Four megabytes that can really be full."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the kernel refuses: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def minutes(first, count):
    return [
        row(T0 - 60 * 10**6 + 60 * i, T0 - 60 * 10**6 + 60 * i + 60, 1.0, origin=Origin.LIVE)
        for i in range(first, first + count)
    ]


async def test_a_full_disk_costs_the_oldest_rows_and_no_append(small_disk):
    """Six times as many rows as there is room for: each append succeeds, what went is told to the last number."""
    buffer = await Buffer.open(small_disk / "buffer.db", Still(), 10**9)
    for block in range(200):
        await buffer.append(minutes(block * 1000, 1000))

    tally = await buffer.tally()
    held = await buffer.rows_after(0, 10**6)
    told = [
        entry
        async for envelope in drained(buffer)
        if envelope.schema_ == wire.LEDGER
        for _, entry in wire.read_ledger(envelope)
    ]

    assert tally.dropped > 100_000
    assert len(held) > 20_000
    assert held[-1].observation == minutes(199_999, 1)[0]
    assert {entry.reason for entry in told} == {FULL}
    assert sum(b - a + 1 for entry in told for a, b in entry.numbers) == tally.dropped
    await buffer.close()


async def test_somebody_elses_file_fills_the_disk_and_goes_again(small_disk):
    """While nothing fits the append says so and changes nothing; with room it goes on, and the reserve is back."""
    buffer = await Buffer.open(small_disk / "buffer.db", Still(), 10**9)
    await buffer.append(minutes(0, 1000))
    (small_disk / "buffer.db.ballast").unlink()
    fill(small_disk / "filler")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        await append_until_it_fails(buffer)
    highest = buffer.highest
    (small_disk / "filler").unlink()
    buffer._prune_at = 0.0

    written = await buffer.append(minutes(90_000, 10))

    assert written[0].number == highest + 1
    assert (small_disk / "buffer.db.ballast").stat().st_size == 512 * 1024
    await buffer.close()


def fill(path):
    """Somebody's file that takes all the room there is."""
    with suppress(OSError), path.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(65536))


async def append_until_it_fails(buffer):
    for block in range(1, 40):
        await buffer.append(minutes(block * 1000, 1000))


AGENT = """
[store]
tenant = "acme"
id = "s1"
[device]
id = "pi-1"
[mqtt]
host = "127.0.0.1"
port = 9
[buffer]
path = "buffer.db"
[page]
port = 0
[kernels]
mode = "python"
[cameras]
loopback = true
[[sensor]]
id = "door"
driver = "milesight"
address = "127.0.0.1:9"
"""
LAYOUT = """
version = "1"
effective_from = 2026-01-01
time_zone = "UTC"
[[sensor]]
id = "door"
"""


@pytest.fixture
def running(tmp_path):
    """A real agent that lives sixty times as fast; its camera and its broker are not there."""
    (tmp_path / "agent.toml").write_text(AGENT)
    (tmp_path / "layout.toml").write_text(LAYOUT)
    command = [sys.executable, "-m", "agent", "run", "--config", str(tmp_path / "agent.toml"), "--clock", "60x"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with (tmp_path / "log").open("wb") as log:
        agent = subprocess.Popen(
            [*command, "--ready-file", str(tmp_path / "ready")], cwd=CHECKOUT, env=environment, stdout=log, stderr=log
        )
        try:
            patiently((tmp_path / "ready").exists)
            yield agent, json.loads((tmp_path / "ready").read_text())["page"]
        finally:
            agent.kill()
            agent.wait()


def patiently(claim, within=100.0):
    """Until it holds; a test that waits for what never comes fails."""
    deadline = time.monotonic() + within
    while not (found := claim()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
    return found


def health(page):
    with urllib.request.urlopen(f"{page}/api/health", timeout=10) as answer:  # noqa: S310 - our own page
        return json.loads(answer.read())


@pytest.mark.skipif(shutil.which("strace") is None and not REQUIRED, reason="strace is missing")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
def test_a_disk_that_fails_is_said_and_mends_without_a_restart(running, error):
    """The running agent's writes fail: it lives on, says so, and does not spin. They work again: it says nothing."""
    agent, page = running
    patiently(lambda: health(page)["bytes_written"] > 0)
    calls = "pwrite64,fdatasync,fallocate"
    strace = subprocess.Popen(
        [
            "strace",
            "-f",
            "-o",
            "/dev/null",
            "-p",
            str(agent.pid),
            "-e",
            f"trace={calls}",
            "-e",
            f"inject={calls}:error={error}",
        ],
        stderr=subprocess.PIPE,
    )
    try:
        if b"attached" not in strace.stderr.readline():
            pytest.skip("the kernel lets nobody attach")
        said = patiently(lambda: health(page).get("storing_problem"))
        before = cpu_seconds(agent.pid)
        time.sleep(3)
        spent = cpu_seconds(agent.pid) - before
    finally:
        strace.send_signal(signal.SIGINT)
        strace.communicate()

    assert "the buffer cannot be written" in said
    assert spent < 1.5
    assert agent.poll() is None
    patiently(lambda: health(page).get("storing_problem") is None)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(20) == 0


def cpu_seconds(pid):
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
