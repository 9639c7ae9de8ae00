"""Who is let in: the commands for devices, their codes and certificates, and for the broker's configuration."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.contract.times import rfc3339
from agent.foundation.clock import Clock
from agent.foundation.files import write_file
from agent.foundation.toml import ConfigurationError
from cloud_receiver import app
from cloud_receiver.devices import broker, registry
from cloud_receiver.devices.registry import NotAllowed
from cloud_receiver.spoken import DEFAULT, Config, read, told

if TYPE_CHECKING:
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.settings import Configuration

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"  # what fits between two slashes of a topic

device = typer.Typer(no_args_is_help=True, help="The registry of devices: who may send, and for which store.")


@device.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id, as in its agent.toml.")],
    store: Annotated[str, typer.Option(help="The store whose numbers it brings.")],
    tenant: Annotated[str, typer.Option(help="Default: the configuration's.")] = "",
    *,
    password: Annotated[bool, typer.Option("--password", help="A password in place of a certificate.")] = False,
    config: Config = DEFAULT,
) -> None:
    """Make a device known and print its one-time code; one that is known moves to the store named now."""

    async def work() -> None:
        configuration = read(config)
        owner = tenant or configuration.settings.receiver.tenant
        for part in (name, store, owner):
            if not re.fullmatch(NAME, part):
                raise ConfigurationError(f"{part!r}: letters, digits, dot, dash and underscore only, 63 at most")
        async with app.database(configuration) as pool:
            await registry.add_device(pool, name, owner, store, int(Clock().now()))
            typer.echo(f"{name} sends for {store} of {owner}.")
            if password:
                await _give_password(pool, name)
            elif configuration.settings.enrolment.url:
                code = await app.enrolment(configuration, pool).code(name)
                typer.echo("On the device, once and within a week:")
                typer.echo(f"  footfall-agent enrol {configuration.settings.enrolment.url} --code {code.text}")
            await _tell_broker(configuration, pool)

    with told():
        asyncio.run(work())


async def _give_password(pool: Pool, name: str) -> None:
    chosen = broker.new_password()
    await registry.set_password(pool, name, broker.hash_password(chosen))
    typer.echo(f"User name {name}, password {chosen} — it is not shown again.")


@device.command("bundle")
def bundle(
    name: Annotated[str, typer.Argument(metavar="DEVICE")],
    out: Annotated[Path, typer.Option(help="The file to write; it holds the device's key.")],
    config: Config = DEFAULT,
) -> None:
    """Write key and certificate of a registered device to a file, for who installs without a line to headquarters."""

    async def work() -> None:
        configuration = read(config)
        if not configuration.settings.enrolment.url:
            raise ConfigurationError(f"{config}: [enrolment] url is not set, so the device could never renew")
        if not out.absolute().parent.is_dir():
            raise ConfigurationError(f"--out: there is no folder {out.absolute().parent}")
        async with app.database(configuration) as pool:
            made = await app.enrolment(configuration, pool).bundle(name, configuration.settings.enrolment.url)
        try:
            write_file(out, made.payload().decode())
        except OSError as error:
            raise ConfigurationError(f"--out: {out} cannot be written: {error.strerror}") from None
        typer.echo(f"On the device:  footfall-agent enrol --file {out.name}    Then delete the file everywhere.")

    with told():
        asyncio.run(work())


@device.command("revoke")
def revoke(name: Annotated[str, typer.Argument(metavar="DEVICE")], config: Config = DEFAULT) -> None:
    """Shut a device out for good: no batch of it is taken, no certificate renewed, and the broker denies it all."""

    async def work() -> None:
        configuration = read(config)
        async with app.database(configuration) as pool:
            if not await registry.revoke(pool, name, int(Clock().now())):
                raise NotAllowed(f"there is no device {name}; footfall-receiver device list shows them")
            at_once = await _tell_broker(configuration, pool)
        later = "" if at_once else " The broker still lets it in until broker-config is run and the broker reloaded."
        typer.echo(f"{name} is revoked.{later}")

    with told():
        asyncio.run(work())


@device.command("list")
def show(config: Config = DEFAULT) -> None:
    """Who may send, for which store, by what, and when each was last heard."""

    async def work() -> None:
        async with app.database(read(config)) as pool:
            found = await registry.devices(pool)
        table = Table("device", "tenant", "store", "added", "last batch", "known by")
        for entry in found:
            last = rfc3339(entry.last) if entry.last is not None else "never"
            by = [f"certificate until {rfc3339(entry.ends)}"] if entry.ends is not None else []
            by += ["password"] if entry.password else []
            stands = f"revoked {rfc3339(entry.revoked)}" if entry.revoked is not None else ", ".join(by) or "-"
            table.add_row(entry.device, entry.tenant, entry.store, rfc3339(entry.added), last, stands)
        Console().print(table)

    with told():
        asyncio.run(work())


def broker_config(
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: [broker] folder.")] = None,
    reload: Annotated[str, typer.Option(help="The broker's process id, or the file that has it.")] = "",
    config: Config = DEFAULT,
) -> None:
    """Write all that Mosquitto needs: listeners, limits, certificates, and what each device may do."""

    async def work() -> None:
        configuration = read(config)
        wanted = configuration.settings.broker
        folder = out or configuration.broker_folder
        if not wanted.names or folder is None:
            raise ConfigurationError(
                f"{config}: [broker] names is not set: by which names or addresses do devices reach the broker?"
                if folder
                else "--out: name a folder, or set [broker] folder"
            )
        listeners = broker.Listeners(wanted.names, wanted.port, wanted.password_port, wanted.loopback_port)
        async with app.database(configuration) as pool:
            known = await registry.devices(pool)
            authority = app.enrolment(configuration, pool).authority
        broker.write_everything(folder.absolute(), listeners, authority, known, time.time())
        if reload or wanted.pid:
            broker.reload(reload or wanted.pid)
        typer.echo(f"{folder}: configuration for {', '.join(wanted.names)}, {len(known)} devices.")

    with told():
        asyncio.run(work())


async def _tell_broker(configuration: Configuration, pool: Pool) -> bool:
    """Write the rights anew where the broker reads them; whether it was told."""
    folder, pid = configuration.broker_folder, configuration.settings.broker.pid
    if folder is None or not folder.is_dir():
        return False
    broker.write_access(folder, await registry.devices(pool))
    if pid:
        broker.reload(pid)
    return bool(pid)
