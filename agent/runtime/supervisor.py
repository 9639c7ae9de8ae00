"""Keeps the daemon honest: the watchdog is fed by progress alone, and kernels are compiled beside the work."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from typing import TYPE_CHECKING

import structlog

from agent.foundation import systemd
from agent.kernels import cache
from agent.kernels.registry import warm_up

if TYPE_CHECKING:
    from agent.foundation.clock import Clock
    from agent.runtime.collector import Collector
    from agent.runtime.report import Report

log = structlog.get_logger()

PATIENCE = 180.0  # seconds of the store's time without a commit, three ticks, and 30 real ones for a slow disk
SLOW_DISK = 30.0


async def feed_watchdog(collector: Collector, clock: Clock) -> None:
    """Tell systemd that all is well while ticks are committed; say nothing when they are not, and it restarts us."""
    loop = asyncio.get_running_loop()
    pause = (systemd.watchdog_seconds() or SLOW_DISK * 2) / 2
    began = loop.time()
    while True:
        # A disk that cannot be written is said on the page; a restart would only lose what memory still holds.
        alive = collector.last_commit or began
        if loop.time() - alive < clock.real(PATIENCE) + SLOW_DISK or collector.storing:
            systemd.notify(systemd.WATCHDOG)
        await asyncio.sleep(pause)


async def warm_kernels(report: Report, mode: str) -> None:
    """Compile the kernels while everything else already runs; then stay, as every part does."""
    report.kernels = await _compiled() if mode == "numba" else "python"
    log.info("kernels_ready", mode=report.kernels)
    await asyncio.Event().wait()


async def _compiled() -> str:
    if not cache.is_filled():
        # A first start, or the first after an upgrade. Where the child fails, the reason shows once more here.
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", cache.__name__, stderr=DEVNULL)
        try:
            await child.wait()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    return await asyncio.to_thread(warm_up)
