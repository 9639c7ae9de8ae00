"""The receiver's parts, in the order in which they are made; closing is the reverse."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import structlog

from agent.foundation.dial import TlsSettings
from agent.foundation.mqtt import LinkSettings
from agent.foundation.systemd import READY, STOPPING, notify, status
from agent.foundation.tasks import install_stop_signals, run_until_stopped
from cloud_receiver.crew import Crew, Part, until_alone, write_ready
from cloud_receiver.database import registry
from cloud_receiver.database.migrate import migrate
from cloud_receiver.database.pool import AWAY, DatabaseAway, open_pool, persistently, remedy
from cloud_receiver.database.server import Server
from cloud_receiver.devices.authority import Authority
from cloud_receiver.devices.enrolment import Enrolment
from cloud_receiver.devices.listener import Listener
from cloud_receiver.ingest.inbox import Limits
from cloud_receiver.ingest.lanes import Lanes
from cloud_receiver.ingest.measures import Measures
from cloud_receiver.ingest.monitor import Monitor
from cloud_receiver.ingest.presence import Presence
from cloud_receiver.ingest.upkeep import Upkeep
from cloud_receiver.life import begin, follow, prepare, unless_stopped, watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from agent.foundation.clock import Clock
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.settings import Configuration

    Tasks: TypeAlias = dict[str, Coroutine[object, object, None]]

log = structlog.get_logger()

RECONNECT_CAP = 30.0  # s; one receiver, where a fleet of devices spreads over five minutes


async def run(configuration: Configuration, clock: Clock, ready_file: Path | None = None, workers: int = 1) -> None:
    """Receive until SIGTERM or SIGINT, alone or with several workers; also a start that waits ends at once."""
    stop = asyncio.Event()
    install_stop_signals(stop)
    async with AsyncExitStack() as parts:
        tasks = await unless_stopped(stop, _begin(parts, configuration, clock, ready_file, workers))
        parts.callback(notify, STOPPING)
        if tasks is not None:
            notify(READY, status("started" if workers == 1 else f"{workers} workers started"))
            await run_until_stopped(tasks, stop)
    log.info("receiver_stopped")


async def _begin(
    parts: AsyncExitStack, configuration: Configuration, clock: Clock, ready_file: Path | None, workers: int
) -> Tasks:
    url, own = configuration.settings.database.url, None
    if not url:
        server = Server(configuration.data_dir)
        parts.push_async_callback(server.stop)
        await server.start()
        # From here on, not only once all is up: a start waits for a database that goes away meanwhile.
        url, own = server.url, begin(parts, "database", server.watch())
    door = configuration.settings.enrolment
    pool = await parts.enter_async_context(open_pool(url)) if door.url else None
    if workers > 1:
        await _prepared(configuration, clock, url)
        tasks = _crew(configuration, clock, url, workers, ready_file).tasks
    else:
        part = Part(configuration.worker, url, 0, "")
        tasks = await _worker(parts, configuration, clock, part, ready_file, first=True)
    if own:
        tasks["database"] = follow(own)
    if pool:
        tasks["enrolment"] = _listener(configuration, pool).run(door.host, door.port)
    return tasks


async def _prepared(configuration: Configuration, clock: Clock, url: str) -> None:
    """The database made ready for workers; a monitor is told meanwhile that none is there yet."""
    measures, watched = Measures(), configuration.settings.monitor
    async with AsyncExitStack() as meanwhile:
        if watched.port:
            begin(meanwhile, "monitor", Monitor(measures, clock).run(watched.host, watched.port))
        await prepare(url, measures.moved)


async def run_part(configuration: Configuration, clock: Clock, part: Part) -> None:
    """Be one worker of several; the process that started it keeps the database."""
    stop = asyncio.Event()
    install_stop_signals(stop)
    async with AsyncExitStack() as parts:
        parent = begin(parts, "parent", until_alone(stop))
        ready = Path(part.ready) if part.ready else None
        tasks = await unless_stopped(stop, _worker(parts, configuration, clock, part, ready))
        if tasks is not None:
            await run_until_stopped({**tasks, "parent": follow(parent)}, stop)


def _crew(configuration: Configuration, clock: Clock, url: str, workers: int, ready_file: Path | None) -> Crew:
    port = configuration.settings.monitor.port
    parts = [
        Part(
            f"{configuration.worker}-{k + 1}",
            url,
            port + k if port else 0,
            str(ready_file.absolute().with_name(f"{ready_file.name}.{k + 1}")) if ready_file else "",
        )
        for k in range(workers)
    ]
    for part in parts:
        if part.ready:
            Path(part.ready).unlink(missing_ok=True)
    command = (sys.executable, "-m", "cloud_receiver.cli", "run", "--config", str(configuration.file))
    return Crew([*command, "--clock", clock.text], parts, ready_file)


async def _worker(
    parts: AsyncExitStack,
    configuration: Configuration,
    clock: Clock,
    part: Part,
    ready_file: Path | None,
    *,
    first: bool = False,
) -> Tasks:
    """What one worker runs, by name. Whoever watches over it is answered while it still waits for the database."""
    settings = configuration.settings
    pool = await parts.enter_async_context(open_pool(part.url, ingest=True))
    measures = Measures()
    monitor = Monitor(measures, clock, pool)
    early = []
    if port := part.port or settings.monitor.port:
        early.append(begin(parts, "monitor", monitor.run(settings.monitor.host, port)))
    if first:
        await prepare(part.url, measures.moved)
    early.append(begin(parts, "watchdog", watchdog(pool, measures, monitor.says)))
    upkeep = Upkeep(pool, clock, settings.retention.policy, measures)
    await upkeep.partitions()
    boot = await persistently(lambda: registry.next_boot(pool, part.worker), "boot", measures.moved)
    group = await persistently(lambda: registry.share_group(pool), "group", measures.moved)
    presence = Presence(settings.receiver.tenant, part.worker, boot, clock, group)
    limits = Limits(settings.limits.undecided, settings.limits.credit, remembered_s=settings.retention.remembered_s)
    lanes = monitor.lanes = Lanes(pool, clock, broker_of(configuration), presence, limits, measures)
    log.info("receiver_started", tenant=presence.tenant, worker=presence.worker, boot=boot)
    return {
        **lanes.tasks,
        **{task.get_name(): follow(task) for task in early},
        "upkeep": upkeep.run(),
        "ready": _ready(lanes, part.url, ready_file),
    }


@asynccontextmanager
async def database(configuration: Configuration) -> AsyncIterator[Pool]:
    """The database for one command: the running one where there is one, else our own for as long as it takes."""
    url = configuration.settings.database.url
    async with AsyncExitStack() as parts:
        if not url:
            server = Server(configuration.data_dir)
            url = server.url
            parts.push_async_callback(_stop_own, server)
            await server.start()
        try:
            await migrate(url)
        except (*AWAY, ValueError) as problem:
            if not configuration.settings.database.url:
                raise
            where = configuration.place("database", "url")
            raise DatabaseAway(f"{where}: {type(problem).__name__}: {problem} — {remedy(problem)}") from problem
        yield await parts.enter_async_context(open_pool(url))


async def _stop_own(server: Server) -> None:
    if not server.adopted:
        await server.stop()


def enrolment(configuration: Configuration, pool: Pool) -> Enrolment:
    """The authority, made where there is none yet, beside the registry. In real time, as TLS is."""
    return Enrolment(pool, Authority(configuration.authority_dir, time.time()), time.time)


def _listener(configuration: Configuration, pool: Pool) -> Listener:
    return Listener(
        enrolment(configuration, pool), configuration.authority_dir, (configuration.settings.enrolment.name,)
    )


def broker_of(configuration: Configuration) -> LinkSettings:
    """How the broker is reached; each connection has a client id of its own."""
    mqtt = configuration.settings.mqtt
    ca, cert, key = (
        configuration.beside(name) if name else None for name in (mqtt.ca_file, mqtt.cert_file, mqtt.key_file)
    )
    return LinkSettings(
        host=mqtt.host,
        port=mqtt.port,
        client_id="",
        username=mqtt.username,
        password=configuration.password,
        version=mqtt.version,
        tls=TlsSettings(ca, cert, key) if ca else None,
        reconnect_cap=RECONNECT_CAP,
    )


async def _ready(lanes: Lanes, url: str, ready_file: Path | None) -> None:
    """Tell whoever waits for the file once both lanes are subscribed; systemd does not wait for a broker."""
    await lanes.subscribed.wait()
    log.info("receiver_ready")
    if ready_file:
        write_ready(ready_file, url)
    await asyncio.Event().wait()
