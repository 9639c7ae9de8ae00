"""Power cuts on paper: the writes of a real life are recorded, and any that were not yet synced may be missing or torn.

As ALICE does: up to the last sync of a file its writes are on the disk; of those after it any subset is, each whole or
torn at a sector of 512 bytes.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from agent.buffer.buffer import Buffer
from agent.buffer.kinds import KINDS
from agent.buffer.seals import is_whole
from agent.contract.ranges import Ranges
from tests.buffer.samples import Still
from tests.campaigns.powercut.cycle import CAP, SERIES, T0, rows

SECTOR = 512
CYCLE = Path(__file__).with_name("cycle.py")
CALL = re.compile(r'^\d+\s+(\w+)\((?:AT_FDCWD, )?(\d+|"[^"]*")(?:<([^>]*)>)?(?:, "((?:\\x..)*)")?(.*)\)\s+= (-?\d+)')
CALLS = "trace=pwrite64,write,fdatasync,fsync,ftruncate,unlink"
FILES = ("buffer.db", "buffer.db-wal")


class Op(NamedTuple):
    """One step of the recorded life: write, truncate, sync or remove of a file, or a promise given."""

    what: str
    file: str
    at: int = 0
    data: bytes = b""


def record(folder: Path, ticks: int) -> list[Op]:
    """Everything the buffer did to its files, in order, and when it promised what."""
    told = folder / "strace.txt"
    command = ["strace", "-f", "-y", "-xx", "-s", "100000", "-e", CALLS, "-o", str(told)]
    subprocess.run([*command, sys.executable, str(CYCLE), str(folder), str(ticks)], check=True, timeout=120)
    return [op for line in told.read_text().splitlines() if (op := _op(line))]


def _op(line: str) -> Op | None:
    found = CALL.match(line)
    if not found:
        return None
    call, first, path, text, rest, result = found.groups()
    if path is None:
        path = codecs.decode(first.strip('"').replace("\\x", ""), "hex").decode() if "\\x" in first else first
    else:
        path = codecs.decode(path.replace("\\x", ""), "hex").decode() if "\\x" in path else path
    name = Path(path).name
    if name == "marks" and call == "write":
        return Op("mark", name, data=codecs.decode(text.replace("\\x", ""), "hex"))
    if name not in FILES or int(result) < 0:
        return None
    if call == "pwrite64":
        return Op("write", name, int(rest.split(",")[-1]), codecs.decode(text.replace("\\x", ""), "hex"))
    if call == "ftruncate":
        return Op("truncate", name, int(rest.split(",")[-1]))
    return Op("remove" if call == "unlink" else "sync", name)


class Promises:
    """What the buffer had promised by some moment."""

    def __init__(self) -> None:
        self.tick, self.highest, self.frozen = -1, 0, ""

    def take(self, text: str) -> None:
        for line in text.splitlines():
            word, one, two = line.split()
            if word == "stored":
                self.tick, self.highest = int(one), int(two)
            else:
                self.frozen = one


def applied(content: bytearray | None, op: Op, dice: random.Random | None = None) -> bytearray | None:
    """A file after one step; torn at a sector where dice are given."""
    if op.what == "remove":
        return None
    content = bytearray() if content is None else content
    if op.what == "truncate":
        del content[op.at :]
        content.extend(bytes(max(0, op.at - len(content))))
        return content
    first, last = 0, len(op.data)
    if dice:
        cut = dice.randrange(0, last + SECTOR, SECTOR)
        first, last = (0, min(cut, last)) if dice.random() < 0.5 else (min(cut, last), last)
    if first < last:
        content.extend(bytes(max(0, op.at + first - len(content))))
        content[op.at + first : op.at + last] = op.data[first:last]
    return content


def problems_of(folder: Path, promises: Promises) -> list[str]:
    """What is wrong with the file that the power cut left, opened as SQLite opens it."""
    try:
        with closing(sqlite3.connect(folder / "buffer.db")) as link:
            return list(_wrong(link, promises))
    except sqlite3.DatabaseError as error:
        if promises.tick < 0 and _begins_anew(folder):
            return []  # cut while the very first page was written: nothing was promised, and the agent starts
        return [f"{type(error).__name__}: {error}"]


def _begins_anew(folder: Path) -> bool:
    async def start() -> int:
        buffer = await Buffer.open(folder / "buffer.db", Still(), CAP)
        written = await buffer.append(rows(0))
        await buffer.close()
        return len(written)

    return asyncio.run(start()) == SERIES


def _wrong(link: sqlite3.Connection, promises: Promises) -> list[str]:
    if (sound := link.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
        return [f"integrity: {sound}"]
    version = link.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if {0: set(), 1: {"current", "identity"}, 2: {"kept", "alert"}}[version] - tables or (not version and tables):
        return [f"schema {version} has the tables {sorted(tables)}"]
    if version < 2:
        return [f"tick {promises.tick} is lost with its schema"] if promises.tick >= 0 else []
    found = []
    kept = {}
    for row in link.execute("SELECT name, value, seal FROM kept"):
        found += [] if is_whole(row) else [f"{row[0]} is not whole"]
        kept[row[0]] = json.loads(row[1])
    if not kept:
        return [f"tick {promises.tick} is lost"] if promises.tick >= 0 else []
    return found + _rows_wrong(link, kept, promises)


def _rows_wrong(link: sqlite3.Connection, kept: dict[str, object], promises: Promises) -> list[str]:
    settled = Ranges(tuple(span) for name in ("acked", "past", "void") for span in kept.get(f"numbers:{name}", []))
    held = {}
    for kind in KINDS:
        for row in link.execute(f"SELECT * FROM {kind.table}"):
            held[row[0]] = row
            if not kind.is_whole(row):
                return [f"{kind.table} {row[0]} is not whole"]
    highest = kept["identity"]["next"] - 1
    tick = kept.get("poll:door", {"tick": -1})["tick"]
    found = []
    if highest < promises.highest or tick < promises.tick:
        found.append(f"tick {promises.tick} was promised, tick {tick} is there")
    if lost := [n for n in range(1, highest + 1) if n not in held and n not in settled]:
        found.append(f"numbers {lost[:5]} are neither held nor settled")
    ticks = [(row[2] - T0 + 86_400) // 60 for row in held.values() if len(row) == 10 and isinstance(row[2], int)]
    if ticks and (max(ticks) != tick or ticks.count(tick) != SERIES):
        found.append(f"between: state says tick {tick}, rows go to {max(ticks)}")
    outbox = {id_ for (id_,) in link.execute("SELECT id FROM outbox")}
    first, last = (int(n) for n in promises.frozen.rsplit(":", 1)[1].split("-")) if promises.frozen else (0, -1)
    if promises.frozen not in outbox and promises.frozen and any(n not in settled for n in range(first, last + 1)):
        found.append(f"batch {promises.frozen} was promised and is gone")
    return found


def campaign(states: int, seed: int, ticks: int = 60, *, honest: bool = True) -> dict[str, object]:
    """So many crash states; the figures. `honest` False forgets every sync: the check must then fail."""
    dice = random.Random(seed)  # noqa: S311 - replayable on purpose
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        ops = record(folder, ticks)
        each = max(1, states // len(ops))
        synced: dict[str, bytearray | None] = {}
        pending: list[Op] = []
        promises, made, bad = Promises(), 0, []
        for at, op in enumerate(ops):
            if op.what == "mark":
                promises.take(op.data.decode())
            elif op.what != "sync":
                pending.append(op)
            elif honest or dice.random() < 0.5:
                for old in [one for one in pending if one.file == op.file]:
                    synced[op.file] = applied(synced.get(op.file), old)
                pending = [one for one in pending if one.file != op.file]
            for _ in range(each + (dice.random() < states / len(ops) - each)):
                made += 1
                if wrong := _look(folder / "state", synced, pending, promises, dice):
                    bad.append(f"step {at}: {wrong[0]}")
    return {"states": made, "steps": len(ops), "bad": len(bad), "problems": bad[:10]}


def _look(
    folder: Path,
    synced: dict[str, bytearray | None],
    pending: list[Op],
    promises: Promises,
    dice: random.Random,
) -> list[str]:
    """Make one crash state in a folder and judge it."""
    files = {name: None if content is None else bytearray(content) for name, content in synced.items()}
    share = dice.choice((0.0, 0.2, 0.5, 0.8, 1.0))
    for op in pending:
        if dice.random() < share:
            torn = dice if op.what == "write" and dice.random() < 0.3 else None
            files[op.file] = applied(files.get(op.file), op, torn)
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for file, content in files.items():
        if content is not None:
            (folder / file).write_bytes(content)
    return problems_of(folder, promises)
