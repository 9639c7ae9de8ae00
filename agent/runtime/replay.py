"""Recorded history lived again: the running agent's own stages, over a clock that stands where the rows end.

The rules are those of the running store too, `Lookout`: only that nothing is kept and nobody is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.layout import valid_at
from agent.contract.times import DAY
from agent.runtime.audits import Audits
from agent.runtime.cycle import Cycle
from agent.runtime.lookback import ENDED, SETTLES
from agent.runtime.lookout import Lookout
from agent.runtime.recorded import KEPT, Memory, StoppedClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.alerts.state import Transition
    from agent.contract.happenings import ManualCount
    from agent.contract.layout import Layout
    from agent.contract.observation import Observation
    from agent.metrics.audits import Accuracy
    from agent.metrics.catalog import Estimate
    from agent.runtime.lookout import Rules
    from agent.runtime.recorded import Recording

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
    clock.moment = float(recording.first)
    lookout = Lookout("replay", valid_at(layouts, clock.moment), {}, clock.moment) if rules else None
    if lookout and rules:
        lookout.use(rules)
    cycle = Cycle(memory, layouts, clock, lookout)
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
    if lookout:
        lookout.advance(min(until, float(recording.ends)))
    observations = sorted(row for row in memory.told.values() if since <= row.start and row.end <= until)
    transitions = [one for one in lookout.told if since <= one.at] if lookout else []
    told = [row for row in observations if row.value is not None]
    return Lived(told, held, transitions, await audits.accuracies())
