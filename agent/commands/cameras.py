"""The installer's commands about cameras: discover, camera test, camera add."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import time
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import aiohttp
import typer
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Table

from agent.commands.adding import add_camera
from agent.commands.described import Described, Wanted, describing, wanted
from agent.commands.spoken import CONFIG, JsonOption, configuration, end
from agent.contract.layout import SensorRole
from agent.discovery.sweep import fingerprint
from agent.drivers.base import Device
from agent.drivers.reading.brands import brand
from agent.foundation import bounds
from agent.foundation.toml import ConfigurationError
from agent.runtime.checkup import Checkup, Outcome, Step, is_well, reach
from agent.settings import WRONG_CONFIGURATION, Configuration, Sensor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.discovery.scan import Scan

cameras = typer.Typer(no_args_is_help=True, help="Try a camera, and add one.")

Loopback = Annotated[bool, typer.Option(help="allow a simulated camera on this machine", hidden=True)]


def discover(
    *,
    interface: Annotated[str, typer.Option(help="look on this network card alone")] = "",
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="also ask every address of this range, such as 192.0.2.0/24")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="how long to listen for answers")] = 4.0,
    as_json: JsonOption = False,
) -> None:
    """Find the cameras of this network: by WS-Discovery and mDNS, and with --range by asking every address."""
    from agent.discovery.scan import interfaces, scan  # noqa: PLC0415 - zeroconf takes 12 MB that only this needs

    async def looked() -> Scan:
        async with _session(loopback=False, limit=64) as session:
            return await scan(interfaces(interface), ranges or [], seconds, session)

    try:
        found = asyncio.run(looked())
    except ValueError as error:
        end(str(error))
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=1))
    else:
        _print_scan(found)
    raise typer.Exit(0 if found.found else 1)


def _as_json(found: Scan) -> dict[str, Any]:
    return {
        "interfaces": [one._asdict() for one in found.interfaces],
        "ranges": list(found.ranges),
        "ports": list(found.ports),
        "seconds": found.seconds,
        "problems": list(found.problems),
        "found": [
            {
                "address": one.address,
                "brand": one.brand,
                "model": one.model,
                "serial": one.serial,
                "name": one.name,
                "mac": one.mac,
                "told_by": sorted(one.told_by),
                "asks_login": one.asks_login,
            }
            for one in found.found
        ],
    }


def _print_scan(found: Scan) -> None:
    console = Console()
    where = ", ".join(f"{one.name} ({one.address}, network {one.network})" for one in found.interfaces)
    console.print(f"Looked by WS-Discovery and mDNS for {found.seconds:g} s on {where}.", highlight=False)
    ports = " and ".join(map(str, found.ports))
    if found.ranges:
        console.print(f"Asked every address of {', '.join(found.ranges)} on ports {ports}.", highlight=False)
    else:
        network = found.interfaces[0].network
        console.print(f"No range was asked address by address; --range {network} does that.", highlight=False)
    for problem in found.problems:
        console.print(f"[bold]{problem}[/bold]")
    if not found.found:
        console.print(
            "Nothing answered. Multicast does not cross a VLAN or a router: name the cameras' range with --range, or"
            " look at a camera's address in the router, and try footfall-agent camera test ADDRESS."
        )
        return
    table = Table("address", "brand", "model or name", "MAC", "noticed by", box=box.SIMPLE)
    table.columns[3].no_wrap = table.columns[0].no_wrap = True
    for one in found.found:
        brand_name = one.brand or ("asks for a log-in" if one.asks_login else "unknown")
        model = " ".join(filter(None, (one.model or one.name, one.serial and f"({one.serial})")))
        table.add_row(one.address, brand_name, model, one.mac, ", ".join(sorted(one.told_by)))
    console.print(table)
    first = next((one for one in found.found if one.brand), found.found[0])
    console.print(f"Next: footfall-agent camera test {first.address} --username NAME", highlight=False)


class Tried(NamedTuple):
    """What came of trying one: its steps, the places that told something, and its driver."""

    steps: list[Step]
    places: set[str]
    driver: str


@cameras.command("test")
@describing
def try_camera(
    camera: Annotated[str, typer.Argument(help="a sensor's id in agent.toml, or an address such as 192.0.2.10")],
    described: Described,
    *,
    loopback: Loopback = False,
    as_json: JsonOption = False,
) -> None:
    """Reach it, log in, ask who it is and for every kind of data, read, compare clocks, show one number."""
    config = described.config
    settings = None if config == CONFIG and not config.exists() else configuration(config)
    known = _of_configuration(settings, camera) if settings else None
    loopback = loopback or bool(settings and settings.settings.cameras.loopback)
    one = known or wanted(camera, camera, described)
    tried = asyncio.run(_tried(one, loopback=loopback, aloud=not as_json))
    if as_json:
        typer.echo(json.dumps([step._asdict() for step in tried.steps], indent=1))
    elif not is_well(tried.steps):
        typer.echo("This camera cannot be used yet; the lines above say why and what to do.")
    elif known:
        typer.echo("This camera can be used. It is in the configuration: footfall-agent status shows it as it runs.")
    else:
        account = f" --username {one.username}" if one.username else ""
        add = f"footfall-agent camera add ID {one.address} --driver {tried.driver}{account}"
        typer.echo(f"This camera can be used. Next: {add}")
    raise typer.Exit(0 if is_well(tried.steps) else 1)


@cameras.command("add")
@describing
def add(
    name: Annotated[str, typer.Argument(metavar="ID", help="the name its numbers will carry for ever")],
    address: Annotated[str, typer.Argument(help="host or host:port")],
    described: Described,
    *,
    role: Annotated[SensorRole, typer.Option(help="what it is there for")] = SensorRole.ENTRANCE,
    installed: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the day it was put up")] = None,
    force: Annotated[bool, typer.Option(help="write it although it does not pass the test")] = False,
) -> None:
    """Test a camera, and write it into agent.toml and the layout where it passed."""
    settings = configuration(described.config)
    if any(sensor.id == name for sensor in settings.settings.sensor):
        end(f"{described.config}: there is a sensor {name} already; every camera has a name of its own")
    one = wanted(name, address, described, settings.layout.time_zone)
    tried = asyncio.run(_tried(one, loopback=settings.settings.cameras.loopback, aloud=True))
    if not tried.driver or not (is_well(tried.steps) or force):
        end("Nothing was written: it did not pass." + (" --force writes it all the same." if tried.driver else ""), 1)
    try:
        sensor = Sensor(
            id=name,
            driver=tried.driver,
            address=one.address,
            zone=described.zone or None,
            username=one.username,
            password_file=f"{name}.password" if one.username else "",
            installed=installed.date() if installed else None,
            options=one.options,
        )
        typer.echo(add_camera(settings, sensor, role, tried.places, one.password))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        end(f"{'.'.join(map(str, first['loc']))}: {first['msg']}; nothing was written", WRONG_CONFIGURATION)
    except ConfigurationError as error:
        end(str(error), WRONG_CONFIGURATION)
    typer.echo("Next: say in the layout what its lines mean, footfall-agent check, systemctl restart footfall-agent")


def _of_configuration(found: Configuration, name: str) -> Wanted | None:
    for sensor in found.settings.sensor:
        if sensor.id == name:
            try:
                password = found.secret(sensor.password_file)
            except ConfigurationError as error:
                end(str(error), WRONG_CONFIGURATION)
            zone = found.zone_of(sensor)
            return Wanted(name, sensor.address, sensor.driver, zone, sensor.username, password, sensor.options)
    return None


async def _tried(one: Wanted, *, loopback: bool, aloud: bool) -> Tried:
    """Go through the steps, printing each as it ends."""
    steps: list[Step] = []

    def noted(step: Step) -> None:
        steps.append(step)
        if aloud:
            _print_step(step)

    async with _session(loopback=loopback, limit=2) as session:
        name = one.driver
        host, port = _split(one.address)

        async def connect() -> None:
            await _connect(host, port, loopback=loopback)

        if not name:
            reached = await reach(connect)
            if reached.outcome is Outcome.FAILED:
                noted(reached)
                return Tried(steps, set(), "")
            seen = await fingerprint(host, port, session)
            name = seen.brand if seen else ""
        if not one.driver and name:
            noted(Step("brand", Outcome.OK, f"{name}, by what it answers without a password"))
        if not name:
            noted(Step("brand", Outcome.FAILED, "it does not show its brand, or does not answer", _BRAND))
            return Tried(steps, set(), "")
        device = Device(
            one.name,
            one.address,
            one.zone,
            session,
            time.time,
            one.username,
            one.password,
            one.options,
        )
        try:
            driver = brand(name).open_driver(device)
        except ValueError as error:
            noted(Step("configuration", Outcome.FAILED, str(error), "See config/sensors/ for a sample of each brand."))
            return Tried(steps, set(), name)
        checkup = Checkup(driver, one.zone, time.time, connect)
        checkup.has_account = bool(one.username)
        async for step in checkup.steps():
            noted(step)
    return Tried(steps, checkup.places, name)


_BRAND = "Say --driver: milesight, axis, hikvision, dahua, hanwha, xovis, vivotek, onvif or generic."


def _print_step(step: Step) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{step.name:<20} {step.outcome.upper() if step.outcome is Outcome.FAILED else step.outcome}", end="")
    console.print(f"  {step.said}", markup=False)
    if step.next and step.outcome is not Outcome.OK:
        console.print(f"{'':<20} {step.next}", markup=False)


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]") or not port.isdecimal():
        return address.strip("[]"), 80
    return host.strip("[]"), int(port)


async def _connect(host: str, port: int, *, loopback: bool) -> None:
    """A connection that says nothing, only to addresses where cameras may be."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    address = str(infos[0][4][0])
    if why := bounds.refusal(address, loopback=loopback):
        raise PermissionError(errno.EACCES, why)
    _, writer = await asyncio.open_connection(address, port)
    writer.close()


@asynccontextmanager
async def _session(*, loopback: bool, limit: int) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=limit, socket_factory=bounds.socket_factory(loopback=loopback))
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=jar, trust_env=False, auto_decompress=False
    ) as session:
        yield session
