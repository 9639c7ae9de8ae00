"""How the store stands: gathered from every part at one moment, for the page, for HQ and for the command line."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.messages import AlertCounts, Health, LaneHealth, SensorHealth
from agent.contract.times import DAY, MINUTE, rfc3339
from agent.foundation.machine import clock_sync, free_bytes, temperature
from agent.runtime.attendance import may_enter
from agent.web.view import AlertView, LineCheck, SensorView, StoreView, UplinkView, ZoneView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.buffer.buffer import Buffer, Tally
    from agent.contract.layout import Zone
    from agent.foundation.clock import Clock
    from agent.runtime.alarms import Alarms
    from agent.runtime.audits import Audits
    from agent.runtime.backfill import Backfill
    from agent.runtime.collector import Collector
    from agent.runtime.cycle import Cycle
    from agent.runtime.doubt import Doubt
    from agent.runtime.lookout import Raised
    from agent.runtime.outgoing import Outgoing
    from agent.runtime.poller import Poller
    from agent.sync.uplink import Contact

RATE_OVER = 3600.0  # seconds of the store's time over which rows a second are told
SOON_ENOUGH = 600.0  # seconds after which a day's writing can be told from what was written so far
ROW_BYTES = 130  # bytes of the file a row takes while the buffer is too young to tell (measured: 110 to 140)


class Parts(NamedTuple):
    """What the report is gathered from."""

    buffer: Buffer
    pollers: Sequence[Poller]
    backfills: Mapping[str, Backfill]
    collector: Collector
    cycle: Cycle
    contact: Contact
    alarms: Alarms
    outgoing: Outgoing
    audits: Audits | None = None
    doubt: Doubt | None = None


class About(NamedTuple):
    """What does not change while the agent runs."""

    store: str
    names: Mapping[str, str]
    version: str
    configuration_problem: str
    certificate_ends: Callable[[], float | None] = lambda: None  # UTC seconds by this device's own clock


class Report:
    """Gathers `StoreView` and `Health`. `kernels` says what the kernels run on, "warming" until that is known."""

    def __init__(self, parts: Parts, about: About, clock: Clock) -> None:
        self._parts, self._about, self._clock = parts, about, clock
        self._started = clock.now()
        self._created: deque[tuple[float, int]] = deque()
        self._written: deque[tuple[float, int]] = deque([(self._started, written_bytes())])
        self.kernels = "warming"

    async def view(self) -> StoreView:
        """Everything the page shows."""
        parts, tally = self._parts, await self._parts.buffer.tally()
        now = self._clock.now()
        occupancy = parts.cycle.values.get("occupancy")
        contact = parts.contact
        return StoreView(
            store=self._about.store,
            time_zone=parts.cycle.layout.time_zone,
            now=now,
            speed=self._clock.speed,
            sensors=tuple(self._sensor(poller) for poller in parts.pollers),
            occupancy=None if occupancy is None else round(occupancy),
            occupancy_since=float(parts.cycle.day[0]),
            uplink=UplinkView(contact.broker, contact.hq, contact.last_answer, contact.problem),
            tally=tally,
            room_s=self._room(tally, now),
            storing_problem=parts.collector.storing,
            memory_only=parts.buffer.unusable,
            configuration_problem=self._about.configuration_problem,
            buffer_report=parts.buffer.report,
            kernels=self.kernels,
            rss_mb=resident_mb(),
            version=self._about.version,
            started=self._started,
            backfill_done=sum(backfill.progress.done for backfill in parts.backfills.values()),
            backfill_total=sum(backfill.progress.total for backfill in parts.backfills.values()),
            health=self._health(tally, now),
            undated=parts.doubt.waiting if parts.doubt else 0,
            checks=tuple(LineCheck(*one) for one in await parts.audits.accuracies()) if parts.audits else (),
            alerts=tuple(map(self._alert, parts.alarms.raised)),
            rules_problem=parts.alarms.problem,
            untold=tuple(sorted(parts.outgoing.problems)),
            zones=tuple(_zone(parts.cycle, zone) for zone in parts.cycle.layout.zone),
        )

    async def health(self) -> Health:
        """What HQ gets every minute."""
        return self._health(await self._parts.buffer.tally(), self._clock.now())

    def _health(self, tally: Tally, now: float) -> Health:
        oldest = None if tally.oldest_unsent is None else max(0.0, now - tally.oldest_unsent)
        return Health(
            ts=rfc3339(now),
            boot=tally.boot,
            epoch=tally.epoch,
            created=tally.created,
            acked=tally.acked,
            void=tally.void,
            dropped=tally.dropped,
            buffer_bytes=tally.used_bytes,
            buffer_cap=tally.cap_bytes,
            fresh=LaneHealth(rows=tally.unsent_fresh),
            backlog=LaneHealth(rows=tally.unsent_backlog, oldest_s=oldest),
            sensors=[
                SensorHealth(
                    sensor=poller.sensor,
                    up=poller.condition.up,
                    last_answer=_when(poller.condition.last_answer),
                    problem=poller.condition.problem or None,
                    clock_offset=None if poller.condition.offset is None else round(poller.condition.offset, 1),
                    clock_doubt=poller.condition.doubt or None,
                )
                for poller in self._parts.pollers
            ],
            kernels=self.kernels.partition(":")[0],
            rss_mb=resident_mb(),
            bytes_sent=self._parts.contact.bytes_sent,
            dead_letters=tally.dead_letters,
            bytes_written=written_bytes(),
            bytes_written_day=self._written_a_day(now),
            damaged=tally.damaged,
            forked=_when(self._parts.contact.forked),
            certificate_days=self._certificate_days(),
            storing_problem=self._parts.collector.storing or _in_memory(self._parts.buffer) or None,
            last_number=self._parts.buffer.highest,
            disk_free=free_bytes(self._parts.buffer.path),
            temperature=temperature(),
            clock=clock_sync(),
            alerts=self._alert_counts(),
        )

    def _alert_counts(self) -> AlertCounts:
        steps = [raised.step for raised in self._parts.alarms.raised]
        return AlertCounts(
            open=len(steps),
            critical=sum(step.severity == "critical" for step in steps),
            acknowledged=sum(step.state == "acknowledged" for step in steps),
        )

    def _alert(self, raised: Raised) -> AlertView:
        step = raised.step
        place = step.scope.removeprefix("zone:").removesuffix("/sensor")
        return AlertView(
            step.id,
            step.rule,
            self._about.names.get(place) or place,
            step.severity,
            step.state,
            float(raised.began),
            step.text,
            step.advice,
            step.flapping,
            step.explained,
        )

    def _sensor(self, poller: Poller) -> SensorView:
        condition, cycle = poller.condition, self._parts.cycle
        progress = self._parts.backfills[poller.sensor].progress
        counted = cycle.entered_and_left(poller.sensor)
        return SensorView(
            id=poller.sensor,
            name=self._about.names.get(poller.sensor) or poller.sensor,
            up=condition.up,
            last_answer=condition.last_answer,
            problem=condition.problem,
            trouble=condition.trouble,
            clock_offset=condition.offset,
            clock_doubt=condition.doubt,
            patience=condition.patience,
            entered=counted[0] if counted else None,
            left=counted[1] if counted else None,
            today=cycle.hours(poller.sensor),
            observed=cycle.observed(poller.sensor, condition.patience),
            backfill_done=progress.done,
            backfill_total=progress.total,
        )

    def _written_a_day(self, now: float) -> int | None:
        """Bytes towards the card in a day, by what the last day of the store brought."""
        written = written_bytes()
        if now - self._written[-1][0] >= MINUTE:
            self._written.append((now, written))
        while len(self._written) > 1 and self._written[1][0] <= now - DAY:
            self._written.popleft()
        since, before = self._written[0]
        return round((written - before) * DAY / (now - since)) if now - since >= SOON_ENOUGH else None

    def _certificate_days(self) -> float | None:
        ends = self._about.certificate_ends()
        return None if ends is None else round((ends - time.time()) / DAY, 2)

    def _room(self, tally: Tally, now: float) -> float | None:
        """Seconds until the cap is reached at the rate of the last hour, None while there is no rate yet."""
        if any(backfill.progress.running for backfill in self._parts.backfills.values()):
            self._created.clear()  # two weeks read in a minute are no rate at which the store counts
        self._created.append((now, tally.created))
        while self._created[0][0] < now - RATE_OVER:
            self._created.popleft()
        since, before = self._created[0]
        if now - since < RATE_OVER / 12 or tally.created == before:
            return None
        per_row = tally.used_bytes / tally.created if tally.created > 10_000 else ROW_BYTES  # noqa: PLR2004 - old enough to tell
        waiting = (tally.unsent_fresh + tally.unsent_backlog) * per_row  # what HQ has makes room when it is needed
        return max(0.0, tally.cap_bytes - waiting) / (per_row * (tally.created - before) / (now - since))


def _in_memory(buffer: Buffer) -> str:
    return f"numbers are kept in memory only: {buffer.unusable}" if buffer.unusable else ""


def _zone(cycle: Cycle, zone: Zone) -> ZoneView:
    """What is known of a zone now."""
    told = {metric: estimate.value for (metric, place), estimate in cycle.now.items() if place == f"zone:{zone.name}"}
    return ZoneView(
        zone.name,
        told.get("occupancy"),
        told.get("queue_length"),
        told.get("wait_time"),
        told.get("visits"),
        told.get("staff"),
        enters=zone in may_enter(cycle.layout),
    )


def _when(moment: float | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def written_bytes() -> int:
    """What this process has sent towards the disk since it began; 0 where the kernel does not say."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes")), 0)


def resident_mb() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
