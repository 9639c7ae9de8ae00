import pytest

from agent.kernels.registry import warm_up
from tests.kernels import table  # noqa: F401 - declares every kernel before they are compiled


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Every kernel compiled, into a cache of this run's own."""
    numba = pytest.importorskip("numba")
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(tmp_path_factory.mktemp("numba"))
    assert warm_up() == "numba"
    yield
    numba.config.CACHE_DIR = before
