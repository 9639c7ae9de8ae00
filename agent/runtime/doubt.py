"""While this device's own clock is not set (no battery, no network yet) rows wait, and are dated when it is.

They are kept with the boot they were made in and how far the clock was from the monotonic one, so that they can be put
right to the second, also after the agent was started again. Cameras' memories are read all the while: what they tell
in the meantime waits as well.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from agent.contract.observation import Observation, Origin, Quality
from agent.contract.times import DAY
from agent.foundation.machine import clock_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.buffer.buffer import Buffer
    from agent.contract.observation import LedgerEntry
    from agent.foundation.clock import Clock

log = structlog.get_logger()

JUMP = 30.0  # seconds between two looks that no clock drifts
PATIENCE = 7 * DAY  # after which rows go as estimated rather than wait for a clock that is never set
SETTLES_WITHIN = 600.0  # seconds after the machine's start
A_SLOT = 200  # rows
MOST = 100_000  # rows that wait: a store of ten cameras for two days
TIMESYNC = Path("/run/systemd/timesync")
BOOT = Path("/proc/sys/kernel/random/boot_id")


def awaits_sync(floor: float, now: float) -> bool:
    """Whether the clock is wrong for sure, or may yet be set: soon after the machine's start, by the time service.

    A store without internet must go on counting, so that a clock nobody sets is believed ten minutes after the start.
    """
    if clock_sync() == "ntp":
        return False
    return now < floor or (TIMESYNC.is_dir() and time.monotonic() < SETTLES_WITHIN)


def boot_id() -> str:
    """Which start of the machine this is."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Doubt:
    """Stands before the buffer: lets rows through while the clock is believed, and keeps them back while it is not.

    `shifters` are told by how many seconds the clock was set, before anything is read by it.
    """

    def __init__(
        self,
        buffer: Buffer,
        clock: Clock,
        floor: float,
        *,
        awaits: Callable[[float, float], bool] = awaits_sync,
        monotonic: Callable[[], float] = time.monotonic,
        boot: str = "",
    ) -> None:
        self._buffer, self._clock, self._floor = buffer, clock, floor
        self._awaits, self._monotonic, self._boot = awaits, monotonic, boot or boot_id()
        self._base = self._now_base()
        self._since = monotonic()
        self._held: list[list[Any]] = []
        self._stored = 0  # slots that the file has
        self.shifters: list[Callable[[int], None]] = []
        self.doubted = awaits(floor, clock.now())

    async def load(self) -> Doubt:
        """What waited when the agent ended."""
        while stored := await self._buffer.state(_slot(self._stored)):
            self._held += stored
            self._stored += 1
        return self

    @property
    def waiting(self) -> int:
        """Rows that wait for the clock."""
        return len(self._held)

    def _now_base(self) -> float:
        return self._clock.now() - self._monotonic() * self._clock.speed

    def look(self) -> bool:
        """See whether the clock was set; to be called before anything is dated by it. Whether it moved."""
        if not self.doubted:
            return False
        moved, base = round((now := self._now_base()) - self._base), now
        over = self._monotonic() - self._since > PATIENCE
        self.doubted = self._awaits(self._floor, self._clock.now()) and not over
        if abs(moved) > JUMP:
            self._base = base
            log.info("own_clock_set", by=moved)
            for shift in self.shifters:
                shift(moved)
        if not self.doubted:
            log.info("own_clock_believed", rows=len(self._held), estimated=over)
        return abs(moved) > JUMP

    async def append(
        self,
        rows: Sequence[Observation],
        entries: Sequence[LedgerEntry],
        state: Mapping[str, object],
        *,
        crossings: Sequence[Observation] = (),
    ) -> None:
        """As `Buffer.append`, with what waited, or into what waits."""
        if self.doubted:
            await self._hold(rows, state, crossings)  # a ledger with such times would say nothing
            return
        released, crossed = self._released()
        cleared: dict[str, object] = {_slot(number): [] for number in range(self._stored)} if self._held else {}
        await self._buffer.append([*released, *rows], entries, {**state, **cleared}, crossings=[*crossed, *crossings])
        self._held, self._stored = [], 0

    async def _hold(
        self,
        rows: Sequence[Observation],
        state: Mapping[str, object],
        crossings: Sequence[Observation],
    ) -> None:
        kept = [[False, self._boot, self._base, *row] for row in rows]
        kept += [[True, self._boot, self._base, *row] for row in crossings]
        room = max(0, MOST - len(self._held))
        if len(kept) > room:
            log.error("rows_given_up", rows=len(kept) - room, why="the clock is not set for too long")
        held = [*self._held, *kept[:room]]
        first = len(self._held) // A_SLOT
        slots = {_slot(n): held[n * A_SLOT : (n + 1) * A_SLOT] for n in range(first, -(-len(held) // A_SLOT))}
        await self._buffer.append(state={**state, **slots} if kept else state)
        self._held, self._stored = held, -(-len(held) // A_SLOT)

    def _released(self) -> tuple[list[Observation], list[Observation]]:
        """Rows and crossings that waited, with their times put right."""
        found: tuple[list[Observation], list[Observation]] = ([], [])
        over = self._awaits(self._floor, self._clock.now())
        began = self._clock.now() - self._monotonic() * self._clock.speed
        last = {kept[1]: max(one[7] for one in self._held if one[1] == kept[1]) for kept in self._held}
        for crossing, boot, base, sensor, place, metric, start, end, value, origin, quality, *more in self._held:
            known = boot == self._boot
            shift = round(self._now_base() - base) if known else round(began - last[boot])
            flags = Quality(quality) | Quality.CLOCK_CORRECTED
            if over or not known:  # when an earlier start of the machine was, only its order tells
                flags = flags & ~Quality.MEASURED | Quality.ESTIMATED
            row = Observation(sensor, place, metric, start + shift, end + shift, value, Origin(origin), flags, *more)
            found[int(crossing)].append(row)
        return found


def _slot(number: int) -> str:
    return f"held:{number}"


def never(_floor: float, _now: float) -> bool:
    """For clocks that a test or a demo gives: they are what they are."""
    return False
