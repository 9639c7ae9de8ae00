"""Power cuts, kills and migrations, in the short form; `run.py powercut` has the long one."""

import os
import shutil

import pytest

from tests.campaigns.powercut import cuts, kills, states
from tests.campaigns.powercut.killer import NUMBERS

REQUIRED = bool(os.environ.get("FOOTFALL_REQUIRE_ALL"))
traced = pytest.mark.skipif(shutil.which("strace") is None and not REQUIRED, reason="strace is missing")
CALLS = ["pwrite64", "fdatasync", "pwrite64", "fsync", "rename", "unlink"]
TWO_THREADS = """
import os, sys, threading
name = sys.argv[1]
file = os.open(name, os.O_WRONLY | os.O_CREAT)
def begin():
    os.pwrite(file, b"a", 0)
    os.fdatasync(file)
thread = threading.Thread(target=begin)
thread.start()
thread.join()
os.pwrite(file, b"b", 1)
os.fsync(file)
os.rename(name, name + "-b")
os.unlink(name + "-b")
"""
killed = pytest.mark.skipif(not NUMBERS and not REQUIRED, reason="this machine's system calls are not in killer.py")


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


@killed
def test_a_life_killed_at_a_write_goes_on_where_it_was():
    """Killed at some of its writes and syncs: nothing promised is gone, and the next start ends the work."""
    told = kills.lives(every=70)

    assert told["kills"] >= 3
    assert told["next"] is None
    assert told["problems"] == []


@killed
def test_a_migration_killed_at_a_write_leaves_the_old_schema_or_the_new():
    """Never one between; started again, it ends with every row under its seal."""
    told = kills.migrations(every=11)

    assert told["kills"] >= 3
    assert told["next"] is None
    assert told["problems"] == []


@killed
def test_a_salvage_killed_at_a_write_saves_no_row_less():
    """Whatever call of it was not made: the next start saves the same rows and tells the same numbers as lost."""
    told = kills.salvages(every=35)

    assert told["kills"] >= 3
    assert told["next"] is None
    assert told["problems"] == []
    assert told["rows_saved"] > 0
    assert len(told["told"]) == 1


@killed
def test_no_kind_of_call_and_no_thread_escapes_the_killer(tmp_path):
    """Writes, syncs and renames of two threads are counted together, and the one that is due is not made."""
    (tmp_path / "program.py").write_text(TWO_THREADS)
    met, left = [], []
    for number in range(1, 8):
        file = tmp_path / f"file-{number}"
        met.append(kills.killed_at(number, tmp_path / "told", str(tmp_path / "program.py"), str(file)))
        left.append(file.read_text() if file.exists() else None)

    assert [call.split()[0].removesuffix("at") for call in met[:6]] == CALLS
    assert left == ["", "a", "a", "ab", "ab", None, None]
    assert met[6] == ""


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
