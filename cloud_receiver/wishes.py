"""What headquarters asks of one device from the command line: to send numbers again."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated

import typer

from agent.contract.topics import Branch
from agent.foundation.clock import Clock
from agent.foundation.toml import ConfigurationError
from cloud_receiver import app
from cloud_receiver.database import coverage
from cloud_receiver.devices.registry import NotAllowed
from cloud_receiver.ingest import asking
from cloud_receiver.ingest.asking import Asked, BrokerAway, Range
from cloud_receiver.spoken import DEFAULT, FAILED, Config, read, told

if TYPE_CHECKING:
    from cloud_receiver.database.pool import Pool

HIGHEST = 2**62 - 1  # the highest number there can be


def resend(
    device: Annotated[str, typer.Argument(metavar="DEVICE")],
    numbers: Annotated[str, typer.Option(help="Which, such as 100-250 or 7; default: all of the epoch.")] = "",
    epoch: Annotated[str, typer.Option(help="Default: the one the device is in.")] = "",
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait for its reply.")] = 30.0,
    config: Config = DEFAULT,
) -> None:
    """Ask a device to send numbers again, as after rows were lost here. What HQ still has is not counted twice."""

    async def work() -> Asked:
        first, last = _numbers(numbers)
        configuration = read(config)
        async with app.database(configuration) as pool:
            branch, current = await _found(pool, device)
            if not current:
                raise NotAllowed(f"{device} has never said which epoch it is in, so it has nothing to send again")
            wanted = Range(device, epoch or current, first, last)
            if wanted.epoch != current:
                raise NotAllowed(f"{device} is in the epoch {current}: of {wanted.epoch} it can send nothing again")
            try:
                return await asking.resend(pool, app.broker_of(configuration), branch, wanted, Clock(), wait)
            except BrokerAway as problem:
                raise BrokerAway(f"{configuration.place('mqtt', 'host')}: {problem}. Nothing was changed.") from None

    with told():
        asked = asyncio.run(work())
        typer.echo(_said(device, asked))
        if asked.reply and asked.reply.st == "refused":
            raise typer.Exit(FAILED)


def _numbers(text: str) -> tuple[int, int]:
    if not text:
        return 1, HIGHEST
    found = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise ConfigurationError(f"--numbers {text}: write the first and the last, such as 100-250")
    return first, last


async def _found(pool: Pool, device: str) -> tuple[Branch, str]:
    found = await coverage.standing(pool, device)
    if found is None:
        raise NotAllowed(f"there is no device {device}; footfall-receiver device list shows them")
    if found.revoked:
        raise NotAllowed(f"{device} was revoked: nothing of it is taken any more")
    return Branch(found.tenant, found.store, device), found.epoch


def _said(device: str, asked: Asked) -> str:
    if asked.reply is None and not asked.there:
        return f"{device} is not there now: it sends them by itself when it comes back."
    if asked.reply is None:
        return f"{device} has not replied yet; footfall-receiver status says what is still missing."
    if asked.reply.st == "refused":
        return f"{device} refused: {asked.reply.why}"
    return (
        f"{device} sends {(asked.reply.result or {}).get('rows', 0)} rows again; what it no longer has it says is void."
    )
