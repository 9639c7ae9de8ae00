"""The agent as its list of parts: built from the bottom up, closed in reverse."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sqlite3
import sys
import zlib
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from aiohttp.web import AppRunner, UnixSite

from agent.alerting import Alerting, open_alerting
from agent.buffer.refuge import NotKept, Refuge, open_somewhere
from agent.contract.topics import Branch
from agent.desired import Trial
from agent.enrol import identity
from agent.enrol.renewal import Renewal
from agent.enrol.trial import try_broker
from agent.foundation import systemd
from agent.foundation.clock import Clock, parse_clock
from agent.foundation.dial import TlsSettings
from agent.foundation.logs import configure
from agent.foundation.mqtt import LinkSettings
from agent.foundation.tasks import install_stop_signals, run_until_stopped
from agent.foundation.toml import ConfigurationError
from agent.foundation.trust import known_time
from agent.last_good import choose, keep
from agent.runtime.attendance import Attendance
from agent.runtime.audits import Audits
from agent.runtime.collector import Collector
from agent.runtime.cycle import Cycle
from agent.runtime.doubt import Doubt, awaits_sync, never
from agent.runtime.orders import Orders
from agent.runtime.report import About, Parts, Report
from agent.runtime.supervisor import feed_watchdog, warm_kernels
from agent.runtime.vitals import Vitals
from agent.senders import open_senders
from agent.sensors import camera_session, open_backfill, open_poller
from agent.settings import DISK_FAILED, WRONG_CONFIGURATION, Configuration
from agent.sync.desk import Desk
from agent.sync.uplink import Contact, Sender, Sources, Timing, Uplink
from agent.web.local import local_application
from agent.web.page import application, serve
from agent.web.taking import Taking

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from agent.buffer.buffer import Buffer
    from agent.runtime.backfill import Backfill
    from agent.runtime.poller import Poller
    from agent.web.local import Wish

log = structlog.get_logger()

SPREAD = 5.0  # seconds over which stores spread their tick


async def run(own: Configuration, problem: str, clock: Clock, ready_file: Path | None = None) -> bool:
    """Run the store until a signal, or until a part that should run for ever ends. Whether to start again at once.

    `problem` is what is wrong with a newer configuration, in whose place `own` runs; HQ's wishes are laid over it.
    """
    configure(own.settings.log.level)
    stop = asyncio.Event()
    trial = Trial(own, clock, stop.set)
    configuration = trial.configuration
    settings = configuration.settings
    configure(settings.log.level)
    install_stop_signals(stop)
    async with AsyncExitStack() as stack:
        buffer = await open_somewhere(configuration.buffer_path, clock, settings.buffer.cap_bytes)
        stack.push_async_callback(buffer.close)
        _say_at_start(buffer, problem)
        session = await stack.enter_async_context(camera_session(loopback=settings.cameras.loopback))
        pollers = [await open_poller(configuration, sensor, session, buffer, clock) for sensor in settings.sensor]
        fills = {one.sensor: await open_backfill(configuration, one, buffer, clock) for one in pollers}
        doubt = await _doubt(pollers, fills, buffer, clock)
        collector = Collector(pollers, fills, buffer, clock, offset=_offset(settings.device.id), doubt=doubt)
        stack.push_async_callback(collector.close)
        alerts = await open_alerting(configuration, buffer, clock, pollers)
        cycle = Cycle(buffer, configuration.layouts, clock, alerts.alarms)
        audits = Audits(buffer, configuration.layouts, clock)
        cycle.by_hand = audits.by_day
        await cycle.catch_up()
        contact = Contact()
        parts = Parts(buffer, pollers, fills, collector, cycle, contact, alerts.alarms, alerts.outgoing, audits, doubt)
        report = Report(parts, _about(configuration, problem), clock)
        orders = Orders(buffer, fills, report.health, settings.model_dump(mode="json"), clock)
        orders.taken_on = alerts.hq
        sources = Sources(report.health, lambda: _shown(cycle, alerts.open))
        uplink = _uplink(configuration, buffer, clock, sources, contact, orders, trial)
        vitals = Vitals(buffer, contact, pollers, lambda: _certificate_ends(configuration), clock.now())
        alerts.connect(uplink.raised, vitals.facts)
        if not problem:
            keep(own)
        senders = await open_senders(configuration, link_settings(configuration), pollers, buffer, clock, doubt, stack)
        wishes = _wishes(alerts, audits, Attendance(buffer, configuration.layouts, clock))
        url = await _open_page(configuration, report, alerts, wishes, buffer, stack)
        _tell_ready(ready_file, url, senders.port)
        tasks: dict[str, Coroutine[object, object, object]] = {
            "collector": collector.run(),
            "uplink": uplink.run(),
            "trial": trial.watch(),
            "cycle": cycle.run(),
            **alerts.tasks,
            "kernels": warm_kernels(report, settings.kernels.mode),
            "watchdog": feed_watchdog(collector, clock),
            **senders.tasks,
            **_renewal(configuration),
            **({"refuge": buffer.watch(stop.set)} if isinstance(buffer, Refuge) else {}),
            **{f"backfill {name}": one.run() for name, one in fills.items()},
        }
        await run_until_stopped(tasks, stop)
        again = trial.restarting or buffer.returning
        if not again:  # systemd would end a process that said so and goes on
            systemd.notify(systemd.STOPPING)
    return again


def _wishes(alerts: Alerting, audits: Audits, attendance: Attendance) -> dict[str, Wish]:
    """What the command line may ask of the running agent."""
    return {"count": audits.wish, "acknowledge": alerts.wish, "staff": attendance.wish}


def _offset(device: str) -> float:
    """Seconds after the minute at which this store ticks."""
    return zlib.crc32(device.encode()) % 1000 / 1000 * SPREAD


def _say_at_start(buffer: Buffer, problem: str) -> None:
    """What is not as it should be from the beginning."""
    if buffer.report:
        log.error("buffer_mended", what=buffer.report)
    if buffer.unusable:
        log.error("numbers_only_in_memory", why=buffer.unusable)
    if problem:
        log.error("last_good_configuration_runs", why=problem)


async def _doubt(pollers: Sequence[Poller], fills: Mapping[str, Backfill], buffer: Buffer, clock: Clock) -> Doubt:
    """What keeps rows back while this device's clock is not set; a clock that was given is believed."""
    floor = max([known_time(()), *(float(poller.book.answered) for poller in pollers)])
    made = await Doubt(buffer, clock, floor, awaits=awaits_sync if clock == Clock() else never).load()
    for poller in pollers:
        poller.doubted = lambda: made.doubted
    made.shifters += [poller.shift for poller in pollers] + [fill.shift for fill in fills.values()]
    return made


def _about(configuration: Configuration, problem: str) -> About:
    names = {sensor.id: sensor.name for sensor in configuration.layout.sensor}
    return About(
        configuration.settings.store.id,
        names,
        version("footfall"),
        problem,
        lambda: _certificate_ends(configuration),
    )


async def _open_page(
    configuration: Configuration,
    report: Report,
    alerts: Alerting,
    wishes: dict[str, Wish],
    buffer: Buffer,
    stack: AsyncExitStack,
) -> str:
    """Serve the page on its port and, for the command line, on the local socket; the page's URL."""
    settings, socket = configuration.settings.page, configuration.socket_path
    taking = Taking(alerts.here, configuration.secret(settings.pin_file), wishes["staff"])
    page = application(report.view, buffer.changed, hosts=settings.names, taking=taking)
    runner, port = await serve(page, settings.host, settings.port)
    stack.push_async_callback(runner.cleanup)
    local = AppRunner(local_application(page, wishes), access_log=None, shutdown_timeout=2.0)
    await local.setup()
    stack.push_async_callback(local.cleanup)
    try:
        socket.unlink(missing_ok=True)
        await UnixSite(local, str(socket)).start()
        socket.chmod(0o600)
        stack.callback(socket.unlink, missing_ok=True)
    except OSError as error:  # its folder may be the disk that cannot be used
        log.warning("no_local_socket", why=str(error))
    url = f"http://{settings.host}:{port}"
    log.info("page_listens", url=url)
    return url


def _uplink(
    configuration: Configuration,
    buffer: Buffer,
    clock: Clock,
    sources: Sources,
    contact: Contact,
    orders: Orders,
    trial: Trial,
) -> Uplink:
    mqtt, sender = configuration.settings.mqtt, _sender(configuration)
    desk = Desk(sender.branch, buffer, clock, orders.actions, trial)
    timing = Timing(mqtt.every, mqtt.resend_jitter)
    return Uplink(buffer, sender, link_settings(configuration), clock, sources, contact, timing, desk)


def _sender(configuration: Configuration) -> Sender:
    settings, layout = configuration.settings, configuration.layout
    return Sender(
        Branch(settings.store.tenant, settings.store.id, settings.device.id),
        secrets.token_hex(2),
        version("footfall"),
        layout.time_zone,
        layout.version,
        tuple(sensor.id for sensor in settings.sensor),
    )


def link_settings(configuration: Configuration) -> LinkSettings:
    """How this device reaches the broker."""
    settings, mqtt = configuration.settings, configuration.settings.mqtt
    return LinkSettings(
        mqtt.host,
        mqtt.port,
        client_id=f"{settings.device.id}-{secrets.token_hex(4)}",  # clones of a card do not throw each other out
        username=mqtt.username or (settings.device.id if mqtt.password_file else ""),
        password=configuration.secret(mqtt.password_file),
        version=mqtt.version,
        tls=_tls(configuration),
        reconnect_cap=mqtt.reconnect_cap,
    )


def _renewal(configuration: Configuration) -> dict[str, Coroutine[object, object, object]]:
    """Only who enrolled, and uses what enrolment brought, has somebody to renew it."""
    if configuration.settings.mqtt.ca_file or identity.read_identity(configuration.identity_path) is None:
        return {}
    branch = _sender(configuration).branch

    async def accepts(tls: TlsSettings) -> str:
        return await try_broker(replace(link_settings(configuration), tls=tls), branch)

    return {"renewal": Renewal(configuration.identity_path, accepts).run()}


def _certificate_ends(configuration: Configuration) -> float | None:
    """When the certificate that enrolment brought ends; of files that the settings name nobody keeps the date."""
    held = None if configuration.settings.mqtt.ca_file else identity.read_identity(configuration.identity_path)
    return held.ends if held else None


def _tls(configuration: Configuration) -> TlsSettings | None:
    mqtt = configuration.settings.mqtt
    if not mqtt.ca_file:
        return identity.tls_of(configuration.identity_path)
    return TlsSettings(
        *(configuration.named(name) if name else None for name in (mqtt.ca_file, mqtt.cert_file, mqtt.key_file))
    )


def _shown(cycle: Cycle, alerts: int) -> dict[str, dict[str, float]]:
    """What the live topics tell of the store and its zones."""
    return {**cycle.live, "store": {**cycle.live.get("store", {}), "alerts": alerts}}


def _tell_ready(ready_file: Path | None, url: str, push_port: int | None) -> None:
    systemd.notify(systemd.READY, systemd.status(f"page on {url}"))
    if ready_file:
        text = json.dumps({"page": url, "pid": os.getpid(), "push_port": push_port, "ready_s": round(_age(), 3)})
        ready_file.with_suffix(".part").write_text(text, encoding="utf-8")
        ready_file.with_suffix(".part").replace(ready_file)


def _age() -> float:
    """Seconds since this process began, to the kernel's hundredth."""
    began = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    up = Path("/proc/uptime").read_text(encoding="ascii").split()[0]
    return float(up) - int(began) / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str]) -> int:
    """`footfall-agent run`, without the command line's libraries: they would cost the daemon 20 MB."""
    parser = argparse.ArgumentParser("footfall-agent run", description="Count, keep, and bring to headquarters.")
    parser.add_argument("--config", type=Path, default=Path("/etc/footfall/agent.toml"))
    parser.add_argument("--clock", type=parse_clock, default=Clock(), help="60x,STORE,REAL: for demos and tests")
    parser.add_argument("--ready-file", type=Path, help="gets the page's address as JSON once it answers")
    options = parser.parse_args(arguments)
    try:
        configuration, problem = choose(options.config)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_CONFIGURATION
    try:
        if asyncio.run(run(configuration, problem, options.clock, options.ready_file)):
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line, as it was
    except KeyboardInterrupt:
        pass
    except (NotKept, sqlite3.OperationalError) as error:
        sys.stderr.write(f"footfall-agent: the disk takes nothing: {error}\n")
        return DISK_FAILED
    return 0
