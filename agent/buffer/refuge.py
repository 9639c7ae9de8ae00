"""Refuge: the buffer in bounded memory for as long as the device's disk cannot be used at all, and the way back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.buffer.ballast import ballast_of
from agent.buffer.buffer import Buffer
from agent.buffer.opening import open_database, open_in_memory, side_of
from agent.foundation.files import sync_folder
from agent.foundation.sqlite import is_full

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.foundation.clock import Clock

MEMORY_CAP = 16 * 1024 * 1024  # bytes: about 120,000 rows, which is a day of four cameras with eight counters a minute
LOOK_AGAIN = 30.0  # real seconds between looks whether the disk can be used
UNUSABLE = (sqlite3.OperationalError, OSError)


class NotKept(Exception):
    """The agent leaves, and the disk did not take what only memory holds; the text says how much that was, and why."""


async def open_somewhere(path: Path, clock: Clock, cap_bytes: int) -> Buffer:
    """The buffer in its file or, where the disk gives or takes nothing, in memory; `unusable` then says why."""
    try:
        return await Buffer.open(path, clock, cap_bytes)
    except UNUSABLE as error:
        if isinstance(error, sqlite3.Error) and is_full(error) and ballast_of(path).drop():
            return await open_somewhere(path, clock, cap_bytes)
        why = str(error)
    made = await Refuge.begin(await open_in_memory(), clock, min(cap_bytes, MEMORY_CAP))
    made.meant, made.unusable = path, why
    return made


class Refuge(Buffer):
    """A buffer that the power takes with it. It has an epoch of its own, and goes beside the file when it can."""

    meant: Path  # where the file should be

    @property
    def path(self) -> Path:
        return self.meant

    async def watch(self, usable: Callable[[], None]) -> None:
        """Look again and again whether the disk can be used; say so, and wait to be closed."""
        while not self.returning:
            await asyncio.sleep(LOOK_AGAIN)
            with suppress(*UNUSABLE):
                await (await open_database(self.meant, self._clock.now())).database.close()
                await self._lay_beside(self._part)  # as large as the last one will be
                self.returning = True
        usable()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Lay what memory holds beside the file, from where the next start takes it over.

        Raises:
            NotKept: there is something that HQ does not have, and the disk does not take it.
        """
        try:
            await self._change(lambda _: None)
            if side_of(self.meant).exists():
                raise FileExistsError(f"{side_of(self.meant).name} is there already")
            await self._lay_beside(side_of(self.meant))
        except UNUSABLE as error:
            if rows := len(self._numbers.unanswered()):
                raise NotKept(f"{rows} rows that headquarters does not have are lost: {error}") from error
        finally:
            await self._database.close()

    @property
    def _part(self) -> Path:
        return side_of(self.meant).with_suffix(".part")

    async def _lay_beside(self, target: Path) -> None:
        part = self._part

        def write(connection: sqlite3.Connection) -> None:
            part.unlink(missing_ok=True)
            connection.execute("VACUUM INTO ?", (str(part),))

        await self._read(write)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
        sync_folder(target.parent)
