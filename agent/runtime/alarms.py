"""The stage that runs the rules: what the cycle saw in, transitions out; rows, bookmark and state are one commit.

The engine is stepped at the moments of rows and at those that it is due, never at those when somebody looked: so what a
kill left undone is done again from the same rows, with the same outcome.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from agent.alerts.engine import Acknowledgement, Engine
from agent.alerts.state import Transition, of_document
from agent.contract.times import MINUTE
from agent.runtime.days import Days
from agent.runtime.figures import Figures

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from agent.alerts.binding import Bound
    from agent.alerts.facts import Fact
    from agent.alerts.state import Life, State
    from agent.buffer.buffer import Buffer
    from agent.contract.happenings import Alert
    from agent.contract.layout import Layout
    from agent.foundation.clock import Clock
    from agent.metrics.day import Day
    from agent.runtime.cycle import Seen
    from agent.runtime.outgoing import Outgoing

log = structlog.get_logger()

CURSOR, STATE, DAYS = "cursor:alerts", "alerts", "alerts:days"
KEEP_EVERY = 15 * MINUTE  # of the store's time between two commits where nothing happens: 1,440 a day wear the card
SAMPLE_AT = 30  # seconds into each minute: between two ticks, so that rows are never behind what was looked at
DISK_AGAIN = 5.0  # real seconds after the disk did not take a commit
MOST_WAITING = 10_000  # moments that wait for the rules to be read; half a second's, and a restart's, are a few


class Raised(NamedTuple):
    """An alert that is open, as people are told of it: its newest step, and when it began."""

    step: Transition
    began: int


class Alarms:
    """Runs a store's rules. `told` is called with each commit's transitions, after it."""

    def __init__(self, buffer: Buffer, layout: Layout, store: str, clock: Clock, outgoing: Outgoing) -> None:
        self._buffer, self._layout, self._store, self._clock = buffer, layout, store, clock
        self._outgoing = outgoing
        self._engine: Engine | None = None
        self._state: State | None = None
        self._days = Days(layout)
        self._figures = Figures(layout, self._days, {})
        self._waiting: list[tuple[float, list[Fact]]] = []
        self._told: list[Transition] = []  # not committed yet
        self._number: int | None = None
        self._began = self._moment = clock.now()
        self._first_number = buffer.highest
        self._kept = self._sampled = 0.0
        self._dirty = False
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._open: dict[str, Raised] = {}
        self.problem = ""  # what is wrong with the rules, in whose place others run
        self.told: Callable[[Sequence[Alert]], Awaitable[None]] | None = None
        self.vitals: Callable[[float], Awaitable[list[Fact]]] | None = None

    async def load(self, lags: Mapping[str, float]) -> None:
        """Go on where the last commit was. `lags`: see Figures."""
        self._days = Days(self._layout, await self._buffer.state(DAYS))
        self._figures = Figures(self._layout, self._days, lags)
        await self._outgoing.load()
        stored: dict[str, Any] | None = await self._buffer.state(STATE)
        if stored is None:
            return
        try:
            self._state = of_document(stored["engine"])
            self._open = {step[0]: Raised(Transition(*step), began) for began, step in stored["open"]}
        except (KeyError, TypeError, ValueError) as error:  # of another version
            log.warning("alerts_begin_anew", why=repr(error))
            self._state = None
            return
        self._number, self._moment = await self._buffer.state(CURSOR), self._state.now
        self._figures.remember(self._state.facts.values())

    # ---- what the cycle shows

    @property
    def number(self) -> int | None:
        """See Onlooker."""
        return self._number

    @property
    def moment(self) -> float:
        """See Onlooker."""
        return self._moment

    def saw(self, seen: Seen) -> None:
        """See Onlooker."""
        self._number = seen.number
        self._facts(seen.moment, self._figures.of(seen))

    def day_ended(self, day: Day) -> None:
        """See Onlooker."""
        self._days.add(day)
        self._dirty = True
        self._facts(float(day.end), self._figures.whole_days(float(day.end)))

    def _facts(self, moment: float, facts: list[Fact]) -> None:
        self._moment = max(self._moment, moment)
        if self._engine is None:
            self._waiting = [*self._waiting, (moment, facts)][-MOST_WAITING:]
        else:
            self._step(facts, moment)
        self._wake.set()

    # ---- the engine

    def use(self, rules: Bound, problem: str = "") -> None:
        """Begin with these rules, and take in what was seen while they were read."""
        self._engine, self.problem = Engine(self._store, self._layout, rules), problem
        self._figures.wanted = self._engine.wanted
        if self._state is None:
            self._state = self._engine.begin(self._began)  # what cameras remember of before is no news
        waiting, self._waiting = self._waiting, []
        for moment, facts in waiting:
            self._step(facts, moment)
        self._wake.set()

    def _step(self, facts: Iterable[Fact], moment: float, taken_on: Sequence[Acknowledgement] = ()) -> None:
        engine, before = self._engine, self._state
        assert engine is not None  # noqa: S101 - nobody steps before `use`
        assert before is not None  # noqa: S101 - as above
        self._state, told = engine.step(before, facts, moment, taken_on)
        self._moment = max(self._moment, self._state.now)
        self._dirty = self._dirty or bool(told) or _moved(before.lives, self._state.lives)
        for step in told:
            log.info("alert", rule=step.rule, scope=step.scope, state=step.state, id=step.id, text=step.text)
            if step.state == "resolved":
                self._open.pop(step.id, None)
            else:
                self._open[step.id] = Raised(step, self._open[step.id].began if step.id in self._open else step.at)
        self._told += told

    async def run(self, read: Callable[[], tuple[Bound, str]]) -> None:
        """Read the rules beside everything else, then follow the moments for ever."""
        self.use(*await asyncio.to_thread(read))
        stored = True
        while True:
            self._wake.clear()
            pause = 0.0
            try:
                await self.turn()
                pause = self._clock.real(max(0.0, self._next() - self._clock.now()))
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
        due = self._engine.due(self._state) if self._engine and self._state else self._moment
        return min(due, self._next_sample())

    def _next_sample(self) -> float:
        if self.vitals is None:
            return self._clock.now() + MINUTE
        return (self._sampled // MINUTE + 1) * MINUTE + SAMPLE_AT if self._sampled else self._clock.now()

    async def _advance(self, now: float) -> None:
        """Run the timers that have ended, each at its own moment; then how the agent is, if it is time for that."""
        if self._engine is None or self._state is None:
            return
        while (due := self._engine.due(self._state)) <= now:
            self._step((), due)
            if self._engine.due(self._state) <= due:
                break  # never, by the engine's promise; a stage that spins would hold up the counting
        if self.vitals and now >= self._next_sample():
            facts = await self.vitals(now)
            if not self._sampled:
                facts += self._figures.whole_days(self._state.now)
            self._sampled = now // MINUTE * MINUTE
            self._step([fact for fact in facts if fact.key in self._engine.wanted], now)

    # ---- the commit

    async def commit(self) -> None:
        """Keep what happened, with the state it came from and what is to be told; now and then the state alone.

        Raises:
            sqlite3.OperationalError: the disk does not take it; nothing is lost, and it may be tried again.
        """
        async with self._turn:
            state = self._state
            if state is None or not (self._dirty or self._told or state.now >= self._kept + KEEP_EVERY):
                return
            told, self._told, self._dirty = self._told, [], False
            self._outgoing.put(told)
            try:
                await self._buffer.append(alerts=[step.row for step in told], state=self._document(state))
            except sqlite3.OperationalError:
                self._told, self._dirty = told + self._told, True
                self._outgoing.take_back(told)
                raise
            self._kept = state.now
        self._outgoing.go()
        if told and self.told:
            await self.told([step.row for step in told])

    def _document(self, state: State) -> dict[str, object]:
        number = self._first_number if self._number is None else self._number
        shown = [[raised.began, list(raised.step)] for raised in self._open.values()]
        return {
            CURSOR: number,
            STATE: {"engine": state.document(), "open": shown},
            DAYS: self._days.document(),
            **self._outgoing.document(),
        }

    # ---- people

    @property
    def raised(self) -> list[Raised]:
        """The open alerts, the worst first and then the newest."""
        worst = ("critical", "warning", "info")
        return sorted(self._open.values(), key=lambda one: (worst.index(one.step.severity), -one.began))

    async def acknowledge(self, alert: str, by: str) -> Transition | None:
        """Somebody takes on an open alert; its newest step, None where there is no such alert."""
        found = self._open.get(alert)
        if found is None or self._engine is None:
            return None
        self._step((), max(self._moment, self._clock.now()), [Acknowledgement(alert, by)])
        with suppress(sqlite3.OperationalError):  # `run` tries again
            await self.commit()
        self._wake.set()
        return self._open[alert].step if alert in self._open else found.step


def _moved(before: Mapping[Any, Life], after: Mapping[Any, Life]) -> bool:
    """Whether a life moved on: what rows alone would tell again needs no commit."""
    if len(before) != len(after):
        return True
    # A step copies the table, so both have one order; what did not move is the same object.
    return any(
        was is not life and _stand(was) != _stand(life)
        for was, life in zip(before.values(), after.values(), strict=True)
    )


def _stand(life: Life) -> tuple[object, ...]:
    return life.phase, life.unknown, life.start, life.clear_since
