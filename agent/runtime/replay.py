"""Recorded history lived again: the running agent's own stages, over a clock that stands where the rows end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import DAY
from agent.metrics.windows import GRACE
from agent.runtime.cycle import Cycle
from agent.runtime.recorded import KEPT, Memory, StoppedClock

if TYPE_CHECKING:
    from agent.contract.layout import Layout
    from agent.contract.observation import Observation
    from agent.metrics.catalog import Estimate
    from agent.runtime.recorded import Recording


class Now(NamedTuple):
    """What held at a moment, as the page, the live topics and the alerts had it."""

    at: int
    figures: dict[tuple[str, str], Estimate]


class Lived(NamedTuple):
    """What the agent would have made of a recording."""

    observations: list[Observation]
    live: list[Now]


async def lived(
    recording: Recording, layouts: tuple[Layout, ...], *, since: float, until: float, live: bool = False
) -> Lived:
    """Live a recording minute by minute up to `until`; what lies before `since` teaches and is not told."""
    clock, memory = StoppedClock(), Memory()
    cycle = Cycle(memory, layouts, clock)
    held: list[Now] = []
    pruned = 0.0
    for moment, rows in recording.ticks(until):
        clock.moment = float(moment)
        await memory.append(rows)
        await cycle.catch_up()
        if live and moment >= since:
            held.append(Now(moment, cycle.now))
        if moment >= pruned + DAY:
            memory.forget(moment - KEPT)
            pruned = moment
    clock.moment = min(until, recording.ends + GRACE)
    if recording.size:
        await cycle.catch_up()
    observations = sorted(row for row in memory.told.values() if since <= row.start and row.end <= until)
    return Lived([row for row in observations if row.value is not None], held)
