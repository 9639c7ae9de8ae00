import pytest

from tests.receiver.mosquitto import Mosquitto


@pytest.fixture
def broker(tmp_path):
    made = Mosquitto(tmp_path)
    made.start()
    yield made
    made.kill()
