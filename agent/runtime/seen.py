"""Fingerprints of messages that were counted: a message that is sent again within two days adds nothing.

They lie in slots of the buffer's kept things, a hundred a slot, so that a commit writes one slot and no table grows;
a slot whose newest fingerprint is too old is written anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.contract.times import DAY

if TYPE_CHECKING:
    from agent.buffer.buffer import Buffer

KEPT_FOR = 2 * DAY
A_SLOT = 100  # fingerprints: 2.5 kB of JSON, within one page
MOST_SLOTS = 400  # of a sensor: 40,000 messages in two days, one every four seconds


class Seen:
    """The fingerprints of one sensor. What is added counts as seen at once; `rollback` takes back what was not kept."""

    def __init__(self, sensor: str, slots: list[list[tuple[int, str]]]) -> None:
        self._sensor, self._slots = sensor, slots or [[]]
        self._at = max(range(len(self._slots)), key=self._newest)
        self._known = {told for slot in self._slots for _, told in slot}
        self._stored: dict[int, list[tuple[int, str]] | None] = {}  # the slots touched since, as they are in the file

    @classmethod
    async def load(cls, buffer: Buffer, sensor: str) -> Seen:
        """As they were last committed."""
        slots: list[list[tuple[int, str]]] = []
        while (stored := await buffer.state(_name(sensor, len(slots)))) is not None:
            slots.append([(at, told) for at, told in stored])
        return cls(sensor, slots)

    def __contains__(self, told: str) -> bool:
        return told in self._known

    def add(self, told: str, now: float) -> dict[str, Any]:
        """Keep one more; the state to commit with what it led to."""
        if len(self._slots[self._at]) >= A_SLOT:
            self._turn(now)
        self._stored.setdefault(self._at, list(self._slots[self._at]))
        self._slots[self._at].append((int(now), told))
        self._known.add(told)
        return {_name(self._sensor, self._at): self._slots[self._at]}

    def _turn(self, now: float) -> None:
        """On to the next slot: the oldest where it is old enough or there may be no more, else a new one."""
        oldest = min(range(len(self._slots)), key=self._newest)
        if self._newest(oldest) < now - KEPT_FOR or len(self._slots) >= MOST_SLOTS:
            self._known.difference_update(told for _, told in self._slots[oldest])
            self._stored.setdefault(oldest, self._slots[oldest])
            self._slots[oldest], self._at = [], oldest
        else:
            self._slots.append([])
            self._at = len(self._slots) - 1
            self._stored[self._at] = None

    def _newest(self, slot: int) -> int:
        return self._slots[slot][-1][0] if self._slots[slot] else 0

    def commit(self) -> None:
        """What was added is stored."""
        self._stored.clear()

    def rollback(self) -> None:
        """What was added since the last commit was not stored."""
        for slot, stored in self._stored.items():
            self._slots[slot] = stored or []
        if any(stored is None for stored in self._stored.values()):
            self._slots = [slot for at, slot in enumerate(self._slots) if self._stored.get(at, slot) is not None]
        self._stored.clear()
        self.__init__(self._sensor, self._slots)  # type: ignore[misc]  # the same object, from what is stored


def _name(sensor: str, slot: int) -> str:
    return f"seen:{sensor}:{slot}"
