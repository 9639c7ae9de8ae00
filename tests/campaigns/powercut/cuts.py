"""Real power cuts: ext4 on a loop image is shut down without flushing its log, so that unsynced pages are gone."""

from __future__ import annotations

import fcntl
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.campaigns.powercut.states import CYCLE, Promises, problems_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2
MEGABYTES = 32


class Unable(Exception):
    """This machine cannot do it, and why."""


def campaign(cuts: int, seed: int) -> dict[str, object]:
    """So many cuts in the middle of a life; the figures.

    Raises:
        Unable: not root, or the kernel refuses the image or the ioctl.
    """
    if os.geteuid() != 0:
        raise Unable("mounting an image needs root")
    dice = random.Random(seed)  # noqa: S311 - replayable on purpose
    bad: list[str] = []
    ticks = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        _run("truncate", "-s", f"{MEGABYTES}M", str(folder / "disk"))
        (folder / "mnt").mkdir()
        for cut in range(cuts):
            if cut % 10 == 0:
                _run("mkfs.ext4", "-q", "-F", str(folder / "disk"))
                (folder / "marks").write_text("")
            for promises in _one(folder, dice):
                ticks = max(ticks, promises.tick)
                bad += [f"cut {cut}: {problem}" for problem in problems_of(folder / "mnt", promises)]
    return {"cuts": cuts, "longest_life_in_ticks": ticks, "bad": len(bad), "problems": bad[:10]}


def _one(folder: Path, dice: random.Random) -> Iterator[Promises]:
    """One life on the disk until the power goes; what it had promised, with the disk mounted again."""
    disk, mount, marks = folder / "disk", folder / "mnt", folder / "marks"
    _run("mount", "-o", "loop", str(disk), str(mount))
    try:
        before = marks.stat().st_size
        life = subprocess.Popen(
            [sys.executable, str(CYCLE), str(mount), "100000", str(marks)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 20
            while marks.stat().st_size == before and life.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(dice.uniform(0.0, 0.3))
            # The ioctl lets an fdatasync that is under way return success without being durable: a bare write and
            # fdatasync lost its last record in 3 of 80 cuts. What was promised before the cut is what must hold.
            promised = marks.read_text()
            _cut(mount)
        finally:
            life.kill()
            life.wait()
    finally:
        _run("umount", str(mount))
    marks.write_text(promised)
    _run("mount", "-o", "loop", str(disk), str(mount))
    try:
        promises = Promises()
        promises.take(promised)
        yield promises
    finally:
        _run("umount", str(mount))


def _cut(mount: Path) -> None:
    descriptor = os.open(mount, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    except OSError as error:
        raise Unable(f"the kernel refuses to shut the file system down: {error}") from None
    finally:
        os.close(descriptor)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Unable(f"{command[0]}: {done.stderr.strip()}")
