"""The one list of tests that may be skipped where everything is required, each with its reason."""

from __future__ import annotations

import os
import sys
import time

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine's load and nothing of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Part of the reason a skip gives: why it may be missing also from a complete machine.
ALLOWED = {
    "TimescaleDB is not in": "its licence keeps it out of the wheel and of Debian; a plain partitioned table is tested",
    "only root runs the database": "where nobody is root there is nobody to be somebody else for",
    "sslscan is an extra check": "the promise has a proof of its own",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("FOOTFALL_REQUIRE_ALL"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(part in reason for part in ALLOWED):
            report.outcome = "failed"
            report.longrepr = (
                f"{reason}: skipped, though FOOTFALL_REQUIRE_ALL is set and tests/conftest.py allows it not"
            )
    return report


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Every kernel compiled, into a cache of this run's own."""
    numba = pytest.importorskip("numba")
    from agent.kernels.registry import warm_up  # noqa: PLC0415 - most tests need no kernels
    from tests.kernels import table  # noqa: F401, PLC0415 - declares every kernel before they are compiled

    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(tmp_path_factory.mktemp("numba"))
    assert warm_up() == "numba"
    yield
    numba.config.CACHE_DIR = before


@pytest.fixture(autouse=True)
def _this_minute():
    """Rows that a simulated device counts now are fresh, however long the suite has been running."""
    headquarters = sys.modules.get("tests.sync.headquarters")
    if headquarters:
        headquarters.Shop.minute = int(time.time()) // 60 * 60
