"""The hand that carries out a schedule on a running store: signals to processes, faults to lines, each written down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.campaigns.schedule import HQ, STORE
from tests.rig.processes import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.campaigns.schedule import Event
    from tests.rig.processes import Unit
    from tests.rig.proxy import Proxy
    from tests.rig.store import Store
    from tests.rig.weather import Weather

ALIVE_WITHIN = 60.0  # seconds a kill waits for its victim to be there
LOOK = 0.01


class Diary:
    """What happened when, in real seconds and in the store's time, one JSON object a line."""

    def __init__(self, store: Store) -> None:
        self._clock = store.clock
        self._began = time.monotonic()
        self._file = store.stage.path("events.jsonl").open("a", buffering=1)

    def note(self, what: str, target: str, **more: object) -> None:
        """One line."""
        moment = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="seconds")
        wall = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
        line = {"s": round(time.monotonic() - self._began, 2), "store": moment, "real": wall, "what": what}
        self._file.write(json.dumps({**line, "target": target, **more}) + "\n")

    def close(self) -> None:
        self._file.close()


class Violence:
    """Carries out events. `kills` and `faults` count what was really done."""

    def __init__(self, store: Store, weather: tuple[Weather, Weather], diary: Diary) -> None:
        self._store, self._diary = store, diary
        self._weather = dict(zip((STORE, HQ), weather, strict=True))
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    async def carry_out(self, events: Iterable[Event]) -> None:
        """Every event at its time, or as soon as its victim is there."""
        began = time.monotonic()
        faults: list[asyncio.Task[None]] = []
        try:
            for event in events:
                await asyncio.sleep(max(0.0, event.at - (time.monotonic() - began)))
                if event.what == "killed":
                    await self._kill(event)
                else:
                    self.faults[event.what] += 1
                    self._diary.note(event.what, event.target, lasting=event.lasting)
                    faults.append(asyncio.create_task(self._fault(event)))
            await asyncio.gather(*faults)
        finally:
            for fault in faults:
                fault.cancel()

    def calm(self) -> None:
        """The lines are as they should be; connections that are half-open stay so until somebody notices."""
        for name, weather in self._weather.items():
            weather.calm()
            cable = self._cable(name)
            cable.delay = 0.0
            cable.mend()
        self._diary.note("calm", "all")

    # ---- processes

    async def _kill(self, event: Event) -> None:
        end = time.monotonic() + ALIVE_WITHIN
        while not (pids := self._pids(event.target)):
            if time.monotonic() > end:
                raise ProcessError(f"{event.target} has not come back within {ALIVE_WITHIN:g} s")
            await asyncio.sleep(LOOK)
        if event.lasting:
            _send(pids, signal.SIGSTOP)
            await asyncio.sleep(event.lasting)
        if unit := self._unit(event.target):
            unit.kills += 1
        _send(pids[:1], signal.SIGKILL)
        _send(pids[1:], signal.SIGCONT)  # PostgreSQL's backends: they see that their postmaster is gone
        self.kills[event.target] += 1
        self._diary.note("killed", event.target, frozen=event.lasting)

    async def _stall(self, event: Event) -> None:
        pids = self._pids(event.target)
        _send(pids, signal.SIGSTOP)
        await asyncio.sleep(event.lasting)
        _send(pids, signal.SIGCONT)

    def _unit(self, part: str) -> Unit | None:
        store = self._store
        workers = {f"worker {number}": worker for number, worker in enumerate(store.workers, 2)}
        return {"agent": store.agent, "receiver": store.receiver, "broker": store.broker.unit, **workers}.get(part)

    def _pids(self, part: str) -> list[int]:
        """The part's first process and, of PostgreSQL, its children; nothing while it is away."""
        unit = self._unit(part)
        pid = unit.process.pid if unit else self._store.postmaster
        return [] if pid is None else [pid, *([] if unit else _children(pid))]

    # ---- lines

    async def _fault(self, event: Event) -> None:
        if event.what == "stalled":
            await self._stall(event)
            return
        begin, end = self._of_line(event)
        begin()
        await asyncio.sleep(event.lasting)
        end()

    def _of_line(self, event: Event) -> tuple[Callable[[], None], Callable[[], None]]:
        """How a fault of a line begins and ends."""
        cable, weather = self._cable(event.target), self._weather[event.target]

        def gust(**shares: float) -> None:
            vars(weather).update(shares)

        return {
            "cut": (cable.cut, cable.mend),
            "half-open": (cable.forget, _nothing),
            "torn": (partial(gust, tears=weather.tears + 1), _nothing),
            "delayed": (partial(setattr, cable, "delay", event.strength), partial(setattr, cable, "delay", 0.0)),
            "repeated": (partial(gust, repeats=event.strength), partial(gust, repeats=0.0)),
            "late": (partial(gust, delays=event.strength, latest=event.lasting), partial(gust, delays=0.0)),
        }[event.what]

    def _cable(self, line: str) -> Proxy:
        found = self._store.cable if line == STORE else self._store.hq_cable
        if found is None:
            raise RuntimeError("the store was set up without weather")
        return found


def _nothing() -> None:
    pass


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
