"""Who used the processor in a stretch of time, and how much memory a process had at most."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LOOK = 0.1


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of these processes and of their children that have ended, together."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(word) for word in words[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and its children."""
    with suppress(OSError):
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    return [pid]


async def shares(of: Mapping[str, Callable[[], Iterable[int]]], after: float, lasting: float) -> dict[str, float]:
    """The share of a core that each of these used in a stretch of time."""
    await asyncio.sleep(after)
    before, began = {name: cpu_seconds(pids()) for name, pids in of.items()}, time.monotonic()
    await asyncio.sleep(lasting)
    passed = time.monotonic() - began
    return {name: round((cpu_seconds(pids()) - before[name]) / passed, 3) for name, pids in of.items()}


def resident_mb(pid: int) -> float:
    """What a process has in memory now."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    return 0.0


async def most_resident_mb(pid: int, over: asyncio.Event) -> float:
    """The most that a process has in memory until something is over."""
    most = 0.0
    while not over.is_set():
        most = max(most, resident_mb(pid))
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), LOOK)
    return most
