"""`footfall-agent status` and `dead-letters`: how the store stands, asked of the agent or read in its buffer."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import typer
from rich.console import Console
from rich.table import Table

from agent.buffer.outbox import LETTERS, DeadLetter
from agent.commands.spoken import CONFIG, ConfigOption, JsonOption, configuration, end
from agent.foundation.sqlite import is_sound, open_read_only

if TYPE_CHECKING:
    from pathlib import Path

    from agent.settings import Configuration


def status(*, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """How the store stands: asks the running agent, or looks into the buffer where none runs."""
    found = configuration(config)
    answer = asyncio.run(ask_agent(found))
    if answer is None:
        answer = _look_into(found.buffer_path)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        _print_status(answer)
    raise typer.Exit(0 if answer["running"] and all(sensor["up"] for sensor in answer["sensors"]) else 1)


def dead_letters(*, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Batches that headquarters rejected, and why; their bytes stay in the buffer, the newest hundred of them."""
    buffer = configuration(config).buffer_path
    if not buffer.exists():
        end(f"{buffer}: there is no buffer yet", 1)
    with closing(open_read_only(buffer)) as connection:
        letters = [DeadLetter(*row) for row in connection.execute(LETTERS)]
    if as_json:
        typer.echo(json.dumps([letter._asdict() for letter in letters], indent=1))
        return
    table = Table("batch", "when", "bytes", "why")
    for letter in letters:
        table.add_row(letter.id, letter.at, str(letter.size), letter.error)
    Console().print(table if letters else "None: headquarters has taken everything it was sent.")


async def ask_agent(found: Configuration) -> dict[str, Any] | None:
    """Over the local socket or, where a disk that cannot be used has no room for one, by the page's port."""
    if found.socket_path.exists():
        return await _ask(aiohttp.UnixConnector(str(found.socket_path)), "http://localhost")
    page = found.settings.page
    return await _ask(aiohttp.TCPConnector(), f"http://{page.host}:{page.port}") if page.port else None


async def _ask(connector: aiohttp.BaseConnector, address: str) -> dict[str, Any] | None:
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as session,
            session.get(f"{address}/api/health") as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return {"running": True, **found}
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _look_into(buffer: Path) -> dict[str, Any]:
    if not buffer.exists():
        return {"running": False, "buffer": "there is none yet", "sensors": []}
    connection = open_read_only(buffer)
    try:
        sound = is_sound(connection)
        epoch, boot, created, acked = connection.execute("SELECT epoch, boot, next - 1, acked FROM identity").fetchone()
    except sqlite3.DatabaseError as error:
        return {"running": False, "buffer": f"cannot be read: {error}", "sensors": []}
    finally:
        connection.close()
    state = "sound" if sound else "damaged; the agent mends it at its next start"
    since = datetime.fromtimestamp(os.stat(buffer).st_mtime).astimezone().isoformat(timespec="seconds")  # noqa: PTH116 - shorter
    return {
        "running": False,
        "buffer": state,
        "written": since,
        "epoch": epoch,
        "boot": boot,
        "created": created,
        "acked": acked,
        "sensors": [],
    }


def _print_status(answer: dict[str, Any]) -> None:
    console = Console()
    if not answer["running"]:
        console.print("[bold]The agent is not running.[/bold]")
    for name, value in answer.items():
        if name != "sensors" and not isinstance(value, dict):
            console.print(f"{name}: {value}")
    if answer["sensors"]:
        table = Table("sensor", "state", "last answer", "problem")
        for sensor in answer["sensors"]:
            state = "answers" if sensor["up"] else "silent"
            table.add_row(sensor["sensor"], state, sensor.get("last_answer") or "-", sensor.get("problem") or "")
        console.print(table)
