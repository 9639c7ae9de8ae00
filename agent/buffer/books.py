"""The file and what memory knows of it, changed together or not at all: numbers, series, answers not yet written."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from agent.buffer import outbox
from agent.buffer.append import Appender
from agent.buffer.numbers import Numbers
from agent.buffer.opening import suspect
from agent.foundation.sqlite import is_damage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.contract.messages import Answer
    from agent.foundation.sqlite import Database

T = TypeVar("T")


class Settled(NamedTuple):
    """HQ's final answer to a batch, with the numbers and bytes that it was about."""

    answer: Answer
    seq: list[tuple[int, int]]
    void: list[tuple[int, int]]
    payload: bytes


class Books:
    """One file and one memory of it."""

    def __init__(self, database: Database, connection: sqlite3.Connection) -> None:
        self._database = database
        self.numbers = Numbers(connection)
        self.appender = Appender(connection)
        self._stale = False  # the numbers in memory are not those of the file
        # Answers already applied in memory. They reach the file with the next commit that happens anyway: losing one
        # only means that HQ answers `duplicate` once more, and a commit of their own would be a third of all commits.
        self.answered: dict[str, Settled] = {}

    @property
    def unwritten(self) -> bool:
        """Whether memory knows what the file does not, or the other way round."""
        return bool(self.answered) or self._stale

    def settle(self, found: Settled) -> None:
        """Apply an answer in memory; the next change writes it."""
        self.answered[found.answer.id] = found
        self._apply(found)

    async def change(self, change: Callable[[sqlite3.Connection], T], *, idle: bool = False) -> T:
        """One transaction that keeps the numbers with the rows; a failed one leaves both as they were.

        `idle`: where the change wrote nothing, nothing else is written either.
        """
        thawed: list[str] = []

        def whole(connection: sqlite3.Connection) -> T:
            if self._stale:
                self._reload(connection)
            before = connection.total_changes
            result = change(connection)
            if idle and connection.total_changes == before:
                return result
            for id_, settled in self.answered.items():
                outbox.thaw(connection, settled.answer, settled.answer.at, settled.payload)
                thawed.append(id_)
            self.numbers.save(connection)
            return result

        try:
            result = await self._noting_damage(self._database.write(whole))
        except BaseException:
            self._stale = True
            with suppress(sqlite3.Error):  # else the next transaction begins with it
                await self._database.read(self._reload)
            raise
        for id_ in thawed:
            self.answered.pop(id_, None)
        return result

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """What the file answers, between two changes."""
        return await self._noting_damage(self._database.read(question))

    async def _noting_damage(self, work: Awaitable[T]) -> T:
        """Mark the file where it turns out damaged: this start ends, and the next sets it aside and salvages."""
        try:
            return await work
        except UnicodeError as error:  # SQLite names a column or table whose name is no text any more
            self._suspect(error)
            raise sqlite3.DatabaseError(str(error)) from error
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._suspect(error)
            raise

    def _suspect(self, error: Exception) -> None:
        with suppress(OSError):
            suspect(self._database.path).write_text(str(error), encoding="utf-8")

    def _reload(self, connection: sqlite3.Connection) -> None:
        self.numbers.load(connection)
        self.appender.forget(connection)
        for settled in self.answered.values():
            self._apply(settled)
        self._stale = False

    def _apply(self, settled: Settled) -> None:
        apply = self.numbers.rejected if settled.answer.st == "rejected" else self.numbers.answered
        apply(settled.seq, settled.void)
