"""Opens the sensors of a configuration: one session for all, a poller each with its book, a backfill each."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import aiohttp

from agent.contract.times import DAY
from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.foundation import bounds
from agent.runtime import backfill, poller
from agent.runtime.backfill import Backfill, first_stretches
from agent.runtime.book import Book
from agent.runtime.poller import INTERVALS, Poller, settled_hour
from agent.runtime.readings import Memory
from agent.runtime.timing import Timepiece

if TYPE_CHECKING:
    from agent.buffer.buffer import Buffer
    from agent.foundation.clock import Clock
    from agent.settings import Configuration, Sensor

JUST_NOW = 600  # seconds: an hour that ended this recently is still the poller's, not the backfill's


def camera_session(*, loopback: bool) -> aiohttp.ClientSession:
    """The session all cameras of a store share; `loopback` lets in simulated ones on this machine."""
    # No cookies, no proxies from the environment, nothing inflated: a camera is a stranger.
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        connector=aiohttp.TCPConnector(
            limit=64, limit_per_host=2, ttl_dns_cache=60, socket_factory=bounds.socket_factory(loopback=loopback)
        ),
    )


async def open_poller(
    configuration: Configuration, sensor: Sensor, session: aiohttp.ClientSession, buffer: Buffer, clock: Clock
) -> Poller:
    """A sensor's poller with what it remembers.

    Raises:
        ValueError: an option of the sensor is wrong.
        ConfigurationError: its password file cannot be read.
    """
    zone, timepiece = configuration.zone_of(sensor), Timepiece()
    device = Device(
        sensor.id,
        sensor.address,
        zone,
        session,
        lambda: clock.now() + timepiece.shift,  # as the device's own clock shows it
        sensor.username,
        configuration.secret(sensor.password_file),
        sensor.options,
    )
    driver = brand(sensor.driver).open_driver(device)
    stored = await buffer.state(poller.state_name(sensor.id))
    book = Book.load(stored) if stored else Book()
    begins = settled_hour(clock.now() - JUST_NOW, zone)
    for kind in driver.cadence:
        if kind in INTERVALS:
            # After a damaged buffer earlier differences may be at HQ already: the first reading is only a baseline.
            book.memories.setdefault(kind, Memory(begins, cold=bool(buffer.report or buffer.unusable)))
    return Poller(sensor.id, driver, zone, book, clock.now, timepiece)


async def open_backfill(configuration: Configuration, one: Poller, buffer: Buffer, clock: Clock) -> Backfill:
    """A sensor's backfill: what was left to be read, or at its first start the days that the settings name."""
    history = configuration.settings.history
    stored = await buffer.state(backfill.state_name(one.sensor))
    if stored is None:
        sensor = next(sensor for sensor in configuration.settings.sensor if sensor.id == one.sensor)
        # A device that only sends, or tells running totals alone, has no memory to read.
        begins = settled_hour(clock.now() - JUST_NOW, one.zone)
        until = min((memory.settled for memory in one.book.memories.values()), default=begins)
        since = settled_hour(until - history.days * DAY, one.zone)
        if sensor.installed:
            hung = datetime.combine(sensor.installed, time.min, one.zone).astimezone(UTC).timestamp()
            since = max(since, int(hung)) if history.days else until
        stretches = first_stretches([kind for kind in one.driver.cadence if kind in INTERVALS], since, until)
        fill = Backfill(one, buffer, clock, stretches, pause=history.pause)
        await buffer.append(state={**fill.state(), poller.state_name(one.sensor): one.book.dump()})
        return fill
    return Backfill(one, buffer, clock, backfill.load(stored), pause=history.pause)
