"""Rules over what the cycle sees, in the running store and in recorded history alike; keeping it is its owner's part.

The engine is stepped at the moments of rows and at those that it is due, never at those when somebody looked: so what a
kill left undone is done again from the same rows, with the same outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.alerts.engine import Acknowledgement, Engine
from agent.alerts.life import NEVER
from agent.alerts.state import Transition, of_document
from agent.runtime.days import Days
from agent.runtime.figures import Figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agent.alerts.binding import Bound
    from agent.alerts.facts import Fact
    from agent.alerts.state import Life, State
    from agent.contract.layout import Layout
    from agent.metrics.day import Day
    from agent.runtime.cycle import Seen

    Rules = Callable[[Layout], Bound]  # those that hold with a version of the layout

STATE, DAYS = "alerts", "alerts:days"
MOST_WAITING = 10_000  # moments that wait for the rules to be read; half a second's, and a restart's, are a few


class Raised(NamedTuple):
    """An alert that is open, as people are told of it: its newest step, and when it began."""

    step: Transition
    began: int


class Lookout:
    """A store's rules at work. `lags`: see Figures; `began`: what cameras remember of before is no news."""

    def __init__(self, store: str, layout: Layout, lags: Mapping[str, float], began: float) -> None:
        self._store, self._layout, self._lags, self._began = store, layout, lags, began
        self._rules: Rules | None = None
        self._waiting: list[tuple[float, list[Fact]]] = []
        self._engine: Engine | None = None
        self._days = Days(layout)
        self._figures = Figures(layout, self._days, lags)
        self.state: State | None = None
        self.number: int | None = None  # see Onlooker
        self.moment = began  # see Onlooker
        self.open: dict[str, Raised] = {}
        self.told: list[Transition] = []  # what its owner has not taken yet
        self.moved = False  # whether something happened that rows alone would not tell again

    # ---- over restarts

    def document(self) -> dict[str, object]:
        """What it was like after the last step, as JSON by name."""
        assert self.state is not None  # noqa: S101 - nothing is kept before the first step
        shown = [[raised.began, list(raised.step)] for raised in self.open.values()]
        return {STATE: {"engine": self.state.document(), "open": shown}, DAYS: self._days.document()}

    def resume(self, number: int | None, days: Any, stored: dict[str, Any] | None) -> None:  # noqa: ANN401 - JSON
        """Go on where a document stands.

        Raises:
            KeyError, TypeError, ValueError: it is of another version.
        """
        self._days = Days(self._layout, days)
        self._figures = Figures(self._layout, self._days, self._lags)
        if stored is None:
            return
        state = of_document(stored["engine"])
        self.open = {step[0]: Raised(Transition(*step), began) for began, step in stored["open"]}
        self.state, self.number, self.moment = state, number, state.now
        self._figures.remember(state.facts.values())

    # ---- what the cycle shows

    def saw(self, seen: Seen) -> None:
        """See Onlooker."""
        if seen.day.layout is not self._layout:
            self._turn_to(seen.day.layout)
        self.number = seen.number
        self._take(seen.moment, self._figures.of(seen))

    def day_ended(self, day: Day) -> None:
        """See Onlooker."""
        self._days.add(day)
        self.moved = True
        self._take(float(day.end), self.whole_days(float(day.end)))

    def whole_days(self, at: float) -> list[Fact]:
        """What the last whole day was like, as known from now on."""
        return self._figures.whole_days(at)

    def _turn_to(self, layout: Layout) -> None:
        """Another version holds from this day on: its own scopes and rules, with what was known."""
        self._layout, self._days = layout, Days(layout, self._days.document())
        self._figures = Figures(layout, self._days, self._lags)
        self._figures.remember(self.state.facts.values() if self.state else ())
        if self._rules is not None:
            self._arm(self._rules)

    def _take(self, moment: float, facts: list[Fact]) -> None:
        self.moment = max(self.moment, moment)
        if self._engine is None:
            self._waiting = [*self._waiting, (moment, facts)][-MOST_WAITING:]
        else:
            self.step(facts, moment)

    # ---- the engine

    def use(self, rules: Rules) -> None:
        """Begin with these rules, and take in what was seen while they were read."""
        self._arm(rules)
        if self.state is None and self._engine is not None:
            self.state = self._engine.begin(self._began)
        waiting, self._waiting = self._waiting, []
        for moment, facts in waiting:
            self.step(facts, moment)

    def _arm(self, rules: Rules) -> None:
        self._rules, self._engine = rules, Engine(self._store, self._layout, rules(self._layout))
        self._figures.wanted = self._engine.wanted

    def step(self, facts: Iterable[Fact], moment: float, taken_on: Sequence[Acknowledgement] = ()) -> None:
        """Take facts in; what no rule reads is left out."""
        engine, before = self._engine, self.state
        assert engine is not None  # noqa: S101 - nobody steps before `use`
        assert before is not None  # noqa: S101 - as above
        self.state, told = engine.step(before, facts, moment, taken_on)
        self.moment = max(self.moment, self.state.now)
        self.moved = self.moved or bool(told) or _moved(before.lives, self.state.lives)
        for step in told:
            if step.state == "resolved":
                self.open.pop(step.id, None)
            else:
                self.open[step.id] = Raised(step, self.open[step.id].began if step.id in self.open else step.at)
        self.told += told

    @property
    def ready(self) -> bool:
        """Whether there are rules."""
        return self._engine is not None

    @property
    def wanted(self) -> frozenset[tuple[str, str]]:
        """The (scope, name) of every fact that some rule reads."""
        return self._engine.wanted if self._engine else frozenset()

    @property
    def due(self) -> float:
        """When something may happen although no row comes."""
        return self._engine.due(self.state) if self._engine and self.state else NEVER

    def advance(self, now: float) -> None:
        """Run the timers that have ended, each at its own moment."""
        while (due := self.due) <= now:
            self.step((), due)
            if self.due <= due:
                break  # never, by the engine's promise; a stage that spins would hold up the counting


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
