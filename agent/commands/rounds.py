"""One round without the daemon: every sensor asked once, its memory of some hours read, all of it committed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

from agent.buffer.buffer import Buffer
from agent.contract.times import HOUR
from agent.runtime.backfill import Stretch
from agent.runtime.collector import Collector
from agent.runtime.poller import INTERVALS, settled_hour
from agent.sensors import camera_session, open_backfill, open_poller

if TYPE_CHECKING:
    from agent.foundation.clock import Clock
    from agent.runtime.backfill import Backfill
    from agent.runtime.poller import Poller
    from agent.settings import Configuration

PATIENCE = 300.0  # seconds for the memory of all sensors together


class Round(NamedTuple):
    """What came of one sensor's round: rows of its memory that were news, and hours of it that could not be read."""

    sensor: str
    answered: bool
    rows: int
    unread_hours: int
    problem: str


async def one_round(configuration: Configuration, clock: Clock, hours: int) -> list[Round]:
    """Ask every sensor now, then read the memory of the last `hours` of each that answered.

    Raises:
        OSError, sqlite3.Error: the buffer cannot be opened or written.
    """
    async with AsyncExitStack() as stack:
        settings = configuration.settings
        buffer = await Buffer.open(configuration.buffer_path, clock, settings.buffer.cap_bytes)
        stack.push_async_callback(buffer.close)
        session = await stack.enter_async_context(camera_session(loopback=settings.cameras.loopback))
        pollers = [await open_poller(configuration, sensor, session, buffer, clock) for sensor in settings.sensor]
        fills = {one.sensor: await open_backfill(configuration, one, buffer, clock) for one in pollers}
        collector = Collector(pollers, fills, buffer, clock)
        stack.push_async_callback(collector.close)
        await collector.tick(int(clock.now()) // 60 * 60)
        await collector.finish()
        answering = [one for one in pollers if one.condition.up]
        await buffer.append(state=_wanted(answering, fills, clock, hours))
        readers = [asyncio.create_task(fills[one.sensor].run_dry(), name=one.sensor) for one in answering]
        if readers:
            _, late = await asyncio.wait(readers, timeout=PATIENCE)
            for reader in late:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
    return [
        Round(
            one.sensor,
            one.condition.up,
            fills[one.sensor].progress.rows,
            fills[one.sensor].progress.total - fills[one.sensor].progress.done,
            one.condition.problem,
        )
        for one in pollers
    ]


def _wanted(answering: list[Poller], fills: dict[str, Backfill], clock: Clock, hours: int) -> dict[str, object]:
    state: dict[str, object] = {}
    for one in answering:
        until = settled_hour(clock.now(), one.zone)
        for kind in one.driver.cadence:
            if kind in INTERVALS and hours:
                state |= fills[one.sensor].add(Stretch(kind, until - hours * HOUR, until, first=True))
    return state
