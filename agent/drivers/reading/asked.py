"""What cameras that are asked have in common: who they are, their clock, and the hours of local days on one sheet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from agent.drivers.base import Kind, Unsupported
from agent.drivers.reading.fetch import Access
from agent.drivers.reading.localtime import whole_hours
from agent.drivers.reading.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from agent.drivers.base import Counter, Device, History, Identity


class Asked(ABC):
    """A camera whose memory tells of lines; `who` and `time` are its brand's questions of `reading.identity`."""

    cadence: Mapping[Kind, float]

    def __init__(
        self,
        device: Device,
        who: Callable[[Access], Awaitable[Identity]],
        time: Callable[[Access, Device], Awaitable[float]],
    ) -> None:
        """Take the device as configured; nothing is opened yet."""
        self._device, self._access = device, Access(device)
        self._who, self._time = who, time

    async def identity(self) -> Identity:
        """Who it is; see `base.Known`."""
        return await self._who(self._access)

    async def clock(self) -> float:
        """What its clock shows; see `base.Known`."""
        return await self._time(self._access, self._device)

    async def history(self, kind: Kind, since: int, until: int) -> History:
        """Its lines, a piece of a local day at a time; see `base.Driver`."""
        if kind is not Kind.LINES:
            raise Unsupported(f"the camera keeps no history of {kind}")
        sheet = self._sheet()
        for first, last in whole_hours(since, until, self._device.zone):
            await self._read_hours(sheet, first, last)
        found = sheet.history()
        return found._replace(rows=[row for row in found.rows if row.end > since and row.start < until])

    def _sheet(self) -> Sheet:
        return Sheet(self._device.zone, self._device.now())

    @abstractmethod
    async def _read_hours(self, sheet: Sheet, first: datetime, last: datetime) -> None:
        """Write down what it has from the first to the last second of a piece of a local day."""


def told(sheet: Sheet) -> Sequence[Counter]:
    """The running totals of a sheet.

    Raises:
        Garbled: one could not be read.
    """
    if sheet.problems:
        raise sheet.problems[0]
    return list(sheet.counters.values())
