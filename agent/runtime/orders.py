"""What HQ may ask of a running agent beyond the line itself: read a camera's memory again, tell how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.contract.times import parse_rfc3339, rfc3339
from agent.foundation.logs import recent_lines
from agent.foundation.secrets import REDACTED, names_secret, without_secrets
from agent.runtime.backfill import Stretch
from agent.runtime.poller import INTERVALS, settled_hour
from agent.sync.desk import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent.buffer.buffer import Buffer
    from agent.contract.messages import AcknowledgeCommand, BackfillCommand, DiagnoseCommand, Health
    from agent.foundation.clock import Clock
    from agent.runtime.backfill import Backfill

WIDEST = 366 * 86400  # seconds of a camera's memory in one order
MOST_WAITING = 50  # stretches of one sensor
MOST_LOG = 32_000  # characters of log lines in one reply, which may have 64 kB in all


class Orders:
    """The actions behind the verbs that need more than the uplink."""

    def __init__(
        self,
        buffer: Buffer,
        fills: Mapping[str, Backfill],
        health: Callable[[], Awaitable[Health]],
        settings: Mapping[str, Any],
        clock: Clock,
    ) -> None:
        self._buffer, self._fills, self._health, self._clock = buffer, fills, health, clock
        self._settings = settings
        self.taken_on: Callable[[AcknowledgeCommand], Awaitable[dict[str, Any]]] | None = None  # the alerts' own

    @property
    def actions(self) -> dict[str, Callable[[Any], Awaitable[dict[str, Any] | None]]]:
        """By verb."""
        return {"backfill": self.backfill, "diagnose": self.diagnose, "acknowledge": self.acknowledge}

    async def backfill(self, command: BackfillCommand) -> dict[str, Any]:
        """Let a sensor's backfill read a stretch again; rows that are no news take no number."""
        fill = self._fills.get(command.sensor)
        if fill is None:
            raise Refusal(f"there is no sensor {command.sensor}; there are: {', '.join(sorted(self._fills))}")
        start, end = parse_rfc3339(command.start), parse_rfc3339(command.end)
        if not start < end <= self._clock.now() or end - start > WIDEST:
            raise Refusal("from and to must be a stretch of the past of at most 366 days")
        if fill.waiting >= MOST_WAITING:
            raise Refusal(f"{fill.waiting} stretches wait already")
        first, last = settled_hour(start, fill.zone), settled_hour(end - 1, fill.zone) + 3600
        state: dict[str, object] = {}
        for kind in fill.kinds:
            if kind in INTERVALS:
                state = fill.add(Stretch(kind, first, last, first=True))
        await self._buffer.append(state=state)
        return {"from": rfc3339(first), "to": rfc3339(last)}

    async def diagnose(self, command: DiagnoseCommand) -> dict[str, Any]:
        """Health, settings without secrets, and the last log lines."""
        lines = recent_lines(command.lines)
        while lines and sum(map(len, lines)) > MOST_LOG:
            lines.pop(0)
        health = (await self._health()).model_dump(mode="json")
        return {"health": health, "settings": shown(self._settings), "log": lines}

    async def acknowledge(self, command: AcknowledgeCommand) -> dict[str, Any]:
        """Somebody at HQ has taken on an alert; its next transition says so."""
        if self.taken_on is None:
            raise Refusal(f"there is no alert {command.alert}")
        return await self.taken_on(command)


def shown(value: Any, key: str = "") -> Any:  # noqa: ANN401 - JSON of any shape
    """JSON without the values of keys that name secrets."""
    if key and names_secret(key):
        return REDACTED
    if isinstance(value, dict):
        return {name: shown(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [shown(inner) for inner in value]
    return without_secrets(value) if isinstance(value, str) else value
