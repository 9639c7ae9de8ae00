"""Recorded history lived again: the running agent's own stages, over a clock that stands where the rows end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.alerts.engine import Engine
from agent.contract.times import DAY
from agent.runtime.audits import Audits
from agent.runtime.cycle import Cycle
from agent.runtime.days import Days
from agent.runtime.figures import Figures
from agent.runtime.lookback import ENDED, SETTLES
from agent.runtime.recorded import KEPT, Memory, StoppedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.alerts.binding import Bound
    from agent.alerts.state import State, Transition
    from agent.contract.happenings import ManualCount
    from agent.contract.layout import Layout
    from agent.contract.observation import Observation
    from agent.metrics.audits import Accuracy
    from agent.metrics.catalog import Estimate
    from agent.metrics.day import Day
    from agent.runtime.cycle import Seen
    from agent.runtime.recorded import Recording

    Rules = Callable[[Layout], Bound]


NIGHT = ENDED + SETTLES  # seconds after which a day that is over is looked back on


class Now(NamedTuple):
    """What held at a moment, as the page, the live topics and the alerts had it."""

    at: int
    figures: dict[tuple[str, str], Estimate]


class Lived(NamedTuple):
    """What the agent would have made of a recording."""

    observations: list[Observation]
    live: list[Now]
    transitions: list[Transition]
    accuracy: list[Accuracy]


class _Watch:
    """The rules, shown every moment."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._days = rules, dict[str, list[list[float]]]()
        self._layout: Layout | None = None
        self._engine: Engine | None = None
        self._figures: Figures | None = None
        self._state: State | None = None
        self.number: int | None = None
        self.moment = 0.0
        self.transitions: list[Transition] = []

    def saw(self, seen: Seen) -> None:
        """See Onlooker."""
        if seen.day.layout is not self._layout:
            self._layout = layout = seen.day.layout
            self._engine = Engine("replay", layout, self._rules(layout))
            self._figures = Figures(layout, Days(layout, self._days), {})
            self._figures.wanted = self._engine.wanted
        self.number, self.moment = seen.number, seen.moment
        if self._engine is not None and self._figures is not None:
            state = self._state or self._engine.begin(seen.moment)
            self._state, told = self._engine.step(state, self._figures.of(seen), seen.moment)
            self.transitions += told

    def day_ended(self, day: Day) -> None:
        """See Onlooker."""
        if self._figures and self._engine and self._state:
            self._figures.days.add(day)
            self._days = self._figures.days.document()
            facts = self._figures.whole_days(float(day.end))
            self._state, told = self._engine.step(self._state, facts, float(day.end))
            self.transitions += told

    def end(self, moment: float) -> None:
        """Run what was still to come, up to a moment."""
        if self._engine and self._state:
            self._state, told = self._engine.step(self._state, (), moment)
            self.transitions += told


async def lived(
    recording: Recording,
    layouts: tuple[Layout, ...],
    rules: Rules | None = None,
    counts: Sequence[ManualCount] = (),
    *,
    since: float,
    until: float,
    live: bool = False,
) -> Lived:
    """Live a recording minute by minute up to `until`; what lies before `since` teaches and is not told.

    Raises:
        ValueError: a count made by hand cannot be; the text says why.
    """
    clock, memory = StoppedClock(), Memory()
    watch = _Watch(rules) if rules else None
    cycle = Cycle(memory, layouts, clock, watch)
    audits, by_hand = Audits(memory, layouts, clock), sorted(counts, key=lambda count: (count.end, count))
    cycle.by_hand = audits.by_day
    held: list[Now] = []
    pruned = 0.0
    for moment, rows in recording.ticks(until):
        clock.moment = float(moment)
        await memory.append(rows)
        await cycle.catch_up()
        while by_hand and by_hand[0].end <= moment:
            await audits.enter(by_hand.pop(0))
        await cycle.look_back()
        if live and moment >= since:
            held.append(Now(moment, cycle.now))
        if moment >= pruned + DAY:
            memory.forget(moment - KEPT)
            pruned = moment
    if recording.size:
        clock.moment = min(until, float(recording.ends)) + NIGHT
        await cycle.catch_up()
        while await cycle.look_back():
            pass
    if watch:
        watch.end(min(until, float(recording.ends)))
    observations = sorted(row for row in memory.told.values() if since <= row.start and row.end <= until)
    transitions = [one for one in watch.transitions if since <= one.at] if watch else []
    told = [row for row in observations if row.value is not None]
    return Lived(told, held, transitions, await audits.accuracies())
