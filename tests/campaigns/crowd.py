"""Simulated devices that speak the wire as agents do: birth, hello, frozen batches, answers, resends, credit.

Many devices share a few connections. What is measured is the receiver, and it sees topics, never its devices'
connections; 5,000 sockets of paho in one process would measure this process and the broker's accept loop instead.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from random import Random
from typing import TYPE_CHECKING, Any

from agent.contract import wire
from agent.contract.messages import Birth
from agent.contract.observation import Observation, Origin, Quality
from agent.contract.times import MINUTE, rfc3339
from agent.contract.topics import ROOT, Branch
from agent.foundation.mqtt import Link, LinkDown, LinkSettings, Message
from tests.rig.stage import TENANT

if TYPE_CHECKING:
    from typing import Self

    from agent.foundation.mqtt import Received

SPEAKERS = 20  # connections that publish; each has a window of 20 unacknowledged messages
LINES = 20
RESEND_AFTER = 30.0  # seconds without an answer
EPOCH = "e1"


class Device:
    """One device: numbers its rows from 1, and keeps a batch until HQ's answer names it."""

    def __init__(self, crowd: Crowd, name: str) -> None:
        self.branch = Branch(TENANT, f"store-{name}", name)
        self.highest = 0
        self._crowd = crowd
        self._greeted = asyncio.Event()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def greet(self) -> None:
        """Say birth until HQ says hello."""
        birth = Birth(
            device=self.branch.device,
            epoch=EPOCH,
            boot=1,
            run="r1",
            highest=self.highest,
            version="0",
            tz="UTC",
            sensors=["door-1"],
            schemas=[wire.OBSERVATIONS],
            ts=rfc3339(time.time()),
        ).payload()
        while not self._greeted.is_set():
            await self._crowd.say(Message(self.branch.topic("birth"), birth, retain=True))
            try:
                async with asyncio.timeout(RESEND_AFTER):
                    await self._greeted.wait()
            except TimeoutError:
                continue

    async def send(self, minutes: int, start: int, lane: str = "fresh") -> None:
        """The counts of so many minutes of all lines as one batch; returns once HQ has committed it."""
        batch, payload = self.frozen(minutes, start, lane)
        message = Message(self.branch.topic("batch" if lane == "fresh" else lane), payload, expiry=300)
        self._crowd.first_sent[batch] = time.time()
        while True:
            answer = await self._asked(batch, message)
            if answer and answer["st"] in ("committed", "duplicate"):
                return
            if answer and answer["st"] != "retry":
                self._crowd.refused.append(f"{batch}: {answer['st']} {answer.get('err')}")
                return
            if answer:
                self._crowd.turned_away += 1
                await asyncio.sleep(max(1.0, answer["credit"]["pause_s"]))

    async def _asked(self, batch: str, message: Message) -> dict[str, Any] | None:
        """HQ's answer, None where there was none in time."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[batch] = answer
        await self._crowd.say(message)
        try:
            async with asyncio.timeout(RESEND_AFTER):
                return await answer
        except TimeoutError:
            self._crowd.resent += 1
            return None

    def take(self, told: dict[str, Any]) -> None:
        """What HQ said to this device."""
        if told["st"] == "hello":
            self._greeted.set()
        elif (answer := self._answers.pop(told["id"], None)) and not answer.done():
            answer.set_result(told)

    def frozen(self, minutes: int, start: int, lane: str) -> tuple[str, bytes]:
        """The next batch, encoded once for ever, and its id."""
        rows = counts(minutes, start)
        seq = [(self.highest + 1, self.highest + len(rows))]
        self.highest += len(rows)
        batch = wire.batch_id(self.branch.device, EPOCH, seq)
        words, columns = wire.observation_columns(rows)
        head = {"v": 1, "id": batch, "device": self.branch.device, "epoch": EPOCH, "seq": seq, "void": [], "lane": lane}
        head |= {"boot": 1, "run": "r1", "sent": rfc3339(time.time()), "schema": wire.OBSERVATIONS, "n": len(rows)}
        return batch, wire.encode(head, words, columns)


class Crowd:
    """All devices of a campaign, on their shared connections."""

    def __init__(self, port: int, name: str = "crowd") -> None:
        self.devices: dict[str, Device] = {}
        self.first_sent: dict[str, float] = {}  # batch id → when it was first published
        self.refused: list[str] = []
        self.resent = self.turned_away = 0
        answers = [(f"{ROOT}/{TENANT}/+/+/ack", 1)]
        self._listener = Link(self._at(port, f"{name}-ear"), subscriptions=answers, on_message=self._take)
        self._speakers = deque(Link(self._at(port, f"{name}-mouth-{k}")) for k in range(SPEAKERS))
        self._tasks: list[asyncio.Task[None]] = []

    @staticmethod
    def _at(port: int, name: str) -> LinkSettings:
        return LinkSettings("127.0.0.1", port, name, reconnect_first=0.05, reconnect_cap=0.5)

    async def __aenter__(self) -> Self:
        links = (self._listener, *self._speakers)
        self._tasks = [asyncio.create_task(link.run()) for link in links]
        while not all(link.is_up for link in links):  # noqa: ASYNC110 - once, at the start
            await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def join(self, name: str) -> Device:
        """One more device."""
        self.devices[name] = Device(self, name)
        return self.devices[name]

    async def say(self, message: Message) -> None:
        """Publish on the next connection in turn; what is lost with a connection is sent again by its device."""
        self._speakers.rotate()
        try:
            await self._speakers[0].publish(message)
        except LinkDown:
            await asyncio.sleep(0.5)

    def _take(self, message: Received) -> None:
        if device := self.devices.get(message.topic.split("/")[4]):
            device.take(json.loads(message.payload))


def counts(minutes: int, start: int) -> list[Observation]:
    """What twenty lines counted in so many minutes; the same for the same beginning."""
    random = Random(start)  # noqa: S311 - numbers as unlike each other as a store's, 4 bytes a row on the wire
    return [
        Observation(
            "door-1",
            f"line:{line + 1}",
            "in",
            start + MINUTE * minute,
            start + MINUTE * (minute + 1),
            float(max(0, round(random.gauss(3, 3)))),
            Origin.LIVE,
            Quality.MEASURED,
        )
        for minute in range(minutes)
        for line in range(LINES)
    ]
