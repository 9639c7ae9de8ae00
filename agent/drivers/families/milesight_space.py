"""Where in the picture of a Milesight camera the time was spent: a grid an hour, on the few models that have it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.contract.times import DAY, HOUR
from agent.drivers.base import Garbled, History, Kind, Row, SensorError
from agent.drivers.reading.documents import json_of
from agent.drivers.reading.localtime import wall_seconds
from agent.drivers.reading.table import MAX_PROBLEMS, MOST
from agent.drivers.reading.text import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.drivers.base import Device
    from agent.drivers.reading.fetch import Access

_QUERY = "/dataloader.cgi?dw=spaceheatmap&sub_type=0&time_start={first}&time_end={last}"
_TIME = "%Y-%m-%d-%H:%M:%S"
_GRID = 32  # cells a side, at most
_MAP = 192  # points a side, where the camera does not say
_LARGEST_MAP = 10_000
_WITHIN = 4.0  # real seconds for the grids of one question about heat, which has ten


class Space:
    """The grids of one camera. One that does not have them answers 502, 401 or 404, and is asked again a day later."""

    def __init__(self, device: Device, access: Access, scale: float) -> None:
        """Take the way to the camera that its other questions go, and what a heat value times this makes seconds."""
        self._device, self._access, self._scale = device, access, scale
        self._not_before = 0.0
        self._has = False  # it told one

    async def grids(self, heat: Sequence[Row]) -> History:
        """The cells of each hour that is over, was not empty and has a name of its own.

        What does not come within its seconds is `missing`, of a camera that has grids or is too slow to tell.
        """
        now = self._device.now()
        names = Counter(row.raw for row in heat)
        left = [row for row in heat if row.end <= now and row.value and names[row.raw] == 1]
        if now < self._not_before:
            return History([])
        found: list[Row] = []
        why = ""
        try:
            async with asyncio.timeout(_WITHIN):
                while left:
                    found += await self._hour(left[0])
                    self._has = True
                    del left[0]
        except TimeoutError:
            why = f"its map of where people stood did not come within {_WITHIN:g} seconds"
        except SensorError as error:
            if self._has:
                why = f"its map of where people stood could not be read: {error}"[:200]
            else:
                self._not_before = now + DAY
        return History(found, missing=[(row.start, row.end, why) for row in left] if why else [])

    async def _hour(self, row: Row) -> list[Row]:
        start = wall_seconds(row.raw)
        first, last = (datetime.fromtimestamp(at, UTC).strftime(_TIME) for at in (start, start + HOUR - 1))
        body = await self._access.get(_QUERY.format(first=first, last=last))
        cells = read(text_of(body), None, 0).rows
        return [
            row._replace(place=cell.place, value=round(cell.value * self._scale, 6)) for cell in cells if cell.value
        ]


def read(text: str, kind: Kind | None, now: float) -> History:
    """Non-zero cells of a grid of at most 32 x 32; it carries no interval, so its rows have no length."""
    found = json_of(text)
    if not isinstance(found, dict) or not isinstance(found.get("data"), list) or kind not in (None, Kind.HEAT):
        raise Garbled(f"JSON, where {kind or 'a heat map'} was expected", text, 1, 1)
    points, width, height = found["data"], found.get("map_w", _MAP), found.get("map_h", _MAP)
    if not all(isinstance(side, int) and 0 < side <= _LARGEST_MAP for side in (width, height)):
        raise Garbled(f"a map of {width!r} by {height!r} points is none", text, 1, 1)
    cells: dict[tuple[int, int], float] = {}
    problems: list[Garbled] = []
    for index, point in enumerate(points):
        match point:
            case {"x": int(x), "y": int(y), "value": int(value) | float(value)} if (
                0 <= x < width and 0 <= y < height and 0 <= value <= MOST  # false for NaN too
            ):
                cell = x * min(_GRID, width) // width, y * min(_GRID, height) // height
                cells[cell] = cells.get(cell, 0.0) + value
            case _ if len(problems) < MAX_PROBLEMS:
                problems.append(Garbled(f"data[{index}] is no point of the map with a value from 0"))
    moment = int(now)
    rows = [
        Row(f"cell:{x},{y}", "person_seconds", moment, moment, value)
        for (x, y), value in sorted(cells.items())
        if value
    ]
    return History(rows, problems)
