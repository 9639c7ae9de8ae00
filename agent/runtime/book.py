"""What a poller remembers of its device: how it is, and everything that a restart must not forget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.drivers.base import Kind
from agent.runtime.occupant import Occupant
from agent.runtime.readings import Memory, Totals


@dataclass
class Condition:
    """How a sensor is. Times are the store's, in UTC seconds."""

    up: bool = False
    last_answer: float | None = None
    problem: str = ""
    trouble: str = ""  # the problem in two or three words
    offset: float | None = None  # seconds its clock is ahead of the store's, where that is known
    patience: float = 0.0  # seconds in which it need not be heard of
    doubt: str = ""  # why its clock is not believed: stands still, jumps


@dataclass
class Book:
    """Everything a poller must know after a restart; committed with the rows it led to."""

    memories: dict[Kind, Memory] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    answered: int = 0  # the last tick that was answered
    gaps: list[tuple[int, int, str]] = field(default_factory=list)  # told as pending, not yet answered
    open_gap: tuple[int, str] | None = None  # (since, reason) while the sensor is silent
    watched: int = 0  # since when every tick was answered
    occupant: Occupant = field(default_factory=Occupant)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "memories": {kind.value: memory.dump() for kind, memory in self.memories.items()},
            "totals": self.totals.dump(),
            "answered": self.answered,
            "gaps": self.gaps,
            "open_gap": self.open_gap,
            "watched": self.watched,
            "occupant": self.occupant.dump(),
        }

    def shift(self, by: int) -> None:
        """Our own clock was set: every time in it moves."""
        for memory in self.memories.values():
            memory.shift(by)
        self.totals.at += by if self.totals.at else 0
        self.answered += by if self.answered else 0
        self.watched += by if self.watched else 0
        self.occupant.shift(by)
        self.gaps = [(start + by, end + by, why) for start, end, why in self.gaps]
        self.open_gap = (self.open_gap[0] + by, self.open_gap[1]) if self.open_gap else None

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Book:
        """From what `dump` made."""
        return cls(
            {Kind(kind): Memory.load(memory) for kind, memory in stored["memories"].items()},
            Totals.load(stored["totals"]),
            stored["answered"],
            [(start, end, why) for start, end, why in stored["gaps"]],
            tuple(stored["open_gap"]) if stored["open_gap"] else None,
            stored.get("watched", 0),
            Occupant(**stored.get("occupant", {})),
        )
