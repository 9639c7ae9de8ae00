"""One sensor's poller: what is asked when, back-off, and saying once when it goes silent and once when it returns."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import structlog

from agent.contract.observation import LedgerEntry, Observation, Origin, Quality, checked
from agent.contract.times import DAY, HOUR, MINUTE
from agent.drivers.base import Counter, Driver, Forbidden, Garbled, Kind, Known, Refused, SensorError, Unsupported
from agent.runtime import gaps
from agent.runtime.book import Book, Condition
from agent.runtime.corrected import Corrected
from agent.runtime.occupant import begin_afresh
from agent.runtime.patience import Patience
from agent.runtime.readings import LIVE_WINDOW, read, read_totals, snapped
from agent.runtime.timing import Timepiece

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.base import History, Identity

log = structlog.get_logger()

DEADLINE = 10.0  # real seconds for everything that one tick asks of one sensor
CLOCK_EVERY = 300  # seconds of the store's time between two looks at the device's clock
SET_BY = 300  # seconds: somebody set its clock, rather than that it drifted
INTERVALS = (Kind.LINES, Kind.REGIONS, Kind.HEAT)


@dataclass
class Asked:
    """What a sensor answered at one tick, kind by kind; a kind that failed is missing."""

    history: dict[Kind, History] = field(default_factory=dict)
    counters: Sequence[Counter] | None = None
    problems: list[SensorError] = field(default_factory=list)
    who: Identity | None = None

    @property
    def answered(self) -> bool:
        """Whether there was any answer with counts."""
        return bool(self.history) or self.counters is not None


NOTHING = Asked()  # nothing was due, or the device only sends


class Polled(NamedTuple):
    """What one tick of one sensor wants committed: rows, ledger entries, and the state they were made from."""

    rows: list[Observation]
    entries: list[LedgerEntry]
    state: dict[str, object]


class Poller:
    """Owns one device: nobody else calls it. `turn` is shared with its backfill, so that calls never overlap."""

    def __init__(
        self,
        sensor: str,
        driver: Driver,
        zone: ZoneInfo,
        book: Book,
        now: Callable[[], float] = time.time,
        timepiece: Timepiece | None = None,
    ) -> None:
        """`timepiece` is of the device's clock, which is asked for where the driver can; `now` is ours."""
        self.timepiece, self._now = timepiece or Timepiece(), now
        self.sensor, self.zone, self.book = sensor, zone, book
        self.driver: Driver = Corrected(driver, self.timepiece)
        self.condition = Condition()
        self.turn = asyncio.Lock()
        self.handed_over: list[tuple[Kind, int, int]] = []  # by the last digest
        self.is_filling: Callable[[int, int], bool] = lambda _start, _end: False  # the backfill's, set by the collector
        self._is_known = isinstance(driver, Known)
        self._ask_who_at: float = 0 if self._is_known else math.inf
        self.patience = Patience()  # its backfill's and its stream's too: whoever asks, it is one account
        self._unsupported: set[Kind] = set()
        self._asked_at: dict[Kind, int] = {}
        self._ask_clock_at = 0
        self.doubted: Callable[[], bool] = lambda: False  # whether our own clock is not set
        self._clock_was_set = False

    # ---- asking

    def leave(self, kind: Kind) -> None:
        """Ask for a kind no more: the device sends it."""
        self._unsupported.add(kind)

    @property
    def asks(self) -> bool:
        """Whether there is anything to ask for."""
        return not self.driver.cadence.keys() <= self._unsupported

    async def ask(self, tick: int) -> Asked | None:
        """Everything due at this tick, within the deadline; None while backing off."""
        if self.patience.is_asked_for:
            return None
        asked = Asked()
        try:
            async with self.turn, asyncio.timeout(DEADLINE):
                await self._ask_all(tick, asked)
        except TimeoutError:
            asked.problems.append(SensorError(f"no complete answer within {DEADLINE:g} s"))
        self.patience.after(asked.problems)
        return asked

    async def _ask_all(self, tick: int, asked: Asked) -> None:
        """Of a device with a clock totals first: where they were told, it is no password that the clock refuses."""
        due = self._due(tick)
        first = [kind for kind in due if self._is_known and kind not in INTERVALS]
        for kind in first:
            await self._ask_for(kind, tick, asked)
        if not asked.problems and tick >= self._ask_clock_at and (due or self.doubted()):
            await self._ask_clock(tick, asked)
            due = due or self._due(tick)
        for kind in due:
            if asked.problems and not asked.answered:
                return  # a device that does not answer one question is not asked three more
            if kind not in first:
                await self._ask_for(kind, tick, asked)
        if asked.answered and not asked.problems:
            asked.who = await self._who(tick)

    async def _ask_for(self, kind: Kind, tick: int, asked: Asked) -> None:
        try:
            if kind is Kind.COUNTERS:
                asked.counters = await self.driver.counters()
            else:
                asked.history[kind] = await self.driver.history(kind, *self._span(kind, tick))
        except SensorError as error:
            # What this account may not read, beside what it may, is for this agent as good as not there.
            if isinstance(error, Unsupported) or (isinstance(error, Forbidden) and asked.answered):
                self._unsupported.add(kind)
                log.info("kind_unsupported", sensor=self.sensor, kind=kind.value, why=str(error))
            else:
                asked.problems.append(error)
        else:
            self._asked_at[kind] = tick  # what was not answered is asked again at the next tick, not an hour later

    async def _who(self, tick: int) -> Identity | None:
        """Who answers, asked after the counts were: then it is no wrong password that is refused here."""
        if tick < self._ask_who_at or not self.book.occupant.is_due(tick, returned=not self.condition.up):
            return None
        try:
            told: Identity = await self.driver.identity()  # type: ignore[attr-defined]  # base.Known, as found above
        except SensorError as error:
            self._ask_who_at = tick + (DAY if isinstance(error, Unsupported | Refused) else HOUR)
            log.info("identity_not_told", sensor=self.sensor, why=str(error))
            return None
        return told

    async def _ask_clock(self, tick: int, asked: Asked) -> None:
        """Compare its clock with ours, where it tells; a device that does not is not asked again today."""
        self._ask_clock_at, began = tick + CLOCK_EVERY, self._now()
        before, piece = self.timepiece.shift, self.timepiece
        try:
            shown = await self.driver.clock()  # type: ignore[attr-defined]  # base.Known; AttributeError is caught
        except (AttributeError, Unsupported, Forbidden):
            self._ask_clock_at = tick + DAY
        except Refused as error:
            self._ask_clock_at = tick + DAY
            if not asked.answered:  # it may be the password, which is then not tried again before its time
                asked.problems.append(error)
        except SensorError:
            return
        else:
            piece.asked(shown, (began + self._now()) / 2)
            if piece.doubt != self.condition.doubt:
                log.warning("sensor_clock", sensor=self.sensor, what=piece.doubt or "goes again")
            self.condition.offset, self.condition.doubt = piece.offset, piece.doubt
            if not self.book.answered:
                for memory in self.book.memories.values():
                    memory.settled = self._hour(memory.settled)
            elif abs(piece.shift - before) >= SET_BY:
                log.info("sensor_clock_set", sensor=self.sensor, offset=piece.offset)
                self._clock_was_set = True

    def _hour(self, moment: float) -> int:
        """When the hour that the device's clock showed at a moment began, by ours."""
        return settled_hour(moment + self.timepiece.shift, self.zone) - self.timepiece.shift

    def shift(self, by: int) -> None:
        """Our own clock was set: what is remembered moves with it."""
        self.book.shift(by)
        self.timepiece.own_clock_set(by)
        self._asked_at, self._ask_clock_at = {}, 0
        self._ask_who_at += by

    def _due(self, tick: int) -> list[Kind]:
        due = []
        # With our own clock not set, and none of the device's to go by, its hours cannot be asked for.
        lost = self.doubted() and self.timepiece.offset is None
        for kind, every in self.driver.cadence.items():
            if kind in self._unsupported or (lost and kind in INTERVALS):
                continue
            last = self._asked_at.get(kind, 0)
            if self._hour_is_over(kind, last, tick) if self._is_hourly(kind) else tick - last >= every:
                due.append(kind)
        return due

    def _is_hourly(self, kind: Kind) -> bool:
        """Whether its finished intervals alone are of use: it is read when an hour is over, and of no running one."""
        return self.driver.cadence[kind] >= HOUR and kind in self.book.memories

    def _hour_is_over(self, kind: Kind, last: int, tick: int) -> bool:
        """Since it was asked last, more than a minute ago; or one that two readings have not yet agreed upon."""
        unsettled = any(tick >= hour.end for hour in self.book.memories[kind].hours.values())
        return unsettled or self._hour(last - MINUTE) < self._hour(tick - MINUTE)

    def _span(self, kind: Kind, tick: int) -> tuple[int, int]:
        """From when until when it is asked."""
        since = max(self.book.memories[kind].settled, tick - LIVE_WINDOW)
        if not self._is_hourly(kind):
            return since, tick
        until = self._hour(tick)
        return min(since, until - HOUR), until

    # ---- making rows

    def digest(self, tick: int, asked: Asked | None) -> Polled:
        """Rows and ledger entries of one tick. Changes the book: commit `state` with the rows, or `restore`."""
        if asked is None or asked == NOTHING:
            return Polled([], gaps.still_silent(self.book, self.sensor, tick), self._state())
        rows: list[Observation] = []
        entries: list[LedgerEntry] = []
        if asked.who and self.book.occupant.meet(asked.who, tick):
            log.warning("device_replaced", sensor=self.sensor, model=asked.who.model, serial=asked.who.serial)
            entries += begin_afresh(self.book, self.sensor, tick, self._hour(tick))
        self.handed_over = [] if not asked.history else self._hand_over(tick)
        for kind, history in asked.history.items():
            if kind in INTERVALS:
                made, holes = self._digest_kind(kind, history, tick)
                rows += made
                entries += holes
        if asked.counters is not None:
            rows += read_totals(self.book.totals, self.sensor, asked.counters, tick)
        rows, unfit = fit(rows)
        problems = [*asked.problems, *(garbled for history in asked.history.values() for garbled in history.problems)]
        problems += unfit
        entries += self._note(tick, problems, answered=asked.answered)
        return Polled(rows, entries + self._answered_gaps(), self._state())

    def _hand_over(self, tick: int) -> list[tuple[Kind, int, int]]:
        """Stretches too long ago for differences: from now on they are the backfill's."""
        upto = self._hour(tick - HOUR)
        handed = []
        for kind, memory in self.book.memories.items():
            if memory.settled < min(upto, tick - LIVE_WINDOW) or (self._clock_was_set and memory.settled < upto):
                handed.append((kind, memory.settled, upto))
                memory.settled = upto
                memory.hours = {start: hour for start, hour in memory.hours.items() if start >= upto}
            if self._clock_was_set:  # what runs now has been told, under another hour
                memory.hours, memory.cold = {}, True
        self._clock_was_set = False
        return handed

    def _digest_kind(self, kind: Kind, history: History, tick: int) -> tuple[list[Observation], list[LedgerEntry]]:
        memory = self.book.memories[kind]
        before, rows = memory.settled, snapped(memory, history.rows)
        if not self._is_hourly(kind):
            made = read(memory, self.sensor, rows, tick)
        else:
            rows = [row for row in rows if row.end <= self._hour(tick)]
            made = read(memory, self.sensor, rows, tick, live=False, watched=gaps.watched_since(self.book, tick))
        # Also of another device, what it counted before it hung here, whoever of its hours was read first.
        made = [
            self.flagged(row) for row in made if row.origin is not Origin.LOG or row.start >= self.book.occupant.since
        ]
        if kind is Kind.LINES and Kind.COUNTERS in self.driver.cadence:
            # The device's own totals are told live by its running counters; two sources would overlap.
            made = [row for row in made if row.origin is not Origin.LIVE or row.place != "sensor"]
        told = sorted((row.start, row.end) for row in made if row.origin is Origin.LOG)
        holes, at = [], max(before, self.book.occupant.since)
        for start, end in told:
            if start > at:
                holes.append(LedgerEntry(self.sensor, at, start, "lost", f"the device has no {kind} row for it"))
            at = max(at, end)
        # What is missing is asked for once more before its hour settles, and one of two readings may have had it.
        now = {(row.place, row.start) for row in rows}
        before_it = {row.start for row in made if row.origin is Origin.LOG and (row.place, row.start) not in now}
        lost = [LedgerEntry(self.sensor, start, end, "lost", why) for start, end, why in history.missing]
        holes += [entry for entry in lost if (entry.start, entry.end) in told and entry.start not in before_it]
        return made, holes

    def flagged(self, row: Observation) -> Observation:
        """A row of the device's memory with what is to be said of its clock."""
        if row.origin is not Origin.LOG or not (self.timepiece.shift or self.timepiece.doubt):
            return row
        return row._replace(quality=row.quality | Quality.CLOCK_CORRECTED)

    def _note(self, tick: int, problems: Sequence[SensorError], *, answered: bool) -> list[LedgerEntry]:
        """Speak once when it goes and once when it returns; the entries of a stretch that ends or begins."""
        condition, book = self.condition, self.book
        entries: list[LedgerEntry] = []
        if problems:
            if not condition.problem:
                log.warning("sensor_silent", sensor=self.sensor, why=str(problems[0]), **_raw(problems[0]))
            condition.problem, condition.trouble = str(problems[0]), _reason(problems[0])
            entries = gaps.silent(book, self.sensor, tick, condition.trouble)
        elif answered:
            if condition.problem or condition.last_answer is None:
                log.info("sensor_returned" if condition.problem else "sensor_answers", sensor=self.sensor)
            condition.problem = condition.trouble = ""
            entries = gaps.answers(book, self.sensor, tick)
        condition.up = answered
        condition.last_answer = float(tick) if answered else condition.last_answer
        return entries

    def _answered_gaps(self) -> list[LedgerEntry]:
        kinds = [kind for kind in self.book.memories if kind not in self._unsupported]
        if kinds:
            return gaps.answered_by_memory(self.book, self.sensor, kinds, self.is_filling)
        return gaps.answered_by_totals(self.book, self.sensor, told=Kind.COUNTERS in self.driver.cadence)

    # ---- the book

    def _state(self) -> dict[str, object]:
        return {state_name(self.sensor): self.book.dump()}

    def restore(self, stored: dict[str, object]) -> None:
        """Go back to what was last committed, after a commit that failed."""
        self.book = Book.load(stored)


def fit(rows: list[Observation]) -> tuple[list[Observation], list[SensorError]]:
    """The rows that may be stored, and what is wrong with the others: a device's nonsense costs that row alone."""
    good: list[Observation] = []
    problems: list[SensorError] = []
    for row in rows:
        try:
            good.append(checked(row))
        except ValueError as error:
            problems.append(Garbled(str(error)))
    return good, problems


def settled_hour(moment: float, zone: ZoneInfo) -> int:
    """The start of the device's hour around a moment, in UTC; zones of half and quarter hours have theirs."""
    shift = int((datetime.fromtimestamp(moment, zone).utcoffset() or timedelta(0)).total_seconds()) % HOUR
    return int(moment + shift) // HOUR * HOUR - shift


def state_name(sensor: str) -> str:
    """Under which name a poller's book is kept in the buffer."""
    return f"poll:{sensor}"


def _reason(problem: SensorError) -> str:
    reasons = {Forbidden: "not allowed", Refused: "credentials refused", Garbled: "answer not understood"}
    return next((why for kind, why in reasons.items() if isinstance(problem, kind)), "no answer")


def _raw(problem: SensorError) -> dict[str, str]:
    """What the answer looked like, for the one log line."""
    return {"raw": problem.raw} if isinstance(problem, Garbled) and problem.raw else {}
