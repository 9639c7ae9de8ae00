"""What a brand of cameras is here: answers to questions, messages of its own accord, or both."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from agent.simulator.truth import Cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent.simulator.memory import Hour, Memory


class Question(NamedTuple):
    """A request that was let in."""

    method: str
    path: str
    query: Mapping[str, str]
    text: str = ""  # the query as it was sent
    body: bytes = b""
    accept: str = ""


class Answer(NamedTuple):
    """One body and what it tells: the cells for the oracle, or the counters."""

    kind: str
    body: bytes
    content_type: str = "text/plain"
    cells: Sequence[Cell] = ()
    counters: Mapping[str, object] | None = None


class Message(NamedTuple):
    """One message; `again` is how the device words it when it sends it once more (empty: the same)."""

    body: bytes
    content_type: str = "application/json"
    topic: str = ""
    cells: Sequence[Cell] = ()
    again: bytes = b""


class Denied(Exception):
    """No answer but an HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Brand:
    """A camera's voice. `words` is its own: firmwares put the members of their objects in any order."""

    realm: ClassVar[str] = "IP Camera"
    methods: ClassVar[tuple[str, ...]] = ("GET", "POST")
    open_paths: ClassVar[tuple[str, ...]] = ()  # that want no log-in of HTTP

    def __init__(self, memory: Memory) -> None:
        self.memory, self.camera = memory, memory.camera
        self.words = Random(f"{memory.camera.id}:words")  # noqa: S311 - a simulation

    def answer(self, question: Question) -> Answer:  # noqa: ARG002 - a brand that only sends answers nothing
        """What the camera says to a request that was let in.

        Raises:
            Denied: it says only a status.
        """
        raise Denied(404)

    def messages(self, since: float, until: float) -> Iterator[Message]:  # noqa: ARG002 - most brands send nothing
        """What it sends of its own accord about [since, until) of its clock, oldest first."""
        yield from ()

    def json(self, found: object) -> bytes:
        """JSON in this firmware's order."""
        return json.dumps(self._shuffled(found)).encode()

    def _shuffled(self, found: object) -> object:
        if isinstance(found, dict):
            names = list(found)
            self.words.shuffle(names)
            return {name: self._shuffled(found[name]) for name in names}
        return [self._shuffled(one) for one in found] if isinstance(found, list) else found

    # ---- numbers and times

    def lines(self, hour: Hour) -> list[tuple[int, int, int]]:
        """(line, in, out) of each drawn line."""
        return [(line.number, *self.memory.crossings(hour.seen, line.number)) for line in self.camera.line]

    def iso(self, seconds: float, form: str = "%Y-%m-%dT%H:%M:%S") -> str:
        """Local time without its offset."""
        return datetime.fromtimestamp(seconds, self.memory.zone).strftime(form)

    def iso_offset(self, seconds: float) -> str:
        """Local time with its offset; some firmwares write UTC as -00:00."""
        return datetime.fromtimestamp(int(seconds), self.memory.zone).isoformat()

    def in_summer(self, seconds: float) -> bool:
        """Whether summer time holds."""
        return bool(datetime.fromtimestamp(seconds, self.memory.zone).dst())


def utc(seconds: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """UTC as most devices write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def line_cells(hour: Hour, number: int, entered: int, left: int) -> list[Cell]:
    """What a row about a line tells, for the oracle; nothing where it has not begun."""
    if not hour.begun:
        return []
    place, span = f"line:{number}", (hour.start, hour.end)
    return [
        Cell("lines", place, "in", *span, entered, hour.finished),
        Cell("lines", place, "out", *span, left, hour.finished),
    ]
