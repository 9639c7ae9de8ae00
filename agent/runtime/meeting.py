"""What the stages ask of the place where they meet: the buffer of a running store, or recorded history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence

    from agent.contract.happenings import Alert, ManualCount
    from agent.contract.observation import LedgerEntry, Numbered, Observation


class Meeting(Protocol):
    """Rows under growing numbers, and what each stage keeps beside them; the promises are those of `Buffer`."""

    appended: asyncio.Event

    @property
    def highest(self) -> int:
        """The highest number given so far."""

    async def append(
        self,
        rows: Sequence[Observation] = (),
        entries: Sequence[LedgerEntry] = (),
        state: Mapping[str, object] | None = None,
        *,
        alerts: Sequence[Alert] = (),
        manual: Sequence[ManualCount] = (),
    ) -> list[Numbered]:
        """One commit; which observations were news."""

    async def state(self, name: str) -> Any:  # noqa: ANN401 - JSON that only its stage understands
        """What a stage kept under a name, None before it ever did."""

    async def rows_after(self, number: int, limit: int = 5000) -> list[Numbered]:
        """Rows with a higher number, in order of number."""

    async def rows_since(self, start: int) -> list[Observation]:
        """Every row that begins at or after a moment, in order of time."""

    async def rows_between(self, start: int, end: int, ends_after: int) -> list[Observation]:
        """Every row that begins in [start, end) and ends after a moment."""
