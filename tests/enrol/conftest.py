"""One headquarters for all tests of a module, below a folder that PostgreSQL's user may enter."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.enrol.network import Network


@pytest.fixture(scope="module")
def network():
    folder = Path(tempfile.mkdtemp(prefix="footfall-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    made = Network(folder)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.stop_broker()
        shutil.rmtree(folder)
