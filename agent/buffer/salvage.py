"""Salvage: every row that can still be read of a file set aside, and that HQ is not known to have, comes along."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.buffer import kept, losses
from agent.buffer.append import Appender, append_alerts, append_entry, append_manual
from agent.buffer.damage import AGAIN, DAMAGED, MOST, STORE
from agent.buffer.greeting import OWN
from agent.buffer.kinds import ALERT, KINDS, LEDGER, MANUAL, OBSERVATION, entry_of, observation_of
from agent.buffer.lending import lent
from agent.buffer.losses import UNREADABLE
from agent.buffer.numbers import SETS, Identity, Numbers
from agent.buffer.seals import is_whole, teach
from agent.contract import wire
from agent.contract.happenings import ALERTS, Alert, ManualCount, read_alerts, read_manual
from agent.contract.happenings import MANUAL as COUNTS
from agent.contract.observation import LedgerEntry, Observation, Origin, Series
from agent.contract.ranges import Ranges
from agent.foundation.sqlite import migrate, open_read_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from agent.buffer.kinds import Kind

_CHUNK = 100  # numbers read at once from a damaged file; where a page is bad, its chunk is read number by number
_NOWHERE = "nothing of it can be read"

READ: dict[str, Callable[[wire.Envelope], Iterable[tuple[int, Any]]]] = {
    wire.OBSERVATIONS: wire.read_observations,
    wire.LEDGER: wire.read_ledger,
    ALERTS: read_alerts,
    COUNTS: read_manual,
}
OUTBOX = "SELECT sha, payload FROM outbox ORDER BY rowid"


class Saved(NamedTuple):
    """How many rows came along, and how many numbers are told as lost."""

    rows: int
    lost: int


class Old:
    """A file set aside, as far as it can be read: its books, and the numbers that were found."""

    def __init__(self, source: sqlite3.Connection) -> None:
        self.source = source
        self.unsealed = _unsealed(source)
        self.series = _series(source, unsealed=self.unsealed)
        self.lengths: dict[int, int] = {}
        self.found = Ranges()
        self.settled, self.identity = Ranges(), None
        if not self.unsealed:
            self.settled = Ranges(span for name in SETS for span in _kept(source, f"numbers:{name}") or ())
            self.identity = _kept(source, "identity")

    @property
    def epoch(self) -> str:
        return str(self.identity["epoch"]) if self.identity else ""

    @property
    def boot(self) -> int | None:
        return int(self.identity["boot"]) if self.identity else None

    def highest(self, kinds: tuple[Kind, ...] = KINDS) -> int:
        """The highest number that was given, as far as anything still tells."""
        known = [self.identity["next"] - 1 if self.identity else 0, self.settled.highest, self.found.highest]
        for kind in kinds:
            with suppress(*UNREADABLE):
                last = self.source.execute(f"SELECT max(number) FROM {kind.table}").fetchone()[0]  # noqa: S608 - our own names
                known.append(last if isinstance(last, int) else 0)
        return max(known)

    def rows(self, kind: Kind) -> Iterator[tuple[Any, ...]]:
        """The rows of a kind that are what was written, settled ones left out."""
        for first in range(1, self.highest((kind,)) + 1, _CHUNK):
            for row in self._chunk(kind, first):
                sealed = (*row, None) if self.unsealed else row
                if row[0] not in self.settled and (self.unsealed or kind.is_whole(row)):
                    yield sealed

    def _chunk(self, kind: Kind, first: int) -> list[tuple[Any, ...]]:
        question = f"SELECT * FROM {kind.table} WHERE number BETWEEN ? AND ?"  # noqa: S608 - our own names
        with suppress(*UNREADABLE):
            return self.source.execute(question, (first, first + _CHUNK - 1)).fetchall()
        rows = []
        for number in range(first, first + _CHUNK):  # the rows beside the bad page are on good ones
            with suppress(*UNREADABLE):
                rows += self.source.execute(question, (number, number)).fetchall()
        return rows

    def frozen(self) -> list[tuple[int, Any]]:
        """What batches under way hold: a copy of their rows, which a bad page of the tables does not touch."""
        found: list[tuple[int, Any]] = []
        with suppress(*UNREADABLE):
            for sha, payload in self.source.execute(OUTBOX):
                with suppress(ValueError, TypeError, AttributeError):
                    envelope = wire.open_envelope(payload)
                    if wire.sha_of(payload) == sha and envelope.schema_ in READ:
                        found += READ[envelope.schema_](envelope)
        return [(number, record) for number, record in found if number not in self.settled]

    def missing(self) -> Ranges:
        """Numbers that were given and that neither HQ nor we have; known for sure where the books can be read."""
        lacking = Ranges([(1, highest)]) if (highest := self.highest()) else Ranges()
        lacking.subtract(self.settled)
        lacking.subtract(self.found)
        return lacking


@contextmanager
def _opened(aside: Path, page: bytes) -> Iterator[Old]:
    """A file set aside as it is or, where it does not even say who it is, with the first page of another."""
    with closing(open_read_only(aside)) as source:
        if (old := Old(source)).identity or old.unsealed:
            yield old
            return
    with lent(aside, page), closing(open_read_only(aside)) as source:
        if (old := Old(source)).identity:
            yield old
            return
    with closing(open_read_only(aside)) as source:
        yield Old(source)


def salvage(aside: Path, connection: sqlite3.Connection, fallback_boot: int, now: float, page: bytes) -> Saved:
    """Append to a fresh file what can be read of one set aside, and tell what cannot.

    The numbers go on where the old file's ended: those before are void in the new epoch, so an entry that names them
    can mean nothing but the rows of the old one. Cursors and readings are left behind on purpose: they may be ahead of
    rows that did not survive, and what they skipped would be lost. The poller reads the cameras' memory again instead.
    `page` is what `first_page` gives.
    """
    with _opened(aside, page) as old:
        numbers = Numbers(connection)
        if highest := old.highest():
            numbers.identity.next = highest + 1
            numbers.past.add(1, highest)
            numbers.void.add(1, highest)
        saved = _take_over(old, connection, numbers, now)
        numbers.identity.boot = max(numbers.identity.boot, fallback_boot if old.boot is None else old.boot)
    numbers.save(connection)
    return saved


def _take_over(old: Old, connection: sqlite3.Connection, numbers: Numbers, now: float) -> Saved:
    appender, saved = Appender(connection), 0
    for number, record in old.frozen():  # before the tables, which may hold a newer version
        saved += _append(connection, numbers, appender, record)
        old.found.add(number, number)
    for kind in KINDS:
        for row in old.rows(kind):
            if row[0] in old.found and kind in (ALERT, MANUAL):
                continue  # those are never replaced
            try:
                saved += _append(connection, numbers, appender, _record(kind, row, old.series))
            except (ValueError, KeyError):
                continue  # its series is gone, or it breaks the contract
            old.found.add(row[0], row[0])
            if kind is OBSERVATION:
                old.lengths[row[1]] = row[3] - row[2]
    lost = _tell_lost(old, connection, numbers, int(now))
    return Saved(saved, lost)


def _tell_lost(old: Old, connection: sqlite3.Connection, numbers: Numbers, now: int) -> int:
    missing = old.missing()
    if old.unsealed:  # the first schema's books are not read: what is missing may as well be at HQ
        return 0
    entries = losses.told(old.source, missing, old.series, old.lengths, old.epoch or "unknown", now)
    if not old.identity:
        # What came after the last number that anything tells is not known; that there was something is.
        entries.append(LedgerEntry(STORE, now - 1, now, "lost", f"{DAMAGED}: {_NOWHERE} about how much there was"))
    for entry in entries:
        append_entry(connection, numbers, entry)
    numbers.identity.damaged_rows += len(missing)
    again = [[entry.sensor, entry.start, entry.end] for entry in entries if entry.sensor != STORE]
    if again:
        kept.put(connection, AGAIN, again[-MOST:])
    return len(missing)


def _record(kind: Kind, row: tuple[Any, ...], series: Mapping[int, Series]) -> Any:  # noqa: ANN401 - one of four
    if kind is OBSERVATION:
        return observation_of(row, series)
    if kind is LEDGER:
        return entry_of(row)
    return (Alert if kind is ALERT else ManualCount)(*row[1:-1])


def _append(connection: sqlite3.Connection, numbers: Numbers, appender: Appender, record: Any) -> int:  # noqa: ANN401 - as above
    if isinstance(record, Observation):
        return len(appender.append(connection, numbers, [record]))
    if isinstance(record, LedgerEntry):
        return int(append_entry(connection, numbers, record))
    if isinstance(record, Alert):
        append_alerts(connection, numbers, [record])
    else:
        append_manual(connection, numbers, [record])
    return 1


def _series(source: sqlite3.Connection, *, unsealed: bool) -> dict[int, Series]:
    """The series that can be read; rows of one that cannot are lost with its name."""
    found: dict[int, Series] = {}
    with suppress(*UNREADABLE):
        for row in source.execute("SELECT * FROM series"):
            if unsealed or is_whole(row):
                found[row[0]] = Series(row[1], row[2], row[3], Origin(row[4]))
    return found


def _unsealed(source: sqlite3.Connection) -> bool:
    """Whether the file is of the first schema, which had no seals."""
    try:
        return bool(source.execute("PRAGMA user_version").fetchone()[0] == 1)
    except UNREADABLE:
        return False


def _kept(source: sqlite3.Connection, name: str) -> Any:  # noqa: ANN401 - as `kept.get`
    """What is kept under a name; not knowing what HQ has costs sending again what HQ then finds it has."""
    try:
        found = kept.get(source, name)
        return found if name != "identity" or found is None else vars(Identity(**found))
    except (*UNREADABLE, ValueError, TypeError):
        return None


def merge(side: Path, connection: sqlite3.Connection, migrations: Path, now: float) -> int:
    """Take over what a side file gathered while an older version ran; how many rows there were.

    Its books and cursors are newer than ours and every row they stand for comes along, so they are taken too.
    """
    with closing(sqlite3.connect(side, isolation_level=None)) as source:
        teach(source)
        migrate(source, migrations)
        states = source.execute("SELECT name, value FROM kept WHERE name <> 'identity' AND name NOT LIKE 'numbers:%'")
        books = {name: json.loads(value) for name, value in states if not name.startswith("cursor:")}
        books = {name: value for name, value in books.items() if name not in OWN}  # about numbers of its own epoch
    with closing(open_read_only(side)) as source:
        numbers, old = Numbers(connection), Old(source)
        saved = _take_over(old, connection, numbers, now)
        numbers.identity.boot = max(numbers.identity.boot, old.boot or 0)
        numbers.save(connection)
    for name, value in books.items():
        kept.put(connection, name, value)
    return saved.rows
