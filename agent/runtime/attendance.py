"""Staff entered by hand, where no device tags it: who is in a zone from now on, kept and sent like every number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.contract.conditions import told
from agent.contract.layout import Told, valid_at
from agent.contract.observation import Observation, Origin, Quality
from agent.contract.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.contract.layout import Layout, Zone
    from agent.foundation.clock import Clock
    from agent.runtime.meeting import Meeting

MOST = 100  # persons in one zone


class Attendance:
    """One store's staff. An entry holds until the next for its zone, at most until the store day ends."""

    def __init__(self, buffer: Meeting, layouts: tuple[Layout, ...], clock: Clock) -> None:
        self._buffer, self._layouts, self._clock = buffer, layouts, clock
        self._last = 0  # so that two entries of one second are two, in their order

    async def enter(self, zone: str, persons: int) -> Observation:
        """So many are in a zone from now on; nobody is 0.

        Raises:
            ValueError: it cannot be; the text says what to write.
            sqlite3.OperationalError: the disk does not take it.
        """
        self._check(zone, persons)
        self._last = start = max(int(self._clock.now()), self._last + 1)
        where = ("store", f"zone:{zone}", "staff")
        row = Observation(*where, start, start + 1, float(persons), Origin.PUSH, Quality.MEASURED)
        await self._buffer.append([row])
        return row

    async def wish(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the command line and the page ask, as JSON.

        Raises:
            ValueError: as `enter`.
        """
        row = await self.enter(str(asked["zone"]), asked["staff"])
        return {"zone": str(asked["zone"]), "staff": asked["staff"], "since": rfc3339(row.start)}

    def _check(self, name: str, persons: object) -> None:
        layout = valid_at(self._layouts, self._clock.now())
        if not layout.staffing.entered:
            raise ValueError(
                "in this store nobody enters where staff is; write [staffing] entered = true into its layout"
            )
        zones = may_enter(layout)
        if name not in [zone.name for zone in zones]:
            known = ", ".join(zone.name for zone in zones) or "none"
            raise ValueError(f"there is no zone {name} for which staff is entered; there is {known}")
        if not isinstance(persons, int) or not 0 <= persons <= MOST:
            raise ValueError(f"staff is a whole number of persons, 0 to {MOST}")


def may_enter(layout: Layout) -> tuple[Zone, ...]:
    """The zones of which people say how many of the staff are there: those whose devices do not tag it."""
    if not layout.staffing.entered:
        return ()
    return tuple(zone for zone in layout.zone if not told(layout, zone, Told.STAFF))
