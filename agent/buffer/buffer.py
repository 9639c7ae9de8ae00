"""The buffer as the stages see it: append with cursor and state in one commit, read after a cursor, cut and settle."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Any, Self, TypeVar

from agent.buffer import damage, kept, outbox, room
from agent.buffer.append import append_alerts, append_entry, append_manual
from agent.buffer.ballast import ballast_of
from agent.buffer.books import Books, Settled
from agent.buffer.greeting import Greeting, unsend
from agent.buffer.kinds import AFTER, BETWEEN, EVER, OPEN_ENTRIES, entry_of, observation_of
from agent.buffer.opening import open_database
from agent.buffer.outbox import BATCH_ROWS, FINAL, FRESH_FOR, LETTERS, Cutter, DeadLetter, Frozen
from agent.buffer.seals import is_whole, is_whole_row
from agent.buffer.tally import Tally, taken
from agent.contract.observation import Numbered
from agent.foundation.sqlite import give_back_wal, is_full, used_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from agent.contract.happenings import Alert, ManualCount
    from agent.contract.messages import Answer
    from agent.contract.observation import LedgerEntry, Observation
    from agent.contract.ranges import Ranges
    from agent.foundation.clock import Clock
    from agent.foundation.sqlite import Database

T = TypeVar("T")
__all__ = ["Buffer", "Tally"]

PRUNE_EVERY = 600  # seconds between looks for rows that have been kept long enough
SLICES = 3  # slices of rows given up at most for one commit on a full disk


class Buffer:
    """One file, written by this object alone. Every method that changes something is one transaction.

    `unusable` says why there is no file and all is in memory; `returning`, that there could be one now.
    What raises sqlite3.OperationalError because the disk does not take it has changed nothing and may be tried again.
    """

    def __init__(self, database: Database, connection: sqlite3.Connection, clock: Clock, cap_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._cap = self._declared_cap = cap_bytes
        self._ballast = ballast_of(database.path)
        self._books = Books(database, connection)
        self._numbers, self._appender = self._books.numbers, self._books.appender
        self._cutter = Cutter(connection, clock.now())
        self._greeting = Greeting(connection, self._numbers)
        self._found_damaged: dict[int, tuple[Any, ...]] = {}
        self._recent: deque[tuple[float, int]] = deque()  # (when, next number): where the fresh numbers begin
        self._prune_at = 0.0
        self._last_tally: Tally | None = None
        self.appended = asyncio.Event()
        self.report = self.unusable = ""
        self.returning = False

    @classmethod
    async def open(cls, path: Path, clock: Clock, cap_bytes: int) -> Self:
        """Open the file, count this start as a boot, and say in `report` what had to be mended."""
        database, report = await open_database(path, clock.now())
        try:
            buffer = await cls.begin(database, clock, cap_bytes)
        except BaseException:
            await database.close()
            raise
        buffer.report = report
        return buffer

    @classmethod
    async def begin(cls, database: Database, clock: Clock, cap_bytes: int) -> Self:
        """Count this start as a boot of a database that is open."""
        return await database.write(lambda connection: cls(database, connection, clock, cap_bytes)._begun(connection))  # noqa: SLF001 - its own

    def _begun(self, connection: sqlite3.Connection) -> Self:
        self._numbers.identity.boot += 1
        self._greeting.note_start(connection)
        self._numbers.save(connection)
        self._ballast.fill()
        return self

    async def close(self) -> None:
        """Write what is not yet written, then close; the error of a disk that takes nothing comes after closing."""
        try:
            if self._books.unwritten:
                await self._change(lambda _: None)
        finally:
            await self._database.close()

    @property
    def epoch(self) -> str:
        return self._numbers.epoch

    @property
    def boot(self) -> int:
        return self._numbers.identity.boot

    @property
    def path(self) -> Path:
        return self._database.path

    @property
    def highest(self) -> int:
        """The highest number given so far."""
        return self._numbers.highest

    async def append(
        self,
        rows: Sequence[Observation] = (),
        entries: Sequence[LedgerEntry] = (),
        state: Mapping[str, object] | None = None,
        *,
        crossings: Sequence[Observation] = (),
        alerts: Sequence[Alert] = (),
        manual: Sequence[ManualCount] = (),
    ) -> list[Numbered]:
        """One commit: rows of every kind, and the stage's cursor and state as JSON. Which observations were news.

        `crossings` are added to what their minutes already have.

        Raises:
            ValueError: a row breaks the contract; nothing was written.
        """

        def change(connection: sqlite3.Connection) -> list[Numbered]:
            self._give_up_damaged(connection)
            written = self._appender.append(connection, self._numbers, rows)
            written += self._appender.add(connection, self._numbers, crossings)
            for entry in entries:
                append_entry(connection, self._numbers, entry)
            append_alerts(connection, self._numbers, alerts)
            append_manual(connection, self._numbers, manual)
            for name, value in (state or {}).items():
                kept.put(connection, name, value)
            self._make_room(connection)
            return written

        written = await self._change(change)
        self._remember(len(written))
        self._wake()
        return written

    async def state(self, name: str) -> Any:  # noqa: ANN401 - JSON that only its stage understands
        """What a stage kept under a name, None before it ever did."""
        return await self._read(lambda connection: kept.get(connection, name))

    async def rows_after(self, number: int, limit: int = 5000) -> list[Numbered]:
        """Rows with a higher number, in order of number."""
        rows = await self._read(lambda connection: connection.execute(AFTER, (number, limit)).fetchall())
        return [Numbered(row[0], observation_of(row, self._appender.series)) for row in self._whole(rows)]

    async def rows_since(self, start: int) -> list[Observation]:
        """Every row that begins at or after a moment, in order of time."""
        return await self.rows_between(start, EVER, start)

    async def rows_between(self, start: int, end: int, ends_after: int) -> list[Observation]:
        """Every row that begins in [start, end) and ends after a moment, in order of time."""
        rows = await self._read(lambda connection: connection.execute(BETWEEN, (start, end, ends_after)).fetchall())
        return [observation_of(row, self._appender.series) for row in self._whole(rows)]

    async def pending_entries(self) -> list[LedgerEntry]:
        """The ledger's open entries, oldest first."""
        rows = await self._read(lambda connection: connection.execute(OPEN_ENTRIES).fetchall())
        return [entry_of(row) for row in rows if is_whole(row)]

    async def to_ask_again(self) -> list[tuple[str, int, int]]:
        """Sensor, start and end of rows that were damaged; who asks commits `damage.AGAIN` as [] with the decision."""
        return [(sensor, start, end) for sensor, start, end in await self.state(damage.AGAIN) or []]

    async def changed(self) -> None:
        """Wait until something is appended."""
        await self.appended.wait()

    # ---- for the uplink

    async def cut(self, lane: str, head: Mapping[str, Any], most: int = BATCH_ROWS) -> Frozen | None:
        """Freeze the next batch of a lane, None where nothing waits or no place is free."""
        if not self._numbers.unsent():
            return None
        now = self._clock.now()

        def change(connection: sqlite3.Connection) -> Frozen | None:
            series, settled = self._appender.series, self._books.answered.keys()
            return self._cutter.cut(connection, self._numbers, series, lane, head, now, most, settled)

        return await self._change(change, idle=True)

    async def unanswered(self) -> list[Frozen]:
        """The outbox, oldest first."""
        return [batch for batch in await self._read(outbox.unanswered) if batch.id not in self._books.answered]

    async def settle(self, answer: Answer) -> bool:
        """Apply HQ's final answer to a batch; False where it fits nothing in the outbox.

        `committed` and `duplicate` free the rows; `rejected` keeps the bytes as a dead letter and lets the rest flow.
        """

        def note(connection: sqlite3.Connection) -> bool:
            found = outbox.find(connection, answer)
            if found is None or answer.id in self._books.answered or answer.st not in FINAL:
                return False
            self._books.settle(Settled(answer, *found))
            return True

        return await self._read(note)

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
        await self._cut_afresh()
        return found

    async def unsend(self, first: int, last: int) -> int:
        """Send acknowledged numbers again, as HQ's command `resend` asks; how many rows are still here."""
        rows = await self._change(lambda connection: unsend(connection, self._numbers, self.acked.between(first, last)))
        await self._cut_afresh()
        self._wake()
        return rows

    async def begin_epoch(self) -> None:
        """Start a new epoch, as after HQ answered `fork`."""
        await self._change(lambda connection: outbox.begin_epoch(connection, self._numbers))
        await self._cut_afresh()

    async def _cut_afresh(self) -> None:
        self._cutter = await self._read(lambda connection: Cutter(connection, self._clock.now()))

    async def dead_letters(self) -> list[DeadLetter]:
        """The batches HQ rejected, oldest first; the newest hundred are kept."""
        rows = await self._read(lambda connection: connection.execute(LETTERS).fetchall())
        return [DeadLetter(*row) for row in rows]

    # ---- how it stands

    async def tally(self) -> Tally:
        """How the buffer stands now; as it last stood where the disk cannot be read."""
        try:
            self._last_tally = await self._read(self._tally)
        except sqlite3.OperationalError:
            if self._last_tally is None:
                raise
        return self._last_tally

    def _tally(self, connection: sqlite3.Connection) -> Tally:
        cutoff = int(self._clock.now()) - FRESH_FOR
        recent = self._recent[0][1] if self._recent else self._numbers.next
        return taken(connection, self._numbers, used_bytes(connection, self._database.path), self._cap, cutoff, recent)

    # ---- inside

    async def _change(self, change: Callable[[sqlite3.Connection], T], *, idle: bool = False) -> T:
        """One change of file and memory, tried again where a full disk could be relieved; see `Books.change`."""
        for slices in range(SLICES + 1):
            try:
                return await self._books.change(change, idle=idle)
            except sqlite3.OperationalError as error:
                if slices == SLICES or not is_full(error) or not await self._relieve():
                    raise
        raise AssertionError  # the last turn returned or raised

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        return await self._books.read(question)

    def _whole(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The rows that are what was written; the others are given up with the next append."""
        for row in rows:
            if is_whole_row(row):
                yield row
            else:
                self._found_damaged[row[0]] = row

    def _give_up_damaged(self, connection: sqlite3.Connection) -> None:
        if self._found_damaged:
            damage.give_up(connection, self._numbers, self._appender.series, self._found_damaged.values())
            self._found_damaged = {}

    async def _relieve(self) -> bool:
        """On a full disk: give the ballast back, drop what is oldest, and grow no more until there is room again."""
        self._ballast.drop()

        def free(connection: sqlite3.Connection) -> bool:
            self._cap = min(self._cap, used_bytes(connection, self._database.path))
            return self._drop_oldest(connection) > 0

        try:
            freed = await self._books.change(free, idle=True)
            await self._read(give_back_wal)
        except sqlite3.OperationalError:
            return False
        return freed

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Drop a slice of what is oldest: acknowledged after 30 days, or, where the cap is reached, at once."""
        now = self._clock.now()
        if now >= self._prune_at:
            room.drop_acknowledged(connection, self._numbers, self._read_by_all(connection), now - room.KEEP_FOR)
            self._prune_at = now + PRUNE_EVERY
            self._cap = self._declared_cap if self._ballast.fill() else self._cap
        if used_bytes(connection, self._database.path) >= self._cap:
            self._drop_oldest(connection)

    def _drop_oldest(self, connection: sqlite3.Connection) -> int:
        below, until = self._read_by_all(connection), self._clock.now() + FRESH_FOR
        return room.drop_acknowledged(connection, self._numbers, below, until) or room.drop_unacknowledged(
            connection, self._numbers, self._appender.series, self._numbers.next
        )

    def _read_by_all(self, connection: sqlite3.Connection) -> int:
        """The first number that some stage has not read yet."""
        return min([*kept.cursors(connection), self._numbers.highest]) + 1

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
