"""SIGKILL at every write and sync: of one life of the buffer, and of a migration from the first schema."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from agent.buffer.opening import MIGRATIONS
from agent.foundation.sqlite import is_sound, migrate
from tests.buffer.samples import T0
from tests.campaigns.powercut.cycle import SERIES
from tests.campaigns.powercut.states import CYCLE, Promises, problems_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = "pwrite64,fdatasync,fsync,ftruncate,unlink,rename"
OLD_ROWS = 300
OPEN = """
import asyncio, sys
from pathlib import Path
from agent.buffer.opening import open_database
async def open_it():
    await (await open_database(Path(sys.argv[1]), 1.8e9)).database.close()
asyncio.run(open_it())
"""


def killed_at(call: int, *command: str) -> bool:
    """Run a command and kill it at its so-manieth write or sync; False where it had ended before."""
    inject = f"inject={CALLS}:signal=SIGKILL:when={call}"
    strace = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={CALLS}", "-e", inject]
    done = subprocess.run([*strace, sys.executable, *command], capture_output=True, timeout=60, check=False)
    return done.returncode != 0


def lives(every: int = 1, ticks: int = 12) -> dict[str, object]:
    """A life killed at every so-manieth call, looked at, and lived on to its end."""
    points, bad = 0, []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name, "life")
        for call in _steps(every):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            if not killed_at(call, str(CYCLE), str(folder), str(ticks)):
                break
            points += 1
            bad += [f"call {call}: {problem}" for problem in _looked(folder)]
            subprocess.run([sys.executable, str(CYCLE), str(folder), str(ticks)], check=True, timeout=60)
            bad += [f"after call {call}: {problem}" for problem in _looked(folder)]
    return {"kills": points, "bad": len(bad), "problems": bad[:10]}


def _looked(folder: Path) -> list[str]:
    promises, marks = Promises(), folder / "marks"
    promises.take(marks.read_text() if marks.exists() else "")
    return problems_of(folder, promises)


def _steps(every: int) -> Iterator[int]:
    call = 1
    while True:
        yield call
        call += every


def write_old(path: Path) -> None:
    """A buffer of the first schema, with rows, books and a batch under way."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(MIGRATIONS / "0001_start.sql", name)
        with closing(sqlite3.connect(path, isolation_level=None)) as link:
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


def migrations(every: int = 1) -> dict[str, object]:
    """A migration killed at every so-manieth call: the old schema or the new one, then the new one with all rows."""
    points, bad = 0, []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name, "life")
        for call in _steps(every):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            write_old(folder / "buffer.db")
            if not killed_at(call, "-c", OPEN, str(folder / "buffer.db")):
                break
            points += 1
            bad += [f"call {call}: {problem}" for problem in _between(folder / "buffer.db")]
            subprocess.run([sys.executable, "-c", OPEN, str(folder / "buffer.db")], check=True, timeout=60)
            promises = Promises()
            promises.take(f"stored 24 {OLD_ROWS}")
            bad += [f"after call {call}: {problem}" for problem in problems_of(folder, promises)]
    return {"kills": points, "bad": len(bad), "problems": bad[:10]}


def _between(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as link:
        if not is_sound(link):
            return ["not sound"]
        version = link.execute("PRAGMA user_version").fetchone()[0]
        old = link.execute("SELECT count(*) FROM sqlite_master WHERE name = 'current'").fetchone()[0]
        new = link.execute("SELECT count(*) FROM sqlite_master WHERE name = 'kept'").fetchone()[0]
        rows = link.execute("SELECT count(*) FROM observation").fetchone()[0]
    wrong = [] if (version, old, new) in ((1, 1, 0), (2, 0, 1)) else [f"schema {version} with {old} old, {new} new"]
    return wrong + ([] if rows == OLD_ROWS else [f"{rows} of {OLD_ROWS} rows"])
