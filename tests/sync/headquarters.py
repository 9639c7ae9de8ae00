"""A scripted receiver and a device under test, both on a real Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from agent.buffer.buffer import Buffer
from agent.contract import wire
from agent.contract.messages import Answer, Credit, Health, Hello, LaneHealth, State
from agent.contract.observation import Observation, Origin, Quality
from agent.contract.ranges import Ranges
from agent.contract.topics import Branch
from agent.foundation.clock import Clock
from agent.foundation.mqtt import Link, LinkDown, LinkSettings, Message
from agent.sync.uplink import Contact, Sender, Sources, Timing, Uplink

if TYPE_CHECKING:
    from pathlib import Path

BRANCH = Branch("acme", "s1", "pi-1")
STARTED = int(time.time()) // 60 * 60
QUICK = Timing(every=0.02, resend_jitter=0.0, birth_every=0.3, resend_first=30.0)
LEAVES = ("birth", "state", "batch", "backlog", "alert", "health", "reply", "config/reported", "live/+")


async def eventually(holds) -> None:
    """Look again and again until it holds, a function or a coroutine function; the test's own time-out ends it."""
    while not (await found if asyncio.iscoroutine(found := holds()) else found):  # noqa: ASYNC110 - of many makers
        await asyncio.sleep(0.01)


class Heard(NamedTuple):
    """A message of the device as it arrived."""

    leaf: str
    payload: bytes
    properties: tuple[tuple[str, str], ...] = ()
    retain: bool = False

    @property
    def json(self):
        return json.loads(self.payload)

    @property
    def sha(self):
        return wire.sha_of(self.payload)


class Hq:
    """Answers as it is told: `decide` makes the answer to a batch, `coverage` what a hello says."""

    def __init__(self, port: int, boot: int = 1, worker: str = "main") -> None:
        self.heard: list[Heard] = []
        self.coverage: list[tuple[int, int]] = []
        self.covered: dict[str, Ranges] = {}
        self.decide = self.commit
        self.greets = True
        self.credit = Credit(rows_s=100_000, bytes_s=10_000_000)
        self._news = asyncio.Event()
        self._topic = f"footfall/v1/acme/_hq/state/{worker}"
        self.boot = boot
        self._subscribed = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        topics = [f"footfall/v1/acme/+/+/{leaf}" for leaf in LEAVES]
        self._link = Link(
            LinkSettings("127.0.0.1", port, f"hq-{secrets.token_hex(3)}", reconnect_first=0.05, reconnect_cap=0.2),
            subscriptions=[(topic, 1) for topic in topics],
            on_message=self._take,
            on_up=self._subscribed.set,
            on_down=lambda _: self._subscribed.clear(),
        )

    async def __aenter__(self):
        self._task = asyncio.create_task(self._link.run())
        await self._subscribed.wait()
        await self.appear(self.boot)
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, *self._tasks, return_exceptions=True)

    async def appear(self, boot: int) -> None:
        """Say that a receiver is there, of this boot."""
        self.boot = boot
        await self.publish(Message(self._topic, State(st="online", boot=boot, ts="x").payload(), retain=True))

    async def publish(self, message: Message) -> None:
        await self._link.publish(message)

    async def tell(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish on a leaf of the device."""
        await self.publish(Message(BRANCH.topic(leaf), payload, retain=retain))

    def _take(self, message) -> None:
        leaf = "/".join(message.topic.split("/")[5:])
        heard = Heard(leaf, message.payload, message.properties, message.retain)
        self.heard.append(heard)
        self._news.set()
        task = asyncio.create_task(self._answer(message.topic, heard, self.decide))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, topic: str, heard: Heard, decide) -> None:
        said = None
        if heard.leaf == "birth" and self.greets and not heard.retain:
            birth = heard.json
            covered = self.covered.get(birth["epoch"], Ranges(self.coverage))
            said = Hello(
                run=birth["run"],
                epoch=birth["epoch"],
                nonce=birth["nonce"],
                coverage=list(covered),
                credit=self.credit,
            )
        elif heard.leaf in ("batch", "backlog"):
            said = decide(heard)
        if said:
            with contextlib.suppress(LinkDown):
                await self._link.publish(Message(topic.rpartition(heard.leaf)[0] + "ack", said.payload()))

    def commit(self, heard: Heard, st: str = "committed", **more) -> Answer:
        envelope = wire.open_envelope(heard.payload)
        if st == "committed":
            self.covered.setdefault(envelope.epoch, Ranges()).update([*envelope.seq, *envelope.void])
        return Answer(id=envelope.id, sha=heard.sha, epoch=envelope.epoch, st=st, at="x", **more)

    def ignore(self, _heard: Heard) -> None:
        """A receiver that takes everything and answers nothing."""

    def of(self, *leaves: str) -> list[Heard]:
        return [one for one in self.heard if one.leaf in leaves]

    async def until(self, holds):
        """Wait until something that was heard makes this true; what it answered."""
        while not (found := holds()):
            self._news.clear()
            await self._news.wait()
        return found

    async def batches(self, n: int, *leaves: str) -> list[Heard]:
        return await self.until(lambda: len(got := self.of(*(leaves or ("batch", "backlog")))) >= n and got)


class Shop:
    """A device under test: a real buffer and the real uplink.

    Its rows are of the minute before the test began: those of when the suite did would be backlog after a quarter of
    an hour.
    """

    minute = STARTED

    def __init__(self, folder: Path, port: int, timing: Timing = QUICK, **more) -> None:
        self._folder, self._port, self._timing = folder, port, timing
        self.contact = Contact()
        self.version = more.pop("version", 5)
        self._keepalive = more.pop("keepalive", 20)
        self._cap = more.pop("cap", 10**9)
        self._desk = more.pop("desk", None)
        self.branch = more.pop("branch", BRANCH)

    async def __aenter__(self):
        self._folder.mkdir(exist_ok=True)
        self.buffer = await Buffer.open(self._folder / "buffer.db", Clock(), self._cap)
        self.run = secrets.token_hex(2)
        sender = Sender(self.branch, self.run, "0.1.0", "UTC", "1", ("door",))
        link = LinkSettings(
            *("127.0.0.1", self._port, f"{self.branch.device}-{secrets.token_hex(4)}"),
            version=self.version,
            keepalive=self._keepalive,
            reconnect_first=0.05,
            reconnect_cap=0.2,
        )
        sources = Sources(self.health, lambda: {"store": {"occupancy": 7.0}})
        desk = self._desk(self) if self._desk else None
        self.uplink = Uplink(self.buffer, sender, link, Clock(), sources, self.contact, self._timing, desk)
        self._task = asyncio.create_task(self.uplink.run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.buffer.close()

    async def health(self) -> Health:
        lane = LaneHealth(rows=0)
        return Health(
            **dict.fromkeys(("boot", "created", "acked", "void", "dropped", "buffer_bytes", "buffer_cap"), 0),
            **dict.fromkeys(("ts", "epoch", "kernels"), "x"),
            **dict.fromkeys(("fresh", "backlog"), lane),
            rss_mb=1.0,
            sensors=[],
        )

    async def count(self, first: int, n: int = 1, *, ago: int = 0, value: float = 1.0) -> None:
        """Rows of minutes that ended so many seconds ago; all of one test are of the same minute."""
        start = self.minute - 60 - ago
        await self.buffer.append(
            Observation(
                "door", f"cell:{k // 32},{k % 32}", "in", start, start + 60, value, Origin.LIVE, Quality.MEASURED
            )
            for k in range(first, first + n)
        )

    async def settled(self, n: int) -> None:
        """Wait until HQ has answered for so many rows."""

        async def enough() -> bool:
            return (await self.buffer.tally()).acked >= n

        await eventually(enough)
