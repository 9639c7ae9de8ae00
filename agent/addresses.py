"""Where cameras that send have to send: their secrets, checked, and what a technician enters into each of them."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.foundation.toml import ConfigurationError, named_file

if TYPE_CHECKING:
    import aiohttp

    from agent.drivers.base import Driver
    from agent.settings import Configuration, Sensor

_SECRET = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)
OTHERS = 0o077  # the permissions of a file that is not its owner's alone


def secrets_of(configuration: Configuration) -> dict[str, str]:
    """The secret of each sensor that sends over HTTP.

    Raises:
        ConfigurationError: one cannot be used; the text says how to make one.
    """
    found: dict[str, str] = {}
    for sensor in configuration.settings.sensor:
        name = sensor.push.secret_file
        if name:
            secret = configuration.secret(name).strip()
            path = named_file(configuration.file, name)
            if not _SECRET.fullmatch(secret):
                raise ConfigurationError(
                    f"{path}: the secret of {sensor.id} needs 16 to 128 letters, digits, dashes or underscores; make"
                    f" one with: (umask 077; openssl rand -hex 16 > {name})"
                )
            if path.stat().st_mode & OTHERS:
                raise ConfigurationError(f"{path}: others may read this secret; say: chmod 600 {name}")
            found[sensor.id] = secret
    return found


def path_of(sensor: str, secret: str) -> str:
    """The path that a camera sends to."""
    return f"/push/{quote(sensor)}/{secret}"


def told(configuration: Configuration, *, show: bool = False) -> list[str]:
    """What a technician enters into each camera that sends; the secrets only where `show` says so.

    Raises:
        ConfigurationError: a secret cannot be used.
    """
    settings, secrets = configuration.settings, secrets_of(configuration)
    lines = []
    for sensor in settings.sensor:
        if sensor.id in secrets:
            secret = secrets[sensor.id] if show else "…"
            url = f"http://ADDRESS:{settings.push.port}{path_of(sensor.id, secret)}"
            lines.append(f"{sensor.id}: enter in the camera, as where it sends its counts by HTTP POST: {url}")
        if not is_sent(sensor) and not _driver(configuration, sensor).cadence:
            lines.append(f"{sensor.id}: it only sends its counts, and nothing takes them: give it [sensor.push]")
        if sensor.push.topic:
            broker = settings.push.broker or settings.mqtt.host
            lines.append(f"{sensor.id}: let the camera publish at {broker} on {sensor.push.topic}")
    if secrets:
        hint = "" if show else " --secrets prints them with their secrets."
        lines.append(f"ADDRESS is this computer's on the cameras' network.{hint}")
    return lines


def is_sent(sensor: Sensor) -> bool:
    """Whether this sensor's messages are taken."""
    return bool(sensor.push.secret_file or sensor.push.topic or sensor.options.get("alerts"))


def check_senders(configuration: Configuration) -> None:
    """Whether every sensor whose messages are to be taken sends any, and its secret can be used.

    Raises:
        ConfigurationError: all that is wrong.
    """
    secrets_of(configuration)
    for sensor in configuration.settings.sensor:
        if is_sent(sensor):
            try:
                driver = _driver(configuration, sensor)
            except ValueError as error:
                raise ConfigurationError(f"{configuration.file}: {sensor.id}: {error}") from None
            if not hasattr(driver, "receive"):
                what = f"a {sensor.driver} camera of this kind does not send its counts; leave [sensor.push] out"
                raise ConfigurationError(f"{configuration.file}: {sensor.id}: {what}")


def _driver(configuration: Configuration, sensor: Sensor) -> Driver:
    """The sensor's driver, only to see what it is: it opens nothing, so that it needs no session."""
    none = cast("aiohttp.ClientSession", None)
    zone = configuration.zone_of(sensor)
    device = Device(sensor.id, sensor.address, zone, none, time.time, options=sensor.options)
    return brand(sensor.driver).open_driver(device)
