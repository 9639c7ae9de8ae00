"""SIGKILL before each write and sync of one life of the buffer, and of a migration from the first schema."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.buffer.opening import MIGRATIONS
from agent.buffer.seals import teach
from agent.foundation.sqlite import is_sound, migrate
from tests.buffer.samples import T0
from tests.campaigns.powercut.cycle import SERIES
from tests.campaigns.powercut.killer import KILLED
from tests.campaigns.powercut.states import CYCLE, Promises, problems_of
from tests.rig.processes import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable

KILLER = "tests.campaigns.powercut.killer"
OLD_ROWS = 300
PAGE, LEAF_OF_TABLE = 4096, 13
OPEN = """
import asyncio, sys
from pathlib import Path
from agent.buffer.opening import open_database
async def open_it():
    await (await open_database(Path(sys.argv[1]), 1.8e9)).database.close()
asyncio.run(open_it())
"""


def killed_at(call: int, told: Path, *command: str) -> str:
    """Run a command and kill it before its so-manieth write, sync, rename or unlink: which; "" where it had ended."""
    doomed = [sys.executable, "-m", KILLER, str(call), str(told), sys.executable, *command]
    status = subprocess.run(doomed, capture_output=True, timeout=60, cwd=CHECKOUT, check=False)
    if status.returncode not in (0, KILLED):
        raise RuntimeError(status.stderr.decode())
    return told.read_text().splitlines()[-1].partition(" ")[2] if status.returncode else ""


class Doomed(NamedTuple):
    """What is killed: its command, the folder it begins with, and what is wrong with the folder it leaves."""

    command: Callable[[Path], list[str]]
    prepare: Callable[[Path], None]
    killed: Callable[[Path], list[str]]
    ended: Callable[[Path], list[str]]


def _sweep(doomed: Doomed, every: int, first: int, most: int) -> dict[str, object]:
    """Killed at every so-manieth call, looked at, run again to its end and looked at once more."""
    calls: Counter[str] = Counter()
    bad: list[str] = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder, seen = Path(name, "life"), Path(name, "seen")
        for number in range(first, first + every * most, every):
            folder.mkdir()
            doomed.prepare(folder)
            if not (call := killed_at(number, Path(name, "calls"), *doomed.command(folder))):
                break
            calls[call] += 1
            shutil.copytree(folder, seen)  # who looks mends the file, and the next life is to find it as it was
            bad += [f"call {number}, {call}: {problem}" for problem in doomed.killed(seen)]
            subprocess.run([sys.executable, *doomed.command(folder)], check=True, timeout=60, cwd=CHECKOUT)
            bad += [f"after call {number}, {call}: {problem}" for problem in doomed.ended(folder)]
            shutil.rmtree(folder)
            shutil.rmtree(seen)
    told = {"kills": calls.total(), "calls": dict(calls.most_common()), "next": number + every if call else None}
    return {**told, "bad": len(bad), "problems": bad[:10]}


def lives(every: int = 1, first: int = 1, most: int = 10**6, *, ticks: int = 12) -> dict[str, object]:
    """A life of the buffer: append, freeze, send, take the answer, delete."""

    def command(folder: Path) -> list[str]:
        return [str(CYCLE), str(folder), str(ticks)]

    return _sweep(Doomed(command, lambda _: None, _looked, _looked), every, first, most)


def _looked(folder: Path) -> list[str]:
    promises, marks = Promises(), folder / "marks"
    promises.take(marks.read_text() if marks.exists() else "")
    return problems_of(folder, promises)


def migrations(every: int = 1, first: int = 1, most: int = 10**6) -> dict[str, object]:
    """A migration of the buffer from the first schema: one schema or another, never between, and with all rows."""

    def command(folder: Path) -> list[str]:
        return ["-c", OPEN, str(folder / "buffer.db")]

    return _sweep(Doomed(command, write_old, _between, _migrated), every, first, most)


def salvages(every: int = 1, first: int = 1, most: int = 10**6) -> dict[str, object]:
    """The salvage of a buffer with a page full of nothing: what it saves and tells as lost is the same ever after."""

    def command(folder: Path) -> list[str]:
        return ["-c", OPEN, str(folder / "buffer.db")]

    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        damaged, unharmed = Path(name, "damaged"), Path(name, "unharmed")
        damaged.mkdir()
        write_damaged(damaged)
        shutil.copytree(damaged, unharmed)
        subprocess.run([sys.executable, *command(unharmed)], check=True, timeout=60, cwd=CHECKOUT)
        expected = _saved(unharmed)

        def prepare(folder: Path) -> None:
            shutil.copytree(damaged, folder, dirs_exist_ok=True)

        def ended(folder: Path) -> list[str]:
            found = _saved(folder)
            return [] if found == expected else [f"saved {found - expected} more, {expected - found} less"]

        told = _sweep(Doomed(command, prepare, lambda _: [], ended), every, first, most)
    lost = [row for row in expected if row[1] == "lost"]
    return {
        **told,
        "rows_saved": expected.total() - len(lost),
        "told": [f"{why}: {numbers}" for *_, why, numbers in lost],
    }


def write_damaged(folder: Path) -> None:
    """A buffer of the newest schema that lost the page with the most rows."""
    write_old(folder)
    subprocess.run([sys.executable, "-c", OPEN, str(folder / "buffer.db")], check=True, timeout=60, cwd=CHECKOUT)
    content = bytearray((folder / "buffer.db").read_bytes())
    leaves = [at for at in range(PAGE, len(content), PAGE) if content[at] == LEAF_OF_TABLE]
    fullest = max(leaves, key=lambda at: int.from_bytes(content[at + 3 : at + 5], "big"))
    content[fullest : fullest + PAGE] = bytes(PAGE)
    (folder / "buffer.db").write_bytes(content)


def _saved(folder: Path) -> Counter[object]:
    """Every row that is there, by what it says, and what is told as lost."""
    with closing(sqlite3.connect(folder / "buffer.db")) as link:
        rows = Counter(link.execute("SELECT place, start, value FROM observation JOIN series ON series.id = series"))
        told = Counter(link.execute("SELECT sensor, state, reason, numbers FROM ledger"))
    return rows + told


def write_old(folder: Path) -> None:
    """A buffer of the first schema, with rows, books and a batch under way."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(MIGRATIONS / "0001_start.sql", name)
        with closing(sqlite3.connect(folder / "buffer.db", isolation_level=None)) as link:
            link.execute("PRAGMA journal_mode = WAL")
            migrate(link, Path(name))
            link.execute("BEGIN")
            link.execute("INSERT INTO identity VALUES (1, 'e1', 7, ?, 100, 0)", (OLD_ROWS + 1,))
            link.execute("INSERT INTO numbers VALUES ('acked', '[[1,100]]')")
            link.execute("""INSERT INTO state VALUES ('poll:door', '{"tick":24}')""")
            for i in range(SERIES):
                link.execute("INSERT INTO series VALUES (?, 'door', ?, 'in', 1)", (i + 1, f"line:{i + 1}"))
            for number in range(1, OLD_ROWS + 1):
                start = T0 - 86_400 + 60 * ((number - 1) // SERIES)
                row = (number, (number - 1) % SERIES + 1, start, start + 60, 3.0, 1)
                link.execute("INSERT INTO observation VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL)", row)
                link.execute("INSERT INTO current VALUES (?, ?, ?, ?)", (start, row[1], start + 60, number))
            link.execute("COMMIT")


def _between(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "buffer.db")) as link:
        if not is_sound(link):
            return ["not sound"]
        version = link.execute("PRAGMA user_version").fetchone()[0]
        rows = link.execute("SELECT count(*) FROM observation").fetchone()[0]
        found = [] if schema_of(link) == _schema(version) else [f"not quite schema {version}"]
    return found + ([] if rows == OLD_ROWS else [f"{rows} of {OLD_ROWS} rows"])


def _migrated(folder: Path) -> list[str]:
    promises = Promises()
    promises.take(f"stored 24 {OLD_ROWS}")
    return problems_of(folder, promises)


def schema_of(link: sqlite3.Connection) -> set[tuple[str, str]]:
    """Every table, index and trigger by its SQL."""
    return set(link.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


@cache
def _schema(version: int) -> set[tuple[str, str]]:
    """What an empty buffer of this version has."""
    with tempfile.TemporaryDirectory() as name, closing(sqlite3.connect(":memory:", isolation_level=None)) as link:
        for file in sorted(MIGRATIONS.glob("[0-9]*.sql"))[:version]:
            shutil.copy(file, name)
        teach(link)
        migrate(link, Path(name))
        return schema_of(link)
