"""Counts by hand: entered by people, kept and sent like every number, compared with what the line told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.contract.happenings import ManualCount
from agent.contract.layout import Role, valid_at
from agent.contract.times import DAY, HOUR, parse_rfc3339, rfc3339, store_day
from agent.metrics.audits import Accuracy, Compared, accuracies, compared, evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.contract.layout import Layout
    from agent.foundation.clock import Clock
    from agent.runtime.meeting import Meeting

STATE = "audits"
KEPT = 200  # counts; a line checked weekly for four years
FAR_BACK = 31 * DAY  # as long as the buffer keeps rows
PATIENCE = 2 * HOUR  # after which what the line has not told it will not tell
LONGEST = 4 * HOUR
MOST = 100_000  # persons one way
AGAIN = 60.0  # seconds between looks for what the lines told meanwhile


class Audits:
    """The counts by hand of one store. One at a time enters them; whoever asks gets what they say by now."""

    def __init__(self, buffer: Meeting, layouts: tuple[Layout, ...], clock: Clock) -> None:
        self._buffer, self._layouts, self._clock = buffer, layouts, clock
        self._audits: list[Compared] | None = None
        self._looked = 0.0

    async def enter(self, count: ManualCount) -> Compared:
        """Keep a count by hand, have it sent to headquarters, and compare it as far as the line has told.

        Raises:
            ValueError: it cannot be; the text says what to write.
        """
        self._check(count)
        found = await self._compare(count)
        known = [one for one in await self._known() if one.by_hand[:4] != count[:4]]
        audits = sorted([*known, found], key=lambda one: one.by_hand[2:4])[-KEPT:]
        await self._buffer.append(manual=[count], state={STATE: _document(audits)})
        self._audits = audits
        return found

    async def accuracies(self) -> list[Accuracy]:
        """What the counts by hand say of each line, with what the lines told meanwhile."""
        now = self._clock.now()
        audits = await self._known()
        waiting = [one for one in audits if not one.is_known and now < one.by_hand.end + PATIENCE]
        if waiting and now >= self._looked + AGAIN:
            self._looked = now
            again = {one.by_hand: await self._compare(one.by_hand) for one in waiting}
            if any(one.is_known for one in again.values()):
                self._audits = audits = [again.get(one.by_hand, one) for one in audits]
                await self._buffer.append(state={STATE: _document(audits)})
        return accuracies(audits)

    async def by_day(self) -> dict[int, tuple[float, float]]:
        """What the counts of each store day, by its start, teach of its doors; see `agent.metrics.audits`."""
        await self.accuracies()
        days: dict[int, list[Compared]] = {}
        for one in await self._known():
            layout = valid_at(self._layouts, one.by_hand.start)
            start, _ = store_day(one.by_hand.start, layout.zone_info, layout.reset_hour)
            days.setdefault(start, []).append(one)
        found = {start: evidence(mine, valid_at(self._layouts, start)) for start, mine in days.items()}
        return {start: seen for start, seen in found.items() if seen is not None}

    async def wish(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the command line and the page ask: a count as JSON, what the line told of it, what all counts say.

        Raises:
            ValueError: as `enter`.
        """
        start, end = (int(parse_rfc3339(str(asked[name]))) for name in ("from", "to"))
        persons = entered, left = asked["in"], asked["out"]
        if not all(isinstance(one, int) and 0 <= one <= MOST for one in persons):
            raise ValueError(f"in and out are whole numbers of persons, 0 to {MOST:,}")
        count = ManualCount(str(asked["sensor"]), str(asked["place"]), start, end, entered, left, str(asked["by"])[:40])
        found = await self.enter(count)
        told = {"in": found.entered, "out": found.left}
        return {"told": told, "accuracy": [one._asdict() for one in await self.accuracies()]}

    async def _known(self) -> list[Compared]:
        if self._audits is None:
            stored: list[list[Any]] = await self._buffer.state(STATE) or []
            self._audits = [Compared(ManualCount(*row[:-2]), *row[-2:]) for row in stored]
        return self._audits

    async def _compare(self, count: ManualCount) -> Compared:
        rows = await self._buffer.rows_since(count.start - HOUR)
        return compared(count, rows, valid_at(self._layouts, count.start))

    def _check(self, count: ManualCount) -> None:
        now = self._clock.now()
        lines = valid_at(self._layouts, count.start).lines(*Role)
        if (count.sensor, count.place) not in lines:
            known = ", ".join(f"{sensor} {place}" for sensor, place in sorted(lines)) or "none"
            raise ValueError(f"this store has no line {count.sensor} {count.place}; it has {known}")
        if not 0 < count.end - count.start <= LONGEST:
            raise ValueError(
                f"{rfc3339(count.start)} to {rfc3339(count.end)} is no stretch that somebody counts; fifteen minutes"
                " are usual, four hours the most"
            )
        if count.end > now:
            raise ValueError(f"{rfc3339(count.end)} is still to come; it is {rfc3339(int(now))} here")
        if count.start < now - FAR_BACK:
            raise ValueError(f"{rfc3339(count.start)} is longer ago than the numbers are kept here, 31 days")


def _document(audits: list[Compared]) -> list[list[object]]:
    return [[*one.by_hand, one.entered, one.left] for one in audits]
