"""A driver behind its device's clock: asked in the device's time, told in ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.drivers.base import Counter, Driver, History, Kind
    from agent.runtime.timing import Timepiece


class Corrected:
    """Takes what `time` says its clock is off from every interval of its memory; all else is the driver's own."""

    def __init__(self, driver: Driver, time: Timepiece) -> None:
        self._driver, self._time = driver, time
        self.cadence: Mapping[Kind, float] = driver.cadence

    async def history(self, kind: Kind, since: int, until: int) -> History:
        """The device's intervals by the store's clock."""
        shift = self._time.shift
        found = await self._driver.history(kind, since + shift, until + shift)
        if not shift:
            return found
        return found._replace(
            rows=[row._replace(start=row.start - shift, end=row.end - shift) for row in found.rows],
            missing=[(start - shift, end - shift, why) for start, end, why in found.missing],
        )

    async def counters(self) -> Sequence[Counter]:
        """The driver's: they are of the moment they are asked."""
        return await self._driver.counters()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what a brand has beyond the contract
        return getattr(self._driver, name)
