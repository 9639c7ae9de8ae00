"""What the machine says of itself: is its clock set, how warm is it, how much room has its disk."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

TIMEX = 256  # bytes; the kernel's struct timex has 208
TIME_ERROR = 5  # the kernel's word for a clock that nobody keeps right
TIMESYNC = Path("/run/systemd/timesync/synchronized")
THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")


def clock_sync() -> str:
    """`ntp` where the kernel knows its clock to be kept right (ntpd, chrony, timesyncd), `none` where it is not.

    `unknown` where the kernel may not be asked: a sandbox can forbid even reading.
    """
    if TIMESYNC.exists():
        return "ntp"
    answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX))  # modes = 0: reads only
    if answer < 0:
        return "unknown"
    return "none" if answer == TIME_ERROR else "ntp"


def temperature() -> float | None:
    """Degrees Celsius of the processor, None where it does not tell."""
    with suppress(OSError, ValueError):
        return round(int(THERMAL.read_text(encoding="ascii")) / 1000, 1)
    return None


def free_bytes(path: Path) -> int | None:
    """Room on the disk of a file for whoever is not root; None where its folder cannot even be looked at."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
