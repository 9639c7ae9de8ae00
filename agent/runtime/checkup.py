"""Tries one camera from the first packet to the first number: what works, what it means, and what to do next."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from agent.contract.times import DAY, rfc3339
from agent.drivers.base import Driver, Garbled, Known, Refused, Row, SensorError, Unreachable, Unsupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Counter, History, Kind

T = TypeVar("T")

PATIENCE = 15.0  # seconds for each step; a camera is asked with the deadline of a poll within it
CLOCK_OFF = 60.0  # seconds; counts of a minute would fall into the wrong one


_LATER = ("model and firmware", "data", "reading", "clock", "sample")


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Step(NamedTuple):
    """One step: what was found, and for all that is not well what to do next."""

    name: str
    outcome: Outcome
    said: str
    next: str = ""


@dataclass
class Checkup:
    """The steps of one camera, in their order; `steps` yields each as soon as it is known.

    `connect` opens a connection to the address and closes it; it is handed in because addresses are checked where
    sockets are made. Afterwards `places` are those that told something.
    """

    driver: Driver
    zone: ZoneInfo
    now: Callable[[], float]
    connect: Callable[[], Awaitable[None]]
    has_account: bool = True
    places: set[str] = field(default_factory=set)
    _first: tuple[Kind, str | SensorError] | None = None
    _rows: list[Row] = field(default_factory=list)
    _counters: list[Counter] = field(default_factory=list)
    _problems: list[Garbled] = field(default_factory=list)

    async def steps(self) -> AsyncIterator[Step]:
        """Reach, log in, model and firmware, each kind of data, reading, clock, one sample."""
        reached = await reach(self.connect)
        yield reached
        if reached.outcome is Outcome.FAILED:
            for name in ("log in", *_LATER):
                yield Step(name, Outcome.SKIPPED, "because it was not reached")
            return
        logged_in = await self._log_in()
        yield logged_in
        if logged_in.outcome is Outcome.FAILED:
            for name in _LATER:
                yield Step(name, Outcome.SKIPPED, "because the log-in failed: another try could lock the account")
            return
        yield await self._identity()
        async for step in self._data():
            yield step
        yield self._reading()
        yield await self._clock()
        yield self._sample()

    async def _log_in(self) -> Step:
        """By the first kind of data, which always wants the account; who a device is, some tell anybody."""
        for kind in self.driver.cadence:
            self._first = (kind, await _tried(self._ask(kind)))
            if isinstance(self._first[1], Refused):
                remedy = _WRONG if self.has_account else _ACCOUNT
                return Step("log in", Outcome.FAILED, str(self._first[1]), remedy)
            return Step("log in", Outcome.OK, "not refused")
        return Step("log in", Outcome.SKIPPED, "this device sends by itself; it is not asked", _PUSH)

    async def _identity(self) -> Step:
        name = "model and firmware"
        if not isinstance(self.driver, Known):
            return Step(name, Outcome.SKIPPED, "this brand does not tell them where counts are read")
        who = await _tried(self.driver.identity())
        if isinstance(who, SensorError):
            return Step(name, Outcome.WARNING, str(who), _IDENTITY)
        told = f"{who.model or 'model not told'}, firmware {who.firmware or 'not told'}, serial {who.serial}"
        return Step(name, Outcome.OK, told)

    async def _data(self) -> AsyncIterator[Step]:
        for kind in self.driver.cadence:
            name = f"data: {kind}"
            answer = self._first[1] if self._first and self._first[0] is kind else await _tried(self._ask(kind))
            if isinstance(answer, Unsupported):
                yield Step(name, Outcome.WARNING, str(answer), _UNSUPPORTED)
            elif isinstance(answer, Refused):
                yield Step(name, Outcome.WARNING, str(answer), _RIGHTS)
            elif isinstance(answer, SensorError):
                yield Step(name, Outcome.FAILED, str(answer), _GARBLED if isinstance(answer, Garbled) else _REACH)
            else:
                yield Step(name, Outcome.OK, answer)

    async def _ask(self, kind: Kind) -> str:
        """What a kind of data told of the last day, in words."""
        if str(kind) in {"counters", "occupancy", "dwell", "queue"}:
            counters = list(await self.driver.counters())
            self._counters += counters
            self.places |= {counter.place for counter in counters}
            return f"{len(counters)} running totals and flags"
        now = int(self.now())
        found: History = await self.driver.history(kind, now - DAY, now)
        self._rows += found.rows
        self._problems += found.problems
        self.places |= {row.place for row in found.rows}
        if not found.rows:
            return "understood, and nothing counted in the last 24 hours"
        since = min(row.start for row in found.rows)
        return f"{len(found.rows)} intervals since {rfc3339(since)}"

    def _reading(self) -> Step:
        if self._problems:
            first = self._problems[0]
            return Step("reading", Outcome.WARNING, f"{len(self._problems)} rows cannot be read: {first}", _GARBLED)
        if not self._rows and not self._counters:
            return Step("reading", Outcome.SKIPPED, "there was nothing to read")
        return Step("reading", Outcome.OK, "everything that was told could be read")

    async def _clock(self) -> Step:
        if not isinstance(self.driver, Known):
            return Step("clock", Outcome.SKIPPED, "this brand does not tell its time where counts are read")
        told = await _tried(self.driver.clock())
        if isinstance(told, SensorError):
            return Step("clock", Outcome.WARNING, str(told), _CLOCK)
        off = told - self.now()
        if abs(off) > CLOCK_OFF:
            way = "fast" if off > 0 else "slow"
            return Step("clock", Outcome.WARNING, f"it shows {rfc3339(told)}: {abs(off):.0f} s {way}", _CLOCK)
        return Step("clock", Outcome.OK, f"right within {max(1, round(abs(off)))} s, read as {self.zone.key}")

    def _sample(self) -> Step:
        if self._rows:
            row = max(self._rows, key=lambda row: (row.end, row.value))
            said = f"{row.place} {row.metric} {row.value:g} from {rfc3339(row.start)} to {rfc3339(row.end)}"
            return Step("sample", Outcome.OK, said)
        if self._counters:
            counter = self._counters[0]
            return Step("sample", Outcome.OK, f"{counter.place} {counter.metric} {counter.value:g} by now")
        return Step("sample", Outcome.WARNING, "no number at all", _NOTHING)


async def reach(connect: Callable[[], Awaitable[None]]) -> Step:
    """Whether anything answers at the address."""
    began = time.perf_counter()
    try:
        await asyncio.wait_for(connect(), PATIENCE)
    except TimeoutError:
        return Step("reach", Outcome.FAILED, f"no answer within {PATIENCE:g} s", _REACH)
    except OSError as error:
        said = os.strerror(error.errno).lower() if error.errno and error.errno != errno.EACCES else error.strerror
        return Step("reach", Outcome.FAILED, f"no connection: {said or error}", _REACH)
    return Step("reach", Outcome.OK, f"answers after {(time.perf_counter() - began) * 1000:.0f} ms")


async def _tried(question: Awaitable[T]) -> T | SensorError:
    try:
        return await asyncio.wait_for(question, PATIENCE)
    except SensorError as error:
        return error
    except TimeoutError:
        return Unreachable(f"no complete answer within {PATIENCE:g} s")


def is_well(steps: Sequence[Step]) -> bool:
    """Whether the camera may be added: nothing failed."""
    return all(step.outcome is not Outcome.FAILED for step in steps)


_REACH = (
    "Look at its cable and address, and whether HTTP is switched on in it; footfall-agent discover shows who answers."
)
_WRONG = "Check user name and password on the camera's own page; wait five minutes, as some lock an account."
_ACCOUNT = "Give an account that may read: --username NAME, and its password in a file or when asked."
_IDENTITY = "Counts may still be read; without a serial number a replaced camera is not noticed."
_RIGHTS = "Give the account the right to read counts, on the camera's own page."
_UNSUPPORTED = "Nothing to do if this model lacks it; else switch the function on, on the camera's own page."
_GARBLED = "Keep the answer (footfall-agent decode reads it without a camera) and send it to us."
_CLOCK = "Set the camera's clock by NTP and its time zone; counts would fall into the wrong hours."
_NOTHING = "Draw a counting line on the camera's own page, walk across it, and try again in a minute."
_PUSH = "Enter the agent's address in the device; footfall-agent check says which."
