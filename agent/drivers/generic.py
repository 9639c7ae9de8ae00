"""Any source that answers over HTTP with CSV or JSON, as its description in the configuration says.

The description names the address of the answer with its range of times, the columns or paths that hold the counts,
and how times are written. `config/sensors/generic.toml` explains each key.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from agent.drivers.base import Garbled, History, Kind, Unsupported
from agent.drivers.reading.described import Description, cut_out, described, guessed, read
from agent.drivers.reading.fetch import Access
from agent.drivers.reading.localtime import whole_hours
from agent.drivers.reading.sheet import Sheet, of_kind
from agent.drivers.reading.text import is_page, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from agent.drivers.base import Counter, Device, Driver


def open_driver(device: Device) -> Driver:
    """A driver for this source.

    Raises:
        ValueError: the address or the description is wrong.
    """
    return _Source(device, described(device.options))


def decode(body: bytes, kind: Kind | None, zone: ZoneInfo | None, now: float) -> tuple[Kind, History]:
    """Read one recorded answer: by the description between lines of `+++` before it, or by what its names suggest."""
    if is_page(body):
        raise Garbled("a web page instead of data", text_of(body), 1, 1)
    front, text = cut_out(text_of(body))
    try:
        description = described(front) if front is not None else guessed(text)
    except ValueError as error:
        raise Garbled(f"the description: {error}", text, 1, 1) from None
    sheet = Sheet(zone, now)
    read(sheet, text, description)
    return of_kind(sheet.history(), kind)


class _Source:
    def __init__(self, device: Device, description: Description) -> None:
        self._device, self._description = device, description
        self._access = Access(device)
        kinds = {Kind.COUNTERS} if description.cumulative else set(description.kinds)
        self.cadence: Mapping[Kind, float] = dict.fromkeys(sorted(kinds), 60)

    async def history(self, kind: Kind, since: int, until: int) -> History:
        if kind not in self.cadence or kind is Kind.COUNTERS:
            raise Unsupported(f"its description names no {kind}")
        found: list[History] = []
        zone = self._description.zone or self._device.zone
        for first, last in whole_hours(since, until, zone):
            sheet = Sheet(self._device.zone, self._device.now())
            read(sheet, await self._ask(first, last), self._description)
            found.append(of_kind(sheet.history(), None)[1])
        rows = [row for part in found for row in part.rows if row.end > since and row.start < until]
        return History(rows, [problem for part in found for problem in part.problems])

    async def counters(self) -> Sequence[Counter]:
        if not self._description.cumulative:
            raise Unsupported("its description says that it tells counts by interval")
        now = self._device.now()
        local = datetime.fromtimestamp(now, self._description.zone or self._device.zone).replace(tzinfo=None)
        sheet = Sheet(self._device.zone, now)
        read(sheet, await self._ask(local.replace(hour=0, minute=0, second=0), local), self._description)
        if sheet.problems:
            raise sheet.problems[0]
        return list(sheet.counters.values())

    async def _ask(self, first: datetime, last: datetime) -> str:
        headers = {self._description.key_header: self._device.password} if self._description.key_header else {}
        return text_of(await self._access.get(self._description.target(first, last), **headers))
