"""What the machine says of itself, asked of this one."""

import shutil

from agent.foundation import machine


def test_the_kernel_tells_whether_its_clock_is_kept_right():
    """One of three words, without a right that a service does not have."""
    assert machine.clock_sync() in ("ntp", "none", "unknown")


def test_timesyncd_s_word_is_enough(tmp_path, monkeypatch):
    """Its file is there once it has set the clock."""
    monkeypatch.setattr(machine, "TIMESYNC", tmp_path)

    assert machine.clock_sync() == "ntp"


def test_a_temperature_is_in_degrees(tmp_path, monkeypatch):
    """The kernel counts thousandths; a machine without a sensor says nothing."""
    monkeypatch.setattr(machine, "THERMAL", tmp_path / "temp")
    assert machine.temperature() is None
    (tmp_path / "temp").write_text("48312\n")

    assert machine.temperature() == 48.3


def test_free_bytes_are_those_of_the_files_disk(tmp_path):
    """As df says it."""
    assert abs(machine.free_bytes(tmp_path / "buffer.db") - shutil.disk_usage(tmp_path).free) < 100_000_000
