"""How HQ says that it is there: a retained state with a boot counter, and a will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.contract.messages import State
from agent.contract.times import rfc3339
from agent.contract.topics import hq_state
from agent.foundation.mqtt import Message

if TYPE_CHECKING:
    from agent.foundation.clock import Clock


class Presence(NamedTuple):
    """One life of a worker. Devices that see a new boot send again whatever is unanswered."""

    tenant: str
    worker: str
    boot: int
    clock: Clock
    group: str  # the name of the shared subscription

    def says(self, st: Literal["online", "offline"]) -> Message:
        state = State(st=st, boot=self.boot, ts=rfc3339(self.clock.now()))
        return Message(hq_state(self.tenant, self.worker), state.payload(), retain=True)
