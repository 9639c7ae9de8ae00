"""The rig must be able to start, kill, restart and end whatever it starts, and find what detached itself."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.rig.broker import Broker, mosquitto_path
from tests.rig.processes import Process, ProcessError, Unit, living_in, run_once, sweep

if TYPE_CHECKING:
    from pathlib import Path


def shell(folder: Path, script: str, name: str = "it") -> Process:
    return Process(name, ["/bin/sh", "-c", script], folder, {})


async def test_a_killed_unit_comes_back_under_another_pid(tmp_path: Path):
    """SIGKILL ends it, the keeper starts it again, and stopping it ends the keeper too."""

    ready = tmp_path / "ready.json"
    unit = Unit(shell(tmp_path, f"echo '{{\"pid\": '$$'}}' > {ready}; exec sleep 60"), ready)
    first = (await unit.start())["pid"]

    assert await unit.kill() > 0
    second = unit.process.pid
    await unit.stop()

    assert second not in {None, first}
    assert unit.restarts == 1
    assert unit.process.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


async def test_an_early_end_is_told_with_the_log(tmp_path: Path):
    """A process that ends before it is ready is an error that carries what it said last."""

    process = shell(tmp_path, "echo no such camera; exit 3")
    await process.start()

    with pytest.raises(ProcessError, match="no such camera"):
        await process.ready(tmp_path / "never.json")
    with pytest.raises(ProcessError, match="status 3"):
        await run_once(process)


async def test_what_detached_itself_is_found_by_its_folder(tmp_path: Path):
    """A daemon in a session of its own is swept because it lives in the rig's folder."""

    daemon = await asyncio.create_subprocess_exec("sleep", "60", cwd=tmp_path, start_new_session=True)
    assert list(living_in(tmp_path)) == [daemon.pid]

    await sweep(tmp_path)

    assert not any(living_in(tmp_path))
    assert await daemon.wait() < 0


@pytest.mark.parametrize("mosquitto", [True, False])
async def test_a_killed_broker_listens_again_on_its_port(tmp_path: Path, *, mosquitto: bool):
    """Both brokers start on loopback, survive SIGKILL and keep their port."""

    if mosquitto and mosquitto_path() is None and not os.environ.get("FOOTFALL_REQUIRE_ALL"):
        pytest.skip("Mosquitto is not installed: apt install mosquitto")
    broker = Broker(tmp_path, {}, mosquitto=mosquitto)
    await broker.start()
    port = broker.port

    await broker.kill()
    await broker.stop()

    assert broker.port == port
    assert broker.name == ("mosquitto" if mosquitto else "amqtt")
