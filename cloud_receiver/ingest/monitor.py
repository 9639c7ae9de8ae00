"""What a monitor asks a receiver: is it alive, can it take batches, and its figures for Prometheus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cloud_receiver.database.overview import overview
from cloud_receiver.database.pool import AWAY

if TYPE_CHECKING:
    from agent.foundation.clock import Clock
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.ingest.lanes import Lanes
    from cloud_receiver.ingest.measures import Measures

log = structlog.get_logger()

STILL_TOO_LONG = 60.0  # s without a commit, an idle database's answer, or an attempt that failed
DATABASE_WITHIN = 5.0  # s


class Monitor:
    """A small HTTP listener, on loopback unless it is told otherwise. `lanes` are not there while a receiver starts."""

    def __init__(self, measures: Measures, clock: Clock, pool: Pool | None = None) -> None:
        self._measures, self._clock, self._pool = measures, clock, pool
        self.lanes: Lanes | None = None
        self._counting = asyncio.Lock()

    async def run(self, host: str, port: int) -> None:
        """Listen, for ever; a port that is taken is said, and does not stop the work."""
        application = web.Application(client_max_size=1024)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=15.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            log.info("monitor_listens", host=host, port=port)
        except OSError as problem:
            log.warning("monitor_does_not_listen", host=host, port=port, why=problem.strerror)
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    def says(self) -> str:
        """The line that `systemctl status` shows."""
        if self.lanes is None:
            return "waiting for the database"
        return "taking batches" if self.lanes.is_up else "waiting for the broker"

    async def _healthz(self, _request: web.Request) -> web.Response:
        still = self._measures.still
        moves = still < STILL_TOO_LONG
        return web.json_response({"ok": moves, "still_s": round(still, 1)}, status=200 if moves else 503)

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Whether a batch sent now would be committed soon."""
        broker, database = self.lanes is not None and self.lanes.is_up, await self._database_answers()
        ready = broker and database
        return web.json_response({"ok": ready, "broker": broker, "database": database}, status=200 if ready else 503)

    async def _database_answers(self) -> bool:
        try:
            async with asyncio.timeout(DATABASE_WITHIN):
                return self._pool is not None and await self._pool.fetchval("SELECT true")
        except AWAY:
            return False

    async def _metrics(self, _request: web.Request) -> web.Response:
        async with self._counting:
            await self._count_fleet()
        return web.Response(
            body=generate_latest(self._measures.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _count_fleet(self) -> None:
        """From the database, at each scrape: it knows of all workers, and still after a restart."""
        fleet = self._measures.fleet
        fleet.clear()
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(DATABASE_WITHIN):
                found = await overview(self._pool, int(self._clock.now()))
        except AWAY:
            return
        fleet.labels("devices").set(found.totals.devices)
        for name, part in found._asdict().items():
            if isinstance(part, list):
                fleet.labels(name).set(len(part))
