"""The kernels' cache, filled by a process that ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LOADS = """
import json, resource
from agent.kernels import cache, occupancy, queues
from agent.kernels.registry import KERNELS, warm_up
filled, ran = cache.is_filled(), warm_up()
misses = [one.name for one in KERNELS if one.compiled.stats.cache_misses]
print(json.dumps({"filled": filled, "ran": ran, "kernels": len(KERNELS), "misses": misses}))
"""


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("numba")
    return folder


def _python(where: Path, *arguments: str) -> str:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(where)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout


def test_an_empty_cache_is_known_as_such_and_once_filled_nothing_is_compiled_again(where: Path) -> None:
    """What `python -m agent.kernels.cache` compiled, the agent only loads: compiling would leave it 85 MB larger."""
    told = "from agent.kernels import cache; print(cache.is_filled())"
    assert _python(where, "-c", told).strip() == "False"
    _python(where, "-m", "agent.kernels.cache")
    found = json.loads(_python(where, "-c", LOADS))
    assert found == {"filled": True, "ran": "numba", "kernels": found["kernels"], "misses": []}
    assert found["kernels"] > 0
