"""The agent as a process: how long until its page answers, how long until its kernels run, how much memory it takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Figure, cpu_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SENSORS = 16
PATIENCE = 30.0
IDLE = 20.0  # seconds in which no camera answers and nobody looks at the page

# The libraries alone, with a page: what no agent of this make can be faster or smaller than.
SKELETON = """
import sys
import aiohttp.web, aiosqlite, jinja2, numpy, paho.mqtt.client, pydantic, structlog
async def page(request): return aiohttp.web.Response(text="ok")
app = aiohttp.web.Application(); app.router.add_get("/", page)
async def listening(app): pass
async def main():
    import asyncio, json, os, pathlib
    runner = aiohttp.web.AppRunner(app); await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0); await site.start()
    part = pathlib.Path(sys.argv[1] + ".part")
    part.write_text(json.dumps({"page": f"http://127.0.0.1:{runner.addresses[0][1]}"})); part.replace(sys.argv[1])
    await asyncio.Event().wait()
import asyncio; asyncio.run(main())
"""


def configuration(folder: Path, kernels: str) -> Path:
    """A store of sixteen cameras none of which answers, and no broker: the agent alone."""
    sensors = [f"cam-{n}" for n in range(SENSORS)]
    (folder / "layout.toml").write_text(
        'version = "1"\neffective_from = 2026-01-01\ntime_zone = "Europe/Lisbon"\n'
        + "".join(f'[[sensor]]\nid = "{name}"\nline = [{{number = 1}}, {{number = 2}}]\n' for name in sensors)
    )
    file = folder / "agent.toml"
    file.write_text(
        '[store]\ntenant = "bench"\nid = "s"\n[device]\nid = "d"\n[buffer]\npath = "buffer.db"\n'
        '[mqtt]\nhost = "127.0.0.1"\nport = 1\n[page]\nport = 0\n[cameras]\nloopback = true\n'
        f'[kernels]\nmode = "{kernels}"\n[log]\nlevel = "error"\n'
        + "".join(f'[[sensor]]\nid = "{name}"\ndriver = "milesight"\naddress = "127.0.0.1:1"\n' for name in sensors)
    )
    return file


@contextmanager
def started(command: list[str], ready: Path) -> Iterator[tuple[float, str, int]]:
    """Seconds until the page answered, its address, the process; stopped at the end."""
    ready.unlink(missing_ok=True)
    before = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not ready.exists():
            if process.poll() is not None or time.perf_counter() - before > PATIENCE:
                raise RuntimeError(f"{command[1:4]} did not start: {process.stderr.read().decode()[-2000:]}")
            time.sleep(0.002)
        page = json.loads(ready.read_text())["page"]
        fetch(page)
        yield time.perf_counter() - before, page, process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stderr.close()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - our own loopback address
        return answer.read()


def memory_mb(pid: int) -> float:
    """Resident megabytes now."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def kernels_ready(page: str) -> None:
    deadline = time.perf_counter() + PATIENCE
    while json.loads(fetch(f"{page}/api/health"))["kernels"] == "warming" and time.perf_counter() < deadline:
        time.sleep(0.01)


def starting() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.json")
        skeleton = [sys.executable, "-c", SKELETON, str(ready)]
        config = {mode: _own(Path(folder, mode), mode) for mode in ("python", "numba")}
        agent = {mode: [sys.executable, "-m", "agent", "run", "--config", str(config[mode])] for mode in config}
        taken: dict[str, list[float]] = {"skeleton": [], "numba": [], "kernels": []}
        size: dict[str, float] = {}
        for _ in range(5):
            with started(skeleton, ready) as (seconds, _page, pid):
                taken["skeleton"].append(seconds)
                size["skeleton"] = memory_mb(pid)
            with started([*agent["numba"], "--ready-file", str(ready)], ready) as (seconds, page, pid):
                taken["numba"].append(seconds)
                before = time.perf_counter()
                kernels_ready(page)
                taken["kernels"].append(seconds + time.perf_counter() - before)
                size["numba"] = memory_mb(pid)
        with started([*agent["python"], "--ready-file", str(ready)], ready) as (_, page, pid):
            kernels_ready(page)
            time.sleep(1)
            size["python"] = memory_mb(pid)
            before = cpu_of(pid)
            time.sleep(IDLE)
            idle = (cpu_of(pid) - before) / IDLE
    skeleton_s, page_s, kernels_s = (sorted(taken[name])[2] for name in ("skeleton", "numba", "kernels"))
    libraries = "libraries and a bare page"
    return [
        Figure(f"start until the page answers, {SENSORS} sensors", page_s, "s", 0.6, skeleton_s, libraries),
        Figure("  until the kernels are compiled (warm cache)", kernels_s, "s", 2.0),
        Figure("resident memory, kernels in Python", size["python"], "MB", 95.0, size["skeleton"], libraries),
        Figure("  with numba", size["numba"], "MB", 210.0, size["skeleton"], libraries),
        Figure("nothing happens: share of a core", idle * 100, "%", 5.0),
    ]


def _own(folder: Path, mode: str) -> Path:
    folder.mkdir()
    return configuration(folder, mode)
