"""An enrolled agent as a process: it needs nothing in its configuration but the broker's name."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import aiohttp
import pytest

from tests.enrol.network import CHECKOUT

pytestmark = pytest.mark.timeout(180)


class Running:
    """`footfall-agent run`, ended by its own pid."""

    def __init__(self, store) -> None:
        self._ready = store.folder / "ready.json"
        self._file = store.folder / "agent.log"
        self._log = (store.folder / "agent.log").open("w")
        command = [sys.executable, "-m", "agent", "run", "--config", str(store.file), "--ready-file", str(self._ready)]
        self.process = subprocess.Popen(command, cwd=CHECKOUT, stdout=self._log, stderr=self._log)

    def __enter__(self):
        while not self._ready.exists():
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        self._page = json.loads(self._ready.read_text())["page"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._log.close()

    @property
    def log(self) -> str:
        return self._file.read_text()

    async def page(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(self._page) as answer:
            return await answer.text()


async def test_an_enrolled_agent_reaches_headquarters_and_a_revoked_one_says_so(network):
    """Certificate and topics are right without a line of configuration; revoked, the page names what to do."""
    store = network.store("dev-run", reconnect_cap=1)
    assert store.enrol(network.url, "--code", network.code("dev-run")).returncode == 0
    with Running(store) as agent:
        while not await network.hq.ask("SELECT 1 FROM epochs WHERE device = 'dev-run'"):
            assert agent.process.poll() is None
        assert "The broker refuses this device" not in await agent.page()

        assert network.hq.command("device", "revoke", "dev-run").returncode == 0
        network.stop_broker()
        network.start_broker()
        while "The broker refuses this device" not in await agent.page():
            assert agent.process.poll() is None
            await asyncio.sleep(0.2)
