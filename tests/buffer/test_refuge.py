"""A disk that cannot be used from the start: the store counts on in memory, says so, and leaves in words."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from agent.buffer import refuge
from agent.buffer.refuge import NotKept, Refuge, open_somewhere
from agent.contract import wire
from tests.buffer.samples import HEAD, T0, Still, answer, drained, opened, row
from tests.buffer.test_disk import AGENT, CHECKOUT, LAYOUT, patiently

REQUIRED = bool(os.environ.get("FOOTFALL_REQUIRE_ALL"))


@pytest.fixture
def blocked(tmp_path):
    """A folder that cannot be made, because a file has its name."""
    (tmp_path / "disk").write_text("in the way")
    return tmp_path / "disk"


def values(envelope):
    return [numbered.observation.value for numbered in wire.read_observations(envelope)]


async def test_rows_of_memory_are_sent_and_the_rest_goes_to_the_disk_when_it_is_back(blocked, monkeypatch):
    """What HQ answered is not stored again; what it lacks, and the stages' books, are in the file after a restart."""
    monkeypatch.setattr(refuge, "LOOK_AGAIN", 0.01)
    buffer = await open_somewhere(blocked / "buffer.db", Still(), 10**9)
    assert isinstance(buffer, Refuge)
    assert "disk" in buffer.unusable
    await buffer.append([row(T0 - 3600 * 4, value=1.0)])
    await buffer.settle(answer(await buffer.cut("backlog", HEAD)))
    await buffer.append([row(T0 - 3600 * 3, value=2.0)], state={"poll:door": {"counter": 7}})
    stops = []
    async with refuge.asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(buffer.watch(lambda: (stops.append(True), watch.cancel())))
        blocked.unlink()
    await buffer.append([row(T0 - 3600 * 2, value=3.0)])  # between the look and the end
    await buffer.close()

    again = await opened(blocked)

    assert stops == [True]
    assert (again.unusable, again.report) == (
        "",
        "2 rows of buffer.older.db, written beside the buffer meanwhile, were taken over",
    )
    assert await again.state("poll:door") == {"counter": 7}
    assert [value async for envelope in drained(again) for value in values(envelope)] == [2.0, 3.0]
    await again.close()


async def test_what_is_lost_at_the_end_is_said(blocked):
    """The disk takes nothing to the last: how many rows HQ does not have; nothing to say where it has them all."""
    buffer = await open_somewhere(blocked / "buffer.db", Still(), 10**9)
    await buffer.append([row(T0 - 3600 * i, value=float(i)) for i in range(1, 4)])
    with pytest.raises(NotKept, match="3 rows that headquarters does not have are lost"):
        await buffer.close()

    empty = await open_somewhere(blocked / "buffer.db", Still(), 10**9)
    await empty.close()


async def test_memory_is_bounded(blocked):
    """Sixteen megabytes, whatever the disk was allowed; what goes is told like every other loss."""
    buffer = await open_somewhere(blocked / "buffer.db", Still(), 10**9)
    assert (await buffer.tally()).cap_bytes == 16 * 1024 * 1024

    buffer._cap = buffer._declared_cap = 200_000
    for day in range(40):
        await buffer.append([row(T0 - 10**7 + 3600 * (100 * day + i), value=1.0) for i in range(100)])
    told = await buffer.tally()

    assert told.used_bytes < 300_000
    assert told.dropped > 0
    with pytest.raises(NotKept):
        await buffer.close()


@pytest.fixture
def read_only(tmp_path):
    """A disk mounted read-only."""
    folder = tmp_path / "ro"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def living(tmp_path, folder, prefix=()):
    """A real agent on a disk that it cannot use: its page, its status, and how it leaves."""
    port = free_port()
    text = AGENT.replace('path = "buffer.db"', f'path = "{folder / "buffer.db"}"').replace("port = 0", f"port = {port}")
    (tmp_path / "agent.toml").write_text(text)
    (tmp_path / "layout.toml").write_text(LAYOUT)
    config = ["--config", str(tmp_path / "agent.toml")]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "agent"]
    with (tmp_path / "log").open("wb") as log:
        agent = subprocess.Popen(
            [*prefix, *command, "run", *config, "--ready-file", str(tmp_path / "ready")],
            cwd=CHECKOUT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            patiently((tmp_path / "ready").exists)
            ready = json.loads((tmp_path / "ready").read_text())
            page = urllib.request.urlopen(ready["page"], timeout=10).read().decode()  # noqa: S310 - our own page
            status = subprocess.run(
                [*command, "status", *config],
                cwd=CHECKOUT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            os.kill(ready["pid"], signal.SIGTERM)
            left = agent.wait(30)
        finally:
            agent.kill()
            agent.wait()
    text = " ".join(re.sub("<[^>]+>", " ", page.partition("<header")[2]).split())
    return text, " ".join(status.stdout.split()), left, (tmp_path / "log").read_text()


def judge(page, status, left, log, *, why):
    """The same words for every cause: what people read, what the command line says, and no traceback at the end."""
    assert "This device's storage cannot be used" in page.replace("&#39;", "'")
    assert "What it does not have yet is lost when the device loses power" in page
    assert why in page
    assert "storing_problem: numbers are kept in memory only" in status
    assert "Traceback" not in log
    assert left in (0, 74)
    assert (left == 74) == ("rows that headquarters does not have are lost" in log)


def test_an_agent_whose_folder_cannot_be_made(tmp_path, blocked):
    """It counts in memory and says so on the page and on the command line."""
    judge(*living(tmp_path, blocked), why="exists")


def test_an_agent_on_a_read_only_disk(tmp_path, read_only):
    """As above; not even its socket has a place."""
    judge(*living(tmp_path, read_only), why="unable to open database file")


@pytest.mark.skipif(shutil.which("strace") is None and not REQUIRED, reason="strace is missing")
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_an_agent_whose_disk_fails_from_the_start(tmp_path, error):
    """As above, where every write of the database fails."""
    folder = tmp_path / "disk"
    folder.mkdir()
    calls = "pwrite64,fdatasync,fallocate"
    prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
    judge(*living(tmp_path, folder, prefix), why={"EIO": "disk I/O error", "ENOSPC": "full"}[error])
