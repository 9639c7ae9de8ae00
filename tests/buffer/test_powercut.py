"""Power cuts, kills and migrations, in the short form; `run.py powercut` has the long one."""

import os
import shutil

import pytest

from tests.campaigns.powercut import cuts, kills, states

REQUIRED = bool(os.environ.get("FOOTFALL_REQUIRE_ALL"))
traced = pytest.mark.skipif(shutil.which("strace") is None and not REQUIRED, reason="strace is missing")


@traced
def test_any_unsynced_write_may_be_lost_or_torn():
    """Whatever subset of the unsynced writes reached the disk: it opens, nothing promised is gone, no half commit."""
    told = states.campaign(900, seed=3, ticks=24)

    assert told["states"] > 800
    assert told["problems"] == []


@traced
def test_the_check_can_fail():
    """On a disk that forgets every other sync the same check finds promises broken."""
    assert states.campaign(300, seed=3, ticks=24, honest=False)["bad"] > 0


@traced
def test_a_life_killed_at_a_write_goes_on_where_it_was():
    """Killed at some of its writes and syncs: nothing promised is gone, and the next start ends the work."""
    told = kills.lives(every=70)

    assert told["kills"] >= 3
    assert told["problems"] == []


@traced
def test_a_migration_killed_at_a_write_leaves_the_old_schema_or_the_new():
    """Never one between; started again, it ends with every row under its seal."""
    told = kills.migrations(every=11)

    assert told["kills"] >= 3
    assert told["problems"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting an image needs root")
def test_power_cuts_of_a_real_file_system():
    """Unsynced pages are really gone: ext4 is shut down without flushing its log, and mounted again."""
    try:
        told = cuts.campaign(3, seed=5)
    except cuts.Unable as why:
        if REQUIRED and "refuses" not in str(why):
            raise
        pytest.skip(str(why))

    assert told["problems"] == []
