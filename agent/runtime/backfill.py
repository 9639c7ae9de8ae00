"""Backfill: what a camera's memory holds of the time nobody watched, a day at a time, never in the way of a poll."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from agent.contract.observation import LedgerEntry
from agent.contract.times import HOUR
from agent.drivers.base import Kind, Refused, SensorError, Unreachable, Unsupported
from agent.runtime.occupant import REPLACED
from agent.runtime.readings import SETTLE, backfilled

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.buffer.buffer import Buffer
    from agent.contract.observation import Observation
    from agent.drivers.base import Row
    from agent.foundation.clock import Clock
    from agent.runtime.poller import Poller

log = structlog.get_logger()

RETRY = 15.0  # real seconds after a chunk that failed
DEADLINE = 30.0  # real seconds for one chunk
READING = 4  # chunks under way at once in a store
PIECE = 100  # rows a commit, of which one at a time waits before a tick's: a few milliseconds


@dataclass
class Stretch:
    """What of one kind is still to be read, [at, until). `first`: nothing was found yet, so nothing is missing."""

    kind: Kind
    at: int
    until: int
    first: bool = False


@dataclass
class Progress:
    """For the progress bar: hours read and to read, over all kinds; rows that were news."""

    done: int = 0
    total: int = 0
    rows: int = 0

    @property
    def running(self) -> bool:
        return self.done < self.total


class Lane:
    """What the backfills of one store share, so that together they stay out of the way of its ticks."""

    def __init__(self) -> None:
        self.reading = asyncio.Semaphore(READING)
        self.writing = asyncio.Lock()


class Backfill:
    """One sensor's backfill. Shares the poller's turn, pauses between chunks, resumes after a crash."""

    def __init__(
        self, poller: Poller, buffer: Buffer, clock: Clock, stretches: list[Stretch], *, pause: float = 0.5
    ) -> None:
        self._poller, self._buffer, self._clock, self._pause = poller, buffer, clock, pause
        self._stretches = stretches
        self._more = asyncio.Event()
        self.lane = Lane()  # the store's, set by the collector
        self.progress = Progress(total=sum(_hours(stretch) for stretch in stretches))

    @property
    def waiting(self) -> int:
        """Stretches that are still to be read."""
        return len(self._stretches)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the sensor's clock."""
        return self._poller.zone

    @property
    def kinds(self) -> list[Kind]:
        """What the sensor's driver can be asked for."""
        return list(self._poller.driver.cadence)

    def add(self, stretch: Stretch) -> dict[str, object]:
        """Take on one more stretch; the state to commit with the decision."""
        for known in self._stretches:
            # The decision is made again at every tick while it cannot be committed.
            if known.kind is stretch.kind and known.at <= stretch.at <= known.until:
                self.progress.total += max(0, stretch.until - known.until) // HOUR
                known.until = max(known.until, stretch.until)
                return self.state()
        self._stretches.append(stretch)
        self.progress.total += _hours(stretch)
        self._more.set()
        return self.state()

    def shift(self, by: int) -> None:
        """Our own clock was set: what was decided by it moves."""
        for stretch in self._stretches:
            stretch.at, stretch.until = stretch.at + by, stretch.until + by

    def state(self) -> dict[str, object]:
        """What is still to be read, for the commit."""
        kept = [[stretch.kind.value, stretch.at, stretch.until, stretch.first] for stretch in self._stretches]
        return {state_name(self._poller.sensor): kept}

    async def run(self) -> None:
        """Read stretch by stretch, until cancelled."""
        while True:
            if not self._stretches:
                self._more.clear()
                await self._more.wait()
            if self._poller.doubted():
                await asyncio.sleep(RETRY)
                continue
            try:
                await self._chunk(self._stretches[0])
                await asyncio.sleep(self._pause)
            except (SensorError, TimeoutError, sqlite3.OperationalError) as error:
                log.info("backfill_waits", sensor=self._poller.sensor, why=str(error) or "no answer in time")
                await asyncio.sleep(RETRY)

    async def run_dry(self) -> None:
        """Read what waits, and end.

        Raises:
            SensorError, TimeoutError: the device did not answer; what is unread stays to be read.
        """
        while self._stretches:
            await self._chunk(self._stretches[0])
            await asyncio.sleep(self._pause)

    def is_reading(self, start: int, end: int) -> bool:
        """Whether something of this stretch is still to be read."""
        return any(stretch.at < end and start < stretch.until for stretch in self._stretches)

    async def _chunk(self, stretch: Stretch) -> None:
        if stretch.at < self._poller.book.occupant.since:
            await self._leave_out(stretch, min(stretch.until, self._poller.book.occupant.since))
            return
        upto = min(stretch.until, self._end_of_day(stretch.at))
        await self._clock.sleep(upto + SETTLE - self._clock.now())
        async with self.lane.reading:
            await self._read(stretch, upto)

    async def _read(self, stretch: Stretch, upto: int) -> None:
        try:
            async with self._poller.turn, asyncio.timeout(DEADLINE):
                if self._poller.patience.refused_for:
                    raise Unreachable("its account was refused just now, and is not tried again so soon")
                history = await self._poller.driver.history(stretch.kind, stretch.at, upto)
        except Refused as error:
            self._poller.patience.after([error])
            raise
        except Unsupported:
            self.progress.done += _hours(stretch)
            self._stretches.remove(stretch)
            await self._buffer.append(state=self.state())
            return
        final = [row for row in history.rows if row.end <= upto]
        entries = self._holes(stretch, upto, final)
        entries += [
            LedgerEntry(self._poller.sensor, start, end, "lost", why)
            for start, end, why in history.missing
            if end <= upto
        ]
        rows = [self._poller.flagged(row) for row in backfilled(self._poller.sensor, final)]
        while len(rows) > PIECE:  # the last piece says that they were read: made again after a crash, they are no news
            piece, rows = rows[:PIECE], rows[PIECE:]
            async with self.lane.writing:
                self.progress.rows += len(await self._buffer.append(piece))
        async with self.lane.writing:
            await self._finish(stretch, upto, rows, entries)

    async def _finish(self, stretch: Stretch, upto: int, rows: list[Observation], entries: list[LedgerEntry]) -> None:
        read = (upto - stretch.at) // HOUR
        at, stretch.at = stretch.at, upto
        if stretch.at >= stretch.until:
            self._stretches.remove(stretch)
        try:
            written = await self._buffer.append(rows, entries, self.state())
        except BaseException:
            stretch.at = at
            if stretch not in self._stretches:
                self._stretches.insert(0, stretch)
            raise
        self.progress.done += read
        self.progress.rows += len(written)

    async def _leave_out(self, stretch: Stretch, upto: int) -> None:
        """What another device counted, whose memory went with it."""
        entry = LedgerEntry(self._poller.sensor, stretch.at, upto, "lost", REPLACED)
        self.progress.done += (upto - stretch.at) // HOUR
        stretch.at = upto
        if stretch.at >= stretch.until:
            self._stretches.remove(stretch)
        await self._buffer.append(entries=[] if stretch.first else [entry], state=self.state())

    def _end_of_day(self, at: int) -> int:
        local = datetime.fromtimestamp(at, tz=UTC).astimezone(self._poller.zone)
        midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), self._poller.zone)
        return max(int(midnight.timestamp()), at + HOUR)

    def _holes(self, stretch: Stretch, upto: int, rows: list[Row]) -> list[LedgerEntry]:
        """What the camera no longer has. Before its first row ever there was nothing to lose."""
        if stretch.first and not rows:
            return []
        stretch.first = False
        told = sorted({(row.start, row.end) for row in rows})
        edges = [stretch.at, *(end for _, end in told)], [*(start for start, _ in told), upto]
        return [
            LedgerEntry(self._poller.sensor, start, end, "lost", f"the device's memory has no {stretch.kind} of it")
            for start, end in zip(*edges, strict=True)
            if start < end
        ]


def state_name(sensor: str) -> str:
    """Under which name what is still to be read is kept in the buffer."""
    return f"fill:{sensor}"


def load(stored: list[Any] | None) -> list[Stretch]:
    """From what `Backfill.state` made."""
    return [Stretch(Kind(kind), at, until, bool(first)) for kind, at, until, first in stored or []]


def _hours(stretch: Stretch) -> int:
    return max(0, stretch.until - stretch.at) // HOUR


def first_stretches(kinds: list[Kind], since: int, until: int) -> list[Stretch]:
    """What the first start of a sensor reads of its memory: every kind, from when it was hung up here."""
    return [Stretch(kind, since, until, first=True) for kind in kinds if since < until]
