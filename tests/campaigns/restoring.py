"""HQ's database put back to an older dump in the middle of a campaign, as after a disk was lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloud_receiver.database.server import programs
from tests.campaigns.lateness import GONE
from tests.rig.processes import Process, ProcessError, run_once

if TYPE_CHECKING:
    from tests.campaigns.violence import Diary
    from tests.rig.store import Store

TRIES = 120  # the database may be killed under a dump or a restore, again and again; an operator would try again, too
AGAIN = 1.0
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"


async def restore_later(store: Store, diary: Diary, after: float, age: float) -> int:
    """Dump after so many seconds, restore it `age` seconds later, start the receivers anew; the rows HQ then lacked."""
    await asyncio.sleep(after)
    dump = store.stage.path("hq.sql")
    await _insist(store, "dump", "pg_dump", "--no-owner", "--file", str(dump))
    diary.note("dumped", "database")
    await asyncio.sleep(age)
    held = await _rows(store)
    commands = ("--single-transaction", "--set", "ON_ERROR_STOP=1", "--command", EMPTY, "--file", str(dump))
    await _insist(store, "restore", "psql", "--quiet", *commands)
    lacking = held - await _rows(store)
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


async def _rows(store: Store) -> int:
    while True:
        try:
            return await store.hq.count()
        except GONE:
            await asyncio.sleep(AGAIN)
