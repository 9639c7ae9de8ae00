import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.receiver.hq import Headquarters
from tests.receiver.mosquitto import Mosquitto
from tests.sync.headquarters import BRANCH


@pytest.fixture
def broker(tmp_path):
    made = Mosquitto(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def receiver():
    """A real receiver with its PostgreSQL on a real broker, in a folder that the database's user may reach."""
    folder = Path(tempfile.mkdtemp(prefix="footfall-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    broker = Mosquitto(folder)
    broker.start()
    made = Headquarters(folder, broker.port)
    made.start()
    asyncio.run(made.register(BRANCH.device, BRANCH.store))
    yield made
    assert made.stop() == 0, made.log
    broker.kill()
    shutil.rmtree(folder)
