"""What HQ does for its own tables: partitions, retention, batches kept raw until now, counters compared."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from cloud_receiver.database import health, partitions
from cloud_receiver.database.pool import Refused, persistently
from cloud_receiver.ingest import again

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.foundation.clock import Clock
    from cloud_receiver.database.partitions import Policy
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.ingest.measures import Measures

log = structlog.get_logger()

EVERY = 600.0  # real seconds
COMPARE_AT = 6  # o'clock UTC: what a night's work left is sent by then


class Upkeep:
    """Runs in every worker; what is being done by one is left alone by the others."""

    def __init__(self, pool: Pool, clock: Clock, policy: Policy, measures: Measures) -> None:
        self._pool, self._clock, self._policy, self._measures = pool, clock, policy, measures

    async def run(self) -> None:
        await self._tried(self._decode)
        while True:
            await self._tried(self._compare)
            await asyncio.sleep(EVERY)
            await self.partitions()

    async def partitions(self) -> None:
        """Have the partitions that are needed now, and drop those whose time is over."""
        await self._tried(self._keep)

    async def _tried(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await persistently(work, "upkeep", self._measures.moved)
        except Refused as problem:
            log.warning("upkeep_failed", why=str(problem))

    async def _keep(self) -> None:
        for name in await partitions.keep(self._pool, self._policy, int(self._clock.now())):
            log.info("partition_dropped", name=name)

    async def _decode(self) -> None:
        """After an upgrade: what was kept raw can be read."""
        done = await again.decode_raw(self._pool)
        if done:
            log.info("raw_batches_decoded", batches=done)

    async def _compare(self) -> None:
        now = int(self._clock.now())
        if now % 86_400 >= COMPARE_AT * 3600:
            differing = await health.compare(self._pool, now)
            for mismatch in differing:
                log.warning("counters_differ", device=mismatch.device, why=mismatch.text)
            self._measures.mismatches.set(len(differing))
