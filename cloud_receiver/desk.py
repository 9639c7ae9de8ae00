"""What an operator looks at and decides: forks, messages set aside, and how the fleet does."""

from __future__ import annotations

import asyncio
import getpass
import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from agent.contract.caps import WireError, inflate
from agent.contract.times import rfc3339
from agent.foundation.clock import Clock
from cloud_receiver import app
from cloud_receiver.database import forks as database
from cloud_receiver.database import quarantine as aside
from cloud_receiver.database.forks import Both, Entry
from cloud_receiver.database.overview import Overview, overview
from cloud_receiver.ingest import again
from cloud_receiver.spoken import DEFAULT, FAILED, Config, Json, read, show, told

SHOWN = 4000  # bytes of a message

forks = typer.Typer(no_args_is_help=True, help="Two contents of one batch: look at both, and decide.")
quarantine = typer.Typer(no_args_is_help=True, help="Messages that could not be read: look, try again, forget.")


class Stream(StrEnum):
    """Which of two contents counts."""

    HELD = "held"
    FORK = "fork"


@forks.command("list")
def list_forks(
    everything: Annotated[bool, typer.Option("--all", help="Those decided, too.")] = False,  # noqa: FBT002 - Typer's way
    as_json: Json = False,  # noqa: FBT002 - as above
    config: Config = DEFAULT,
) -> None:
    """The forks that wait for a decision."""

    async def work() -> None:
        async with app.database(read(config)) as pool:
            found = await database.listed(pool, also_decided=everything)
        columns = [name for name in Entry._fields if everything or name not in ("decided", "decision", "by")]
        show(found, columns, as_json=as_json)

    with told():
        asyncio.run(work())


@forks.command("show")
def show_fork(
    fork: Annotated[int, typer.Argument(help="Its id, as listed.")],
    as_json: Json = False,  # noqa: FBT002 - as above
    config: Config = DEFAULT,
) -> None:
    """Both streams side by side: what counts now, and what the fork says."""

    async def work() -> None:
        async with app.database(read(config)) as pool:
            show(await database.side_by_side(pool, fork), Both._fields, as_json=as_json)

    with told():
        asyncio.run(work())


@forks.command("decide")
def decide(
    fork: Annotated[int, typer.Argument(help="Its id, as listed.")],
    keep: Annotated[Stream, typer.Option(help="Whose rows count from now on; the others are dropped.")],
    config: Config = DEFAULT,
) -> None:
    """Let one of the two count. The fork's bytes are kept, and who decided what."""

    async def work() -> bool:
        async with app.database(read(config)) as pool:
            return await database.decide(pool, fork, keep.value, getpass.getuser(), int(Clock().now()))

    with told():
        if not asyncio.run(work()):
            typer.echo(f"fork {fork}: there is none that waits for a decision; see forks list --all", err=True)
            raise typer.Exit(FAILED)
        typer.echo(f"fork {fork}: the rows {'held' if keep is Stream.HELD else 'of the fork'} count.")


@quarantine.command("list")
def list_quarantine(
    most: Annotated[int, typer.Option(help="How many at most, the latest first.")] = 100,
    as_json: Json = False,  # noqa: FBT002 - as above
    config: Config = DEFAULT,
) -> None:
    """Messages that could not be read, and why."""

    async def work() -> None:
        async with app.database(read(config)) as pool:
            show(await aside.listed(pool, most), aside.Entry._fields, as_json=as_json)

    with told():
        asyncio.run(work())


@quarantine.command("show")
def show_quarantine(
    message: Annotated[int, typer.Argument(help="Its id, as listed.")],
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they came, for a file.")] = False,  # noqa: FBT002 - as above
    config: Config = DEFAULT,
) -> None:
    """One of them: as text as far as it is text, or its bytes."""

    async def work() -> tuple[aside.Entry, bytes] | None:
        async with app.database(read(config)) as pool:
            return await aside.find(pool, message)

    with told():
        found = asyncio.run(work())
        if found is None:
            typer.echo(f"message {message}: there is none", err=True)
            raise typer.Exit(FAILED)
        entry, payload = found
        if raw:
            typer.get_binary_stream("stdout").write(payload)
            return
        typer.echo(f"{entry.topic}  {rfc3339(entry.received)}  {entry.bytes} bytes, came {entry.times} times")
        typer.echo(f"reason: {entry.reason}")
        typer.echo(ascii(_plain(payload)[:SHOWN])[2:-1])


@quarantine.command("replay")
def replay(
    messages: Annotated[list[int], typer.Argument(help="Their ids, as listed.")],
    config: Config = DEFAULT,
) -> None:
    """Read them once more, as after an upgrade; what is committed leaves the quarantine."""

    async def work() -> list[str]:
        async with app.database(read(config)) as pool:
            return [await again.replay(pool, message, int(Clock().now())) for message in messages]

    with told():
        became = asyncio.run(work())
        for message, what in zip(messages, became, strict=True):
            typer.echo(f"{message}: {what}")
        if set(became) != {"committed"}:
            raise typer.Exit(FAILED)


@quarantine.command("drop")
def drop(
    messages: Annotated[list[int], typer.Argument(help="Their ids, as listed.")],
    config: Config = DEFAULT,
) -> None:
    """Forget them for good."""

    async def work() -> list[bool]:
        async with app.database(read(config)) as pool:
            return [await aside.drop(pool, message) for message in messages]

    with told():
        if not all(asyncio.run(work())):
            typer.echo("not all of them were there", err=True)
            raise typer.Exit(FAILED)


def status(as_json: Json = False, config: Config = DEFAULT) -> None:  # noqa: FBT002 - as above
    """What is silent, late, incomplete, forked, written twice, set aside, or counted differently."""

    async def work() -> Overview:
        async with app.database(read(config)) as pool:
            return await overview(pool, int(Clock().now()))

    with told():
        found = asyncio.run(work())
        if as_json:
            typer.echo(json.dumps({name: _jsonable(part) for name, part in found._asdict().items()}))
            return
        totals = found.totals
        last = rfc3339(totals.last_batch) if totals.last_batch else "never"
        typer.echo(f"{totals.devices} devices, last batch {last}, database {totals.database_bytes / 1e6:.0f} MB")
        if totals.kept_raw:
            typer.echo(f"{totals.kept_raw} batches of newer devices wait for an upgrade of this receiver")
        for name, part in found._asdict().items():
            if isinstance(part, list) and part:
                typer.echo(f"\n{name.replace('_', ' ')}:")
                show(part, part[0]._fields, as_json=False)
        if not any(isinstance(part, list) and part for part in found):
            typer.echo("all is well")


def _jsonable(part: Any) -> Any:  # noqa: ANN401 - a named tuple, or a list of them
    return [entry._asdict() for entry in part] if isinstance(part, list) else part._asdict()


def _plain(payload: bytes) -> bytes:
    """What a message says once unpacked, as far as it can be unpacked."""
    try:
        return inflate(payload)
    except WireError:
        return payload
