"""The buffer as the stages see it: append with cursor and state in one commit, read after a cursor, cut and settle."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from agent.buffer import outbox, room
from agent.buffer.append import Appender, append_entry
from agent.buffer.greeting import Greeting, unsend
from agent.buffer.numbers import Numbers
from agent.buffer.opening import open_database
from agent.buffer.outbox import BATCH_ROWS, FRESH_FOR, LETTERS, Cutter, DeadLetter, Frozen, observation_of
from agent.contract.observation import Numbered
from agent.foundation.sqlite import used_bytes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from agent.contract.messages import Answer
    from agent.contract.observation import LedgerEntry, Observation
    from agent.contract.ranges import Ranges
    from agent.foundation.clock import Clock
    from agent.foundation.sqlite import Database

T = TypeVar("T")

AFTER = "SELECT * FROM observation WHERE number > ? ORDER BY number LIMIT ?"
SINCE = """
SELECT o.* FROM current c JOIN observation o ON o.number = c.number WHERE c.start >= ? ORDER BY c.start"""
SET_STATE = "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
OLDEST_END = 'SELECT min("end") FROM observation WHERE number BETWEEN ? AND ?'
COUNT_FRESH = 'SELECT count(*) FROM observation WHERE number BETWEEN ? AND ? AND "end" >= ?'
OPEN_ENTRIES = "SELECT * FROM ledger WHERE state = 'pending' ORDER BY start"
PRUNE_EVERY = 600  # seconds between looks for rows that have been kept long enough
CURSOR = "cursor:"  # the names under which stages keep how far they have read


class Tally(NamedTuple):
    """How the buffer stands; nothing here is counted row by row."""

    epoch: str
    boot: int
    created: int
    acked: int
    void: int
    dropped: int
    unsent_fresh: int
    unsent_backlog: int
    oldest_unsent: int | None  # end of its interval, UTC seconds
    used_bytes: int
    cap_bytes: int


class Buffer:
    """One file, written by this object alone. Every method that changes something is one transaction."""

    def __init__(self, database: Database, connection: sqlite3.Connection, clock: Clock, cap_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._cap = cap_bytes
        self._numbers = Numbers(connection)
        self._appender = Appender(connection)
        self._cutter = Cutter(connection, clock.now())
        self._greeting = Greeting(connection, self._numbers)
        self._recent: deque[tuple[float, int]] = deque()  # (when, next number): where the fresh numbers begin
        self._prune_at = 0.0
        self.appended = asyncio.Event()
        self.report = ""

    @classmethod
    async def open(cls, path: Path, clock: Clock, cap_bytes: int) -> Buffer:
        """Open the file, count this start as a boot, and say in `report` what had to be mended."""
        database, report = await open_database(path)

        def begin(connection: sqlite3.Connection) -> Buffer:
            made = cls(database, connection, clock, cap_bytes)
            made._numbers.boot += 1
            made._greeting.note_start(connection)
            made._numbers.save(connection)
            return made

        buffer = await database.write(begin)
        buffer.report = report
        return buffer

    async def close(self) -> None:
        await self._database.close()

    @property
    def epoch(self) -> str:
        return self._numbers.epoch

    @property
    def boot(self) -> int:
        return self._numbers.boot

    @property
    def highest(self) -> int:
        """The highest number given so far."""
        return self._numbers.highest

    async def append(
        self,
        rows: Sequence[Observation] = (),
        entries: Sequence[LedgerEntry] = (),
        state: Mapping[str, object] | None = None,
    ) -> list[Numbered]:
        """One commit: rows, ledger entries, and the stage's cursor and state as JSON. What was news, numbered.

        Raises:
            ValueError: a row breaks the contract; nothing was written.
        """

        def change(connection: sqlite3.Connection) -> list[Numbered]:
            written = self._appender.append(connection, self._numbers, rows)
            for entry in entries:
                append_entry(connection, self._numbers, entry)
            for name, value in (state or {}).items():
                connection.execute(SET_STATE, (name, json.dumps(value, separators=(",", ":"))))
            self._make_room(connection)
            return written

        written = await self._change(change)
        self._remember(len(written))
        self._wake()
        return written

    async def state(self, name: str) -> Any:  # noqa: ANN401 - JSON that only its stage understands
        """What a stage kept under a name, None before it ever did."""
        row = await self._database.read(
            lambda connection: connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        )
        return json.loads(row[0]) if row else None

    async def rows_after(self, number: int, limit: int = 5000) -> list[Numbered]:
        """Rows with a higher number, in order of number."""
        rows = await self._database.read(lambda connection: connection.execute(AFTER, (number, limit)).fetchall())
        return [Numbered(row[0], observation_of(row, self._appender.series)) for row in rows]

    async def rows_since(self, start: int) -> list[Observation]:
        """The newest version of every row that begins at or after a moment, in order of time."""
        rows = await self._database.read(lambda connection: connection.execute(SINCE, (start,)).fetchall())
        return [observation_of(row, self._appender.series) for row in rows]

    async def pending_entries(self) -> list[LedgerEntry]:
        """The ledger's open entries, oldest first."""
        rows = await self._database.read(lambda connection: connection.execute(OPEN_ENTRIES).fetchall())
        return [outbox.entry_of(row) for row in rows]

    async def changed(self) -> None:
        """Wait until something is appended."""
        await self.appended.wait()

    # ---- for the uplink

    async def cut(self, lane: str, head: Mapping[str, Any], most: int = BATCH_ROWS) -> Frozen | None:
        """Freeze the next batch of a lane, None where nothing waits or no place is free."""
        now = self._clock.now()
        return await self._change(
            lambda connection: self._cutter.cut(connection, self._numbers, self._appender.series, lane, head, now, most)
        )

    async def unanswered(self) -> list[Frozen]:
        """The outbox, oldest first."""
        return await self._database.read(outbox.unanswered)

    async def settle(self, answer: Answer) -> bool:
        """Apply HQ's final answer to a batch; False where it fits nothing in the outbox."""
        return await self._change(lambda connection: outbox.settle(connection, self._numbers, answer, answer.at))

    @property
    def acked(self) -> Ranges:
        """The numbers of this epoch that HQ has answered for, as of now."""
        return self._numbers.acked.copy()

    async def compare(self, covered: Sequence[tuple[int, int]], acked_before: Ranges | None = None) -> str:
        """Bring the numbers in line with HQ's coverage of this epoch; see `Greeting.compare`."""
        before, following = self.acked if acked_before is None else acked_before, self._numbers.next
        found = await self._change(
            lambda connection: self._greeting.compare(connection, self._numbers, covered, before)
        )
        self._greeting.heard(following)
        self._cutter = await self._database.read(lambda connection: Cutter(connection, self._clock.now()))
        return found

    async def unsend(self, first: int, last: int) -> int:
        """Send acknowledged numbers again, as HQ's command `resend` asks; how many rows are still here."""
        rows = await self._change(lambda connection: unsend(connection, self._numbers, self.acked.between(first, last)))
        self._cutter = await self._database.read(lambda connection: Cutter(connection, self._clock.now()))
        self._wake()
        return rows

    async def begin_epoch(self) -> None:
        """Start a new epoch, as after HQ answered `fork`."""
        await self._change(lambda connection: outbox.begin_epoch(connection, self._numbers))
        self._cutter = await self._database.read(lambda connection: Cutter(connection, self._clock.now()))

    async def dead_letters(self) -> list[DeadLetter]:
        """The batches HQ rejected, oldest first; the newest hundred are kept."""
        rows = await self._database.read(lambda connection: connection.execute(LETTERS).fetchall())
        return [DeadLetter(*row) for row in rows]

    # ---- how it stands

    async def tally(self) -> Tally:
        """How the buffer stands now."""
        return await self._database.read(self._tally)

    def _tally(self, connection: sqlite3.Connection) -> Tally:
        numbers, unsent = self._numbers, self._numbers.unanswered()
        cutoff = int(self._clock.now()) - FRESH_FOR
        recent = self._recent[0][1] if self._recent else numbers.next
        fresh = sum(
            connection.execute(COUNT_FRESH, (first, last, cutoff)).fetchone()[0]
            for first, last in unsent.between(recent, numbers.highest)
        )
        ends = [
            connection.execute(OLDEST_END, (first, min(last, first + 1000))).fetchone()[0] for first, last in unsent
        ]
        known = [end for end in ends if end is not None]
        return Tally(
            numbers.epoch,
            numbers.boot,
            numbers.highest,
            numbers.acked_rows,
            len(numbers.void),
            numbers.dropped_rows,
            fresh,
            len(unsent) - fresh,
            min(known) if known else None,
            used_bytes(connection, self._database.path),
            self._cap,
        )

    # ---- inside

    async def _change(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction that keeps the numbers with the rows; a failed one leaves both as they were."""

        def whole(connection: sqlite3.Connection) -> T:
            result = change(connection)
            self._numbers.save(connection)
            return result

        try:
            return await self._database.write(whole)
        except BaseException:
            await self._database.read(self._reload)
            raise

    def _reload(self, connection: sqlite3.Connection) -> None:
        self._numbers.load(connection)
        self._appender.forget(connection)

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Drop a slice of what is oldest: acknowledged after 30 days, or, where the cap is reached, at once."""
        below = self._read_by_all(connection)
        now = self._clock.now()
        if used_bytes(connection, self._database.path) < self._cap:
            if now >= self._prune_at:
                room.drop_acknowledged(connection, self._numbers, below, now - room.KEEP_FOR)
                self._prune_at = now + PRUNE_EVERY
        elif not room.drop_acknowledged(connection, self._numbers, below, now + FRESH_FOR):
            room.drop_unacknowledged(connection, self._numbers, self._appender.series, self._numbers.next)

    def _read_by_all(self, connection: sqlite3.Connection) -> int:
        """The first number that some stage has not read yet."""
        cursors: list[int] = [
            json.loads(value)
            for (value,) in connection.execute(
                "SELECT value FROM state WHERE name >= ? AND name < ?", (CURSOR, "cursor;")
            )
        ]
        return min([*cursors, self._numbers.highest]) + 1

    def _remember(self, written: int) -> None:
        now = self._clock.now()
        if written:
            self._recent.append((now, self._numbers.next - written))
        while self._recent and self._recent[0][0] < now - FRESH_FOR:
            self._recent.popleft()

    def _wake(self) -> None:
        """Wake every stage that waits for `appended`; each waits on the event of the moment it looked."""
        self.appended.set()
        self.appended = asyncio.Event()
