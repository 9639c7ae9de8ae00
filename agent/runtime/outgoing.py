"""What is still to be told to whom: kept with the alerts' state, in order for each, tried again until it is taken."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from agent.contract.times import DAY, rfc3339
from agent.runtime.actions import NotTaken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.alerts.state import Transition
    from agent.buffer.buffer import Buffer
    from agent.foundation.clock import Clock
    from agent.runtime.actions import Action

log = structlog.get_logger()

STATE = "alerts:outgoing"
NAMES = uuid.UUID("0d7f7f55-2f39-5f0b-8f0e-6a3c1e6f0c52")  # ours; with it the same step has the same id after a restart
MOST = 500  # for one action; the oldest go first, and it is said
KEEP_FOR = DAY  # seconds of the store's time; then it is no news any more
BACK_OFF_FIRST, BACK_OFF_CAP = 2.0, 300.0  # real seconds, doubling
TOO_LATE = 300.0  # seconds of the store's time after which a sound would only puzzle people


class Delivery(NamedTuple):
    """One step for one action. `id` is the same at each try: who knows it already has been told."""

    id: str
    to: str
    at: float
    body: dict[str, Any]


class Outgoing:
    """The queue and those who work it off. What is put in is sent only after `go`, when it is committed."""

    def __init__(self, buffer: Buffer, clock: Clock, store: str, actions: Sequence[Action]) -> None:
        self._buffer, self._clock, self._store = buffer, clock, store
        self._actions = {action.table.name: action for action in actions}
        self._queues: dict[str, deque[Delivery]] = {name: deque() for name in self._actions}
        self._fresh: list[Delivery] = []
        self._wake = {name: asyncio.Event() for name in self._actions}
        self.problems: dict[str, str] = {}  # of those that do not take what they are told

    async def load(self) -> None:
        """What was not taken before the restart. What was for an action that is gone is dropped."""
        for stored in await self._buffer.state(STATE) or []:
            delivery = Delivery(*stored)
            if delivery.to in self._queues:
                self._queues[delivery.to].append(delivery)

    def document(self) -> dict[str, object]:
        """For the commit."""
        if not self._actions:
            return {}
        return {
            STATE: [list(one) for one in (*(one for queue in self._queues.values() for one in queue), *self._fresh)]
        }

    def put(self, told: Iterable[Transition]) -> None:
        """These steps are about to be committed."""
        for step in told:
            for name, action in self._actions.items():
                if action.table.wants(step):
                    named = str(uuid.uuid5(NAMES, f"{name}|{step.id}|{step.state}|{step.at}|{step.text}"))
                    self._fresh.append(Delivery(named, name, float(step.at), self._body(named, step)))

    def take_back(self, told: Sequence[Transition]) -> None:
        """They were not; they will be put again."""
        if told:
            self._fresh = []

    def go(self) -> None:
        """What was put is committed."""
        for delivery in self._fresh:
            queue = self._queues[delivery.to]
            queue.append(delivery)
            if len(queue) > MOST:
                log.error("action_given_up", action=delivery.to, id=queue.popleft().id, why=f"more than {MOST} wait")
            self._wake[delivery.to].set()
        self._fresh = []

    def _body(self, named: str, step: Transition) -> dict[str, Any]:
        return {
            "id": named,
            "store": self._store,
            "alert": step.id,
            "rule": step.rule,
            "scope": step.scope,
            "state": step.state,
            "severity": step.severity,
            "at": rfc3339(step.at),
            "value": step.value,
            "text": step.text,
            "advice": step.advice,
            "flapping": step.flapping,
        }

    @property
    def waiting(self) -> int:
        """How many are not taken yet."""
        return sum(map(len, self._queues.values()))

    # ---- working it off

    async def run(self) -> None:
        """Each action by itself, so that one that is deaf holds up nobody else; for ever."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._actions:
                tasks.create_task(self._work(name), name=f"action {name}")
            await asyncio.Event().wait()

    async def _work(self, name: str) -> None:
        wait = BACK_OFF_FIRST
        while True:
            self._wake[name].clear()
            queue = self._queues[name]
            if not queue:
                await self._wake[name].wait()
                continue
            try:
                await self._first(name, queue)
                wait = BACK_OFF_FIRST
            except (NotTaken, sqlite3.OperationalError) as error:
                if name not in self.problems:
                    log.warning("action_fails", action=name, why=str(error))
                self.problems[name] = str(error)
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads stores, hides nothing
                wait = min(BACK_OFF_CAP, wait * 2)

    async def _first(self, name: str, queue: deque[Delivery]) -> None:
        """Tell the oldest, and forget it: after it was taken, or before where twice is worse than never."""
        action, delivery = self._actions[name], queue[0]
        late = self._clock.now() - delivery.at
        if late > (TOO_LATE if action.once else KEEP_FOR):
            log.warning("action_too_late", action=name, id=delivery.id, late_s=round(late))
            await self._forget(queue)
            return
        if action.once:
            await self._forget(queue)
        why = ""
        try:
            await action.tell(delivery)
        except NotTaken as error:
            if not (action.once or error.final):
                raise
            why = str(error)
        if why:
            log.error("action_given_up", action=name, id=delivery.id, why=why)
            self.problems[name] = why
        else:
            self.problems.pop(name, None)
        if not action.once:
            await self._forget(queue)

    async def _forget(self, queue: deque[Delivery]) -> None:
        delivery = queue.popleft()
        try:
            await self._buffer.append(state=self.document())
        except sqlite3.OperationalError:
            queue.appendleft(delivery)
            raise
