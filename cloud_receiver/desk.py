"""What an operator looks at and decides: forks, messages set aside, and how the fleet does."""

from __future__ import annotations

import asyncio
import getpass
from enum import StrEnum
from typing import Annotated

import typer

from agent.foundation.clock import Clock
from cloud_receiver import app
from cloud_receiver.database import forks as database
from cloud_receiver.database.forks import Both, Entry
from cloud_receiver.spoken import DEFAULT, FAILED, Config, Json, read, show, told

forks = typer.Typer(no_args_is_help=True, help="Two contents of one batch: look at both, and decide.")


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
