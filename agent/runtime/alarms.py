"""The stage that runs the rules: what the cycle saw in, transitions out; rows, bookmark and state are one commit."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from agent.alerts.engine import Acknowledgement
from agent.alerts.life import NEVER
from agent.contract.times import MINUTE
from agent.runtime.lookout import DAYS, STATE, Lookout, Raised

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from agent.alerts.facts import Fact
    from agent.alerts.state import Transition
    from agent.buffer.buffer import Buffer
    from agent.contract.happenings import Alert
    from agent.contract.layout import Layout
    from agent.foundation.clock import Clock
    from agent.metrics.day import Day
    from agent.runtime.cycle import Seen
    from agent.runtime.lookout import Rules
    from agent.runtime.outgoing import Outgoing

log = structlog.get_logger()

CURSOR = "cursor:alerts"
KEEP_EVERY = 15 * MINUTE  # of the store's time between two commits where nothing happens: 1,440 a day wear the card
SAMPLE_AT = 30  # seconds into each minute: between two ticks, so that rows are never behind what was looked at
DISK_AGAIN = 5.0  # real seconds after the disk did not take a commit


class Alarms:
    """Runs a store's rules and keeps what they tell. `told` is called with each commit's transitions, after it."""

    def __init__(self, buffer: Buffer, layout: Layout, store: str, clock: Clock, outgoing: Outgoing) -> None:
        self._buffer, self._layout, self._store, self._clock = buffer, layout, store, clock
        self._outgoing = outgoing
        self._began = clock.now()
        self._lookout = Lookout(store, layout, {}, self._began)
        self._told: list[Transition] = []  # not committed yet
        self._first_number = buffer.highest
        self._kept = self._sampled = 0.0
        self._dirty = False
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self.problem = ""  # what is wrong with the rules, in whose place others run
        self.told: Callable[[Sequence[Alert]], Awaitable[None]] | None = None
        self.vitals: Callable[[float], Awaitable[list[Fact]]] | None = None

    async def load(self, lags: Mapping[str, float]) -> None:
        """Go on where the last commit was. `lags`: see Figures."""
        self._lookout = Lookout(self._store, self._layout, lags, self._began)
        await self._outgoing.load()
        stored: dict[str, Any] | None = await self._buffer.state(STATE)
        days, number = await self._buffer.state(DAYS), await self._buffer.state(CURSOR)
        try:
            self._lookout.resume(number, days, stored)
        except (KeyError, TypeError, ValueError) as error:  # of another version
            log.warning("alerts_begin_anew", why=repr(error))

    # ---- what the cycle shows

    @property
    def number(self) -> int | None:
        """See Onlooker."""
        return self._lookout.number

    @property
    def moment(self) -> float:
        """See Onlooker."""
        return self._lookout.moment

    def saw(self, seen: Seen) -> None:
        """See Onlooker."""
        self._lookout.saw(seen)
        self._take()
        self._wake.set()

    def day_ended(self, day: Day) -> None:
        """See Onlooker."""
        self._lookout.day_ended(day)
        self._take()
        self._wake.set()

    def use(self, rules: Rules, problem: str = "") -> None:
        """Begin with these rules, and take in what was seen while they were read."""
        self.problem = problem
        self._lookout.use(rules)
        self._take()
        self._wake.set()

    def _take(self) -> None:
        """Note what the rules have told."""
        for step in self._lookout.told:
            log.info("alert", rule=step.rule, scope=step.scope, state=step.state, id=step.id, text=step.text)
        self._told, self._lookout.told = self._told + self._lookout.told, []
        self._dirty, self._lookout.moved = self._dirty or self._lookout.moved, False

    # ---- time

    async def run(self, read: Callable[[], tuple[Rules, str]]) -> None:
        """Read the rules beside everything else, then follow the moments for ever."""
        self.use(*await asyncio.to_thread(read))
        stored = True
        while True:
            self._wake.clear()
            pause = 0.0
            try:
                await self.turn()
                pause = self._clock.real(min(MINUTE, max(0.0, self._next() - self._clock.now())))
                stored = True
            except sqlite3.OperationalError as error:  # the collector says so to people
                if stored:
                    log.warning("alerts_not_stored", why=str(error))
                stored, pause = False, DISK_AGAIN
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """Run what is due, and keep what happened.

        Raises:
            sqlite3.OperationalError: see `commit`.
        """
        await self._advance(self._clock.now())
        await self.commit()

    def _next(self) -> float:
        """When there is something to do although nothing comes."""
        due = self._lookout.due if self._lookout.ready else self.moment
        return min(due, self._next_sample())

    def _next_sample(self) -> float:
        if self.vitals is None:
            return NEVER
        return (self._sampled // MINUTE + 1) * MINUTE + SAMPLE_AT if self._sampled else 0.0  # at once

    async def _advance(self, now: float) -> None:
        """Run the timers that have ended; then how the agent is, if it is time for that."""
        if not self._lookout.ready:
            return
        self._lookout.advance(now)
        if self.vitals and now >= self._next_sample():
            facts = await self.vitals(now)
            if not self._sampled:
                facts += self._lookout.whole_days(self.moment)
            self._sampled = now // MINUTE * MINUTE
            self._step([fact for fact in facts if fact.key in self._lookout.wanted], now)
        self._take()

    def _step(self, facts: Iterable[Fact], moment: float, taken_on: Sequence[Acknowledgement] = ()) -> None:
        self._lookout.step(facts, moment, taken_on)
        self._take()

    # ---- the commit

    async def commit(self) -> None:
        """Keep what happened, with the state it came from and what is to be told; now and then the state alone.

        Raises:
            sqlite3.OperationalError: the disk does not take it; nothing is lost, and it may be tried again.
        """
        async with self._turn:
            state = self._lookout.state
            if state is None or not (self._dirty or self._told or state.now >= self._kept + KEEP_EVERY):
                return
            told, self._told, self._dirty = self._told, [], False
            self._outgoing.put(told)
            try:
                await self._buffer.append(alerts=[step.row for step in told], state=self._document())
            except sqlite3.OperationalError:
                self._told, self._dirty = told + self._told, True
                self._outgoing.take_back(told)
                raise
            self._kept = state.now
        self._outgoing.go()
        if told and self.told:
            await self.told([step.row for step in told])

    def _document(self) -> dict[str, object]:
        number = self._first_number if self.number is None else self.number
        return {CURSOR: number, **self._lookout.document(), **self._outgoing.document()}

    # ---- people

    @property
    def raised(self) -> list[Raised]:
        """The open alerts, the worst first and then the newest."""
        worst = ("critical", "warning", "info")
        return sorted(self._lookout.open.values(), key=lambda one: (worst.index(one.step.severity), -one.began))

    async def acknowledge(self, alert: str, by: str) -> Transition | None:
        """Somebody takes on an open alert; its newest step, None where there is no such alert."""
        found = self._lookout.open.get(alert)
        if found is None or not self._lookout.ready:
            return None
        self._step((), max(self.moment, self._clock.now()), [Acknowledgement(alert, by)])
        with suppress(sqlite3.OperationalError):  # `run` tries again
            await self.commit()
        self._wake.set()
        newest = self._lookout.open.get(alert)
        return newest.step if newest else found.step
