"""The command line beside `run`: check, status, decode, simulate. Typer and rich live in the commands alone."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiohttp
import typer
from rich.console import Console
from rich.table import Table

from agent import attention
from agent.addresses import told
from agent.buffer.outbox import LETTERS, DeadLetter
from agent.cameras import cameras, discover
from agent.contract.times import parse_rfc3339
from agent.contract.topics import Branch
from agent.counts import count
from agent.drivers.base import Garbled, Kind
from agent.drivers.reading.decoded import observations
from agent.foundation.clock import Clock, parse_clock
from agent.foundation.logs import configure
from agent.foundation.sqlite import is_sound, open_read_only
from agent.foundation.toml import ConfigurationError, load
from agent.replays import replay
from agent.settings import WRONG_CONFIGURATION
from agent.simulator.scenario import Scenario
from agent.simulator.store import Addresses, serve
from agent.spoken import CONFIG, ConfigOption, JsonOption, configuration, end

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.settings import Configuration

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Footfall's agent in the store.")
layouts = typer.Typer(no_args_is_help=True, help="What the numbers of this store mean.")
app.add_typer(layouts, name="layout")
app.add_typer(cameras, name="camera")
app.command()(discover)
app.add_typer(attention.app, name="alerts")
MAX_ANSWER = 4 * 1024 * 1024  # bytes of a recorded answer, the same cap a camera has


@app.command()
def run(
    config: ConfigOption = CONFIG,
    clock: Annotated[str, typer.Option(help="60x,STORE,REAL: for demos and tests")] = "",
    ready_file: Annotated[Path | None, typer.Option(help="gets the page's address as JSON once it answers")] = None,
) -> None:
    """Count, keep, and bring to headquarters, until stopped."""
    arguments = ["--config", str(config)]
    arguments += ["--clock", clock] if clock else []
    arguments += ["--ready-file", str(ready_file)] if ready_file else []
    from agent.app import main as daemon  # noqa: PLC0415 - no other command needs the daemon's parts

    raise typer.Exit(daemon(arguments))


@app.command()
def check(
    config: ConfigOption = CONFIG,
    *,
    secrets: Annotated[bool, typer.Option(help="show the secrets in the URLs that cameras send to")] = False,
) -> None:
    """Check the whole configuration without opening a socket; exit status 78 where it is wrong."""
    found = configuration(config, with_files=True)
    from agent.alerting import check as check_alerts  # noqa: PLC0415 - rule-engine takes 0.4 s to load

    try:
        rules = check_alerts(found)
    except ConfigurationError as error:
        end(str(error), WRONG_CONFIGURATION)
    sensors = len(found.settings.sensor)
    typer.echo(f"{config}: right. Store {found.settings.store.id}, {sensors} sensors, {found.layout.time_zone}.")
    for refusal in rules.refused:
        typer.echo(f"  no alert {refusal.rule}{f' at {refusal.scope}' if refusal.scope else ''}: {refusal.reason}")
    for line in _or_exit(lambda: told(found, show=secrets), ""):
        typer.echo(line)


@app.command()
def status(*, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """How the store stands: asks the running agent, or looks into the buffer where none runs."""
    found = configuration(config)
    answer = asyncio.run(_ask_agent(found))
    if answer is None:
        answer = _look_into(found.buffer_path)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        _print_status(answer)
    raise typer.Exit(0 if answer["running"] and all(sensor["up"] for sensor in answer["sensors"]) else 1)


@app.command()
def enrol(
    url: Annotated[str, typer.Argument(help="headquarters' address, as footfall-receiver device add prints it")] = "",
    code: Annotated[str, typer.Option(help="the one-time code; asked for where it is left out")] = "",
    file: Annotated[
        Path | None, typer.Option(help="what footfall-receiver device bundle wrote, without a line")
    ] = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Join the network: make a key, have it certified by headquarters, and try the broker with it."""
    if bool(url) == bool(file):
        end("name either headquarters' URL or --file")
    from agent.app import link_settings  # noqa: PLC0415 - no other command needs it
    from agent.enrol.join import Joining, join_by_code, join_by_file  # noqa: PLC0415 - as above

    found = configuration(config)
    branch = Branch(found.settings.store.tenant, found.settings.store.id, found.settings.device.id)
    who = Joining(branch, found.identity_path, link_settings(found))
    if file:
        outcome = asyncio.run(join_by_file(who, file))
    else:
        outcome = asyncio.run(join_by_code(who, url.rstrip("/"), code or typer.prompt("Code", hide_input=True)))
    typer.echo(outcome.text, err=not outcome.well)
    raise typer.Exit(0 if outcome.well else 1)


app.command("enroll", hidden=True)(enrol)
app.command()(replay)
app.command()(count)


@app.command()
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


@app.command()
def decode(
    driver: str,
    file: Annotated[Path, typer.Argument(help="the body as received; - for standard input")],
    kind: Annotated[Kind | None, typer.Option(help="what the answer is about; recognised where it is left out")] = None,
    zone: Annotated[str, typer.Option(help="IANA time zone of the device's clock, such as Europe/Lisbon")] = "",
    now: Annotated[str, typer.Option(help="when it was recorded, RFC 3339; else now")] = "",
) -> None:
    """Read a recorded camera answer offline and print its observations as a JSON array."""
    body = _body(file)
    zone_info = _or_exit(lambda: ZoneInfo(zone) if zone else None, "zone")
    moment = _or_exit(lambda: parse_rfc3339(now) if now else time.time(), "now")
    try:
        rows, problems = observations(driver, body, kind, zone_info, moment)
    except (Garbled, ValueError) as error:
        end(f"{file}: {error}")
    typer.echo(json.dumps(rows, indent=1))
    for problem in problems:
        typer.echo(f"{file}: {problem}", err=True)
    raise typer.Exit(1 if problems else 0)


@app.command()
def poll(
    config: ConfigOption = CONFIG,
    backfill_hours: Annotated[int, typer.Option(min=0, max=366 * 24, help="of the cameras' memory to read")] = 0,
    *,
    once: Annotated[bool, typer.Option(help="one round; footfall-agent run goes on for ever")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask every camera once, read its memory, keep what is new in the buffer, and end."""
    found = configuration(config, with_files=True)
    if not once:
        end("say --once for one round; footfall-agent run polls for ever")
    if found.socket_path.exists() and asyncio.run(_ask_agent(found)):
        end("the agent is running and does this by itself; footfall-agent status shows it", 1)
    configure("error")  # a program may read what is printed
    from agent.rounds import one_round  # noqa: PLC0415 - no other command needs the daemon's parts

    try:
        rounds = asyncio.run(one_round(found, Clock(), backfill_hours))
    except (OSError, sqlite3.Error, ValueError) as error:
        end(f"{found.buffer_path}: {error}", 1)
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in rounds], indent=1))
    else:
        table = Table("sensor", "answers", "new rows of its memory", "hours unread", "problem")
        for one in rounds:
            said = "yes" if one.answered else "no"
            table.add_row(one.sensor, said, str(one.rows), str(one.unread_hours), one.problem)
        Console().print(table)
    raise typer.Exit(0 if all(one.answered and not one.unread_hours for one in rounds) else 1)


@app.command()
def simulate(
    scenario: Path,
    clock: Annotated[str, typer.Option(help="60x, 60x,START or 60x,STORE,REAL")] = "1x",
    ready_file: Annotated[Path | None, typer.Option(help="gets the addresses as JSON once all answer")] = None,
) -> None:
    """A store with shoppers and cameras that answer over HTTP, until stopped."""
    ticking: Clock = _or_exit(lambda: parse_clock(clock), "clock")
    model = _or_exit(lambda: load(scenario, Scenario), "")

    def ready(addresses: Addresses) -> None:
        if ready_file:
            ready_file.with_suffix(".part").write_text(json.dumps(addresses), encoding="utf-8")
            ready_file.with_suffix(".part").replace(ready_file)
        else:
            typer.echo(json.dumps(addresses, indent=1))

    with suppress(KeyboardInterrupt):
        asyncio.run(serve(model, ticking.now, ticking.sleep, ready=ready))


@layouts.command("check")
def layout_check(
    layout: Annotated[Path, typer.Argument(help="layout.toml, or a folder with its versions")],
    rules: Annotated[Path | None, typer.Option(help="alerts.toml; says which alerts this store can have")] = None,
) -> None:
    """Say in words what will be measured with these sensors, what cannot be, and why."""
    from agent.layouts import explanation, read_rules, versions  # noqa: PLC0415 - rule-engine takes 0.4 s to load

    try:
        for version in versions(layout):
            typer.echo(explanation(version, read_rules(rules, version) if rules else None) + "\n")
    except ConfigurationError as error:
        end(str(error), WRONG_CONFIGURATION)


def _body(file: Path) -> bytes:
    try:
        source = sys.stdin.buffer if str(file) == "-" else file.open("rb")
        with source:
            body = source.read(MAX_ANSWER + 1)
    except OSError as error:
        end(f"{file}: {error.strerror}")
    if len(body) > MAX_ANSWER:
        end(f"{file}: more than 4 MiB; no camera answers that much")
    return body


def _or_exit(make: Callable[[], Any], option: str) -> Any:  # noqa: ANN401 - whatever the option is made into
    try:
        return make()
    except (ValueError, ZoneInfoNotFoundError, ConfigurationError) as error:
        end(f"--{option}: {error}" if option else str(error))


async def _ask_agent(found: Configuration) -> dict[str, Any] | None:
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


def main() -> None:
    """The commands of this module; `agent.__main__` adds the daemon."""
    app(prog_name="footfall-agent")
