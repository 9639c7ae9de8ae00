"""How the agent and its sensors are, as figures that rules look at. They are looked up, not counted from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.alerts.facts import AGENT, Fact
from agent.contract.times import DAY
from agent.foundation.machine import clock_sync, free_bytes
from agent.runtime.report import ROW_BYTES, resident_mb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.buffer.buffer import Buffer, Tally
    from agent.runtime.poller import Poller
    from agent.sync.uplink import Contact

OLD_ENOUGH = 10_000  # rows, from which on the file tells what a row takes


class Vitals(NamedTuple):
    """Whom it asks. `certificate_ends` is None where the device has no certificate of its own."""

    buffer: Buffer
    contact: Contact
    pollers: Sequence[Poller]
    certificate_ends: Callable[[], float | None]
    started: float

    async def facts(self, now: float) -> list[Fact]:
        """All of them, as of now."""
        tally = await self.buffer.tally()
        figures = {**_buffer(tally, now), **self._line(now), **_machine(self.buffer)}
        if (ends := self.certificate_ends()) is not None:
            figures["certificate_days"] = (ends - now) / DAY
        return [*(Fact(AGENT, name, value, now) for name, value in figures.items()), *self._sensors(now)]

    def _line(self, now: float) -> dict[str, float]:
        last = now if self.contact.hq else self.contact.last_answer or self.started
        return {"offline_seconds": max(0.0, now - last)}

    def _sensors(self, now: float) -> list[Fact]:
        facts = []
        for one in self.pollers:
            scope, condition = f"{one.sensor}/sensor", one.condition
            last = condition.last_answer or self.started
            facts.append(Fact(scope, "silent_seconds", max(0.0, now - last), now))
            if condition.offset is not None:
                facts.append(Fact(scope, "clock_off_seconds", abs(condition.offset), now))
        return facts


def _buffer(tally: Tally, now: float) -> dict[str, float]:
    """What headquarters lacks: a buffer full of what it has is full most of its life, and well."""
    per_row = tally.used_bytes / tally.created if tally.created > OLD_ENOUGH else ROW_BYTES
    waiting = (tally.unsent_fresh + tally.unsent_backlog) * per_row
    oldest = tally.oldest_unsent
    return {
        "buffer_ratio": min(1.0, waiting / tally.cap_bytes),
        "unsent_seconds": 0.0 if oldest is None else max(0.0, now - oldest),
    }


def _machine(buffer: Buffer) -> dict[str, float]:
    figures = {"clock_trusted": 0.0 if clock_sync() == "none" else 1.0, "memory_mb": resident_mb()}
    room = free_bytes(buffer.path)
    return figures if room is None else figures | {"disk_free_mb": room / 1e6}
