"""HQ's database put back to an older dump in the middle of a campaign, as after a disk was lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloud_receiver.database.server import programs
from tests.campaigns.lateness import GONE
from tests.rig.processes import Process, ProcessError, run_once

if TYPE_CHECKING:
    from pathlib import Path

    from tests.campaigns.violence import Diary
    from tests.rig.store import Store

TRIES = 120  # the database may be killed under a dump or a restore, again and again; an operator would try again, too
AGAIN = 1.0
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
COUNT = "SELECT 'rows', count(*) FROM public.observations"  # a dump leaves no schema to look in


async def restore_later(store: Store, diary: Diary, after: float, age: float) -> int:
    """Dump after so many seconds, restore it `age` seconds later, start the receivers anew; the rows HQ then lacked."""
    await asyncio.sleep(after)
    dump = store.stage.path("hq.sql")
    await _insist(store, "dump", "pg_dump", "--no-owner", "--file", str(dump))
    diary.note("dumped", "database")
    await asyncio.sleep(age)
    told = store.stage.path("restored.txt")
    await _insist(store, "restore", "psql", *_restoring(dump, told))
    held, restored = (int(line.split("|")[1]) for line in told.read_text().splitlines() if line.startswith("rows|"))
    lacking = held - restored
    diary.note("restored", "database", rows_lacking=lacking)
    for unit in (store.receiver, *store.workers):
        unit.kills += 1
        await unit.process.kill()
    return lacking


async def _insist(store: Store, name: str, program: str, *arguments: str) -> None:
    command = [str(programs() / program), "--dbname", store.hq.url, *arguments]
    for attempt in range(1, TRIES + 1):
        try:
            await run_once(Process(name, command, store.stage.folder, store.stage.environment))
        except (ProcessError, *GONE):
            if attempt == TRIES:
                raise
            await asyncio.sleep(AGAIN)
        else:
            return


def _restoring(dump: Path, told: Path) -> tuple[str, ...]:
    """Both counts within the transaction that puts the dump in place: the receivers go on writing meanwhile."""
    whole = ("--single-transaction", "--set", "ON_ERROR_STOP=1", "--quiet", "--tuples-only", "--no-align")
    return (*whole, "--output", str(told), "-c", COUNT, "-c", EMPTY, "-f", str(dump), "-c", COUNT)
