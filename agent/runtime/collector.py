"""The store's tick: every sensor is polled, what they answered is one commit, and the stages wake."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING

import structlog

from agent.buffer.damage import AGAIN
from agent.contract.times import HOUR, MINUTE
from agent.runtime.backfill import Lane, Stretch
from agent.runtime.poller import INTERVALS, state_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.buffer.buffer import Buffer
    from agent.foundation.clock import Clock
    from agent.runtime.backfill import Backfill
    from agent.runtime.doubt import Doubt
    from agent.runtime.poller import Asked, Polled, Poller

log = structlog.get_logger()

GATHER = 2.0  # real seconds a commit waits for slow sensors; theirs goes with the next


class Collector:
    """Polls the whole store on one tick. `offset` spreads stores over the minute, never the sensors of one."""

    def __init__(
        self,
        pollers: Sequence[Poller],
        backfills: Mapping[str, Backfill],
        buffer: Buffer,
        clock: Clock,
        *,
        every: int = MINUTE,
        offset: float = 0.0,
        doubt: Doubt | None = None,
    ) -> None:
        self._pollers, self._backfills, self._buffer, self._clock = pollers, backfills, buffer, clock
        self._every, self._offset = every, offset
        self._doubt = doubt
        lane = Lane()
        for fill in backfills.values():
            fill.lane = lane
        for one in pollers:
            if one.sensor in backfills:
                one.is_filling = backfills[one.sensor].is_reading
        self._asking: dict[str, tuple[int, asyncio.Task[Asked | None]]] = {}
        # What the file holds of the books, so that going back to it needs no disk: a few kB a sensor, however long.
        self._committed = {state_name(one.sensor): json.dumps(one.book.dump()) for one in pollers}
        self.last_commit: float | None = None  # the loop's time, for the watchdog
        self.storing = ""  # what is wrong with the buffer's disk, empty when nothing

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            tick = await self._next_tick()
            if self._doubt and self._doubt.look():
                await self.close()  # what was asked by the old time
                tick = await self._next_tick()
            await self.tick(tick)

    async def _next_tick(self) -> int:
        now = self._clock.now() - self._offset
        tick = (int(now) // self._every + 1) * self._every
        await self._clock.sleep(tick - now)
        return tick

    async def tick(self, tick: int) -> None:
        """Ask every sensor that is not still answering, and commit what came within the gathering time."""
        for poller in self._pollers:
            if poller.sensor not in self._asking:
                task = asyncio.create_task(poller.ask(tick), name=f"poll {poller.sensor}")
                self._asking[poller.sensor] = (tick, task)
        if self._asking:
            await asyncio.wait(self._awaited(tick), timeout=GATHER)
        ready = [poller for poller in self._pollers if self._asking[poller.sensor][1].done()]
        await self._commit(ready)

    def _awaited(self, tick: int) -> list[asyncio.Task[Asked | None]]:
        """Whom this commit waits for: not for who kept an earlier one waiting or is known to be silent.

        At one tick a second a camera that hangs would otherwise hold up its whole store for as long as it is asked.
        """
        asked = [(one.condition.problem, *self._asking[one.sensor]) for one in self._pollers]
        return [task for problem, at, task in asked if at == tick and not problem] or [task for *_, task in asked]

    async def finish(self) -> None:
        """Wait for who is still answering, and commit that too."""
        if self._asking:
            await asyncio.wait([task for _, task in self._asking.values()])
            await self._commit([poller for poller in self._pollers if poller.sensor in self._asking])

    async def _commit(self, ready: Sequence[Poller]) -> None:
        polled: list[Polled] = []
        for poller in ready:
            tick, task = self._asking.pop(poller.sensor)
            polled.append(poller.digest(tick, task.result()))
        state = {name: value for one in polled for name, value in one.state.items()}
        for poller in ready:
            state |= self._hand_over(poller)
        rows = [row for one in polled for row in one.rows]
        entries = [entry for one in polled for entry in one.entries]
        try:
            state |= await self._ask_again()
            await (self._doubt or self._buffer).append(rows, entries, state)
        except sqlite3.OperationalError as error:
            # The books go back to the last commit, so the next readings make these rows again from the same counters.
            if not self.storing:
                log.exception("cannot_store", why=str(error))
            self.storing = f"the buffer cannot be written: {error}"
            for poller in ready:
                poller.restore(json.loads(self._committed[state_name(poller.sensor)]))
            return
        if self.storing:
            log.warning("stores_again")
        self.storing = ""
        for poller in ready:
            name = state_name(poller.sensor)
            self._committed[name] = json.dumps(state[name])
        self.last_commit = asyncio.get_running_loop().time()

    def _hand_over(self, poller: Poller) -> dict[str, object]:
        state: dict[str, object] = {}
        for kind, since, until in poller.handed_over:
            state |= self._backfills[poller.sensor].add(Stretch(kind, since, until))
        poller.handed_over = []
        return state

    async def _ask_again(self) -> dict[str, object]:
        """Hours of which a stored row turned out damaged, asked of the camera's memory once more."""
        stretches = await self._buffer.to_ask_again()
        kinds = {one.sensor: [kind for kind in one.driver.cadence if kind in INTERVALS] for one in self._pollers}
        state: dict[str, object] = {AGAIN: []} if stretches else {}
        for sensor, start, end in stretches:
            for kind in kinds.get(sensor, ()):
                hours = Stretch(kind, start // HOUR * HOUR, -(-end // HOUR) * HOUR)
                state |= self._backfills[sensor].add(hours)
        return state

    async def close(self) -> None:
        """End the polls that are under way."""
        tasks = [task for _, task in self._asking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._asking.clear()
