"""An agent that believes PUBACK, as most collectors do: the same commands, and numbers that get lost.

It proves that the demo's check can fail. A row is freed as soon as the broker has its batch, and as it would then be
deleted, what HQ lacks is not sent again at the next hello either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.__main__ import main
from agent.buffer.buffer import Buffer
from agent.contract.messages import Answer
from agent.contract.times import rfc3339
from agent.sync.uplink import Uplink

if TYPE_CHECKING:
    from agent.buffer.outbox import Frozen


async def free_at_puback(self: Uplink, batch: Frozen, reason: int) -> None:  # noqa: ARG001 - of the method replaced
    """Settle the batch as if HQ had committed it."""
    epoch = batch.id.split(":")[1]
    answer = Answer(id=batch.id, sha=batch.sha, epoch=epoch, st="committed", at=rfc3339(self._clock.now()))
    if await self._buffer.settle(answer):
        self._flights.landed(batch.id)
        self._wake.set()


async def believe(self: Buffer, *covered: object) -> str:  # noqa: ARG001 - of the method replaced
    """What was deleted cannot be sent again."""
    return "agreed"


if __name__ == "__main__":
    Uplink._broker_took = free_at_puback
    Buffer.compare = believe
    main()
