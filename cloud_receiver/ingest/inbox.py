"""What waits to be decided: fair between devices, bounded, and for each device within its credit."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.caps import GZIP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.contract.messages import Credit
    from agent.foundation.mqtt import Received

# s of credit that a device which was quiet may spend at once: 100,000 rows, and of what is fresh no store has more.
# With 30 a device that floods had the receiver work for it for ten seconds before it was turned away.
BURST = 10.0
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
MOST_DEVICES = 20_000  # whose credit is remembered; the one that was quiet the longest is forgotten first

# Of one device from here to its answer. It has four fresh batches and one of backlog on their way, and each perhaps
# twice; more would fill the broker's window to us, and everybody's messages would wait behind one device's.
MOST_OF_ONE = 10
MOST_TOLD = 10  # times a second that a device hears to pause; who listens hears all, having no more on its way

GROUP_MESSAGES = 100
# A row takes 25 bytes as plain JSON, 1 to 5 in gzip. Small batches share a transaction; of those of 1,000 rows one or
# two go together, so that others are read while they are committed. Measured in rows/s with batches of 1,000 and of 50
# rows, medians of six on a machine that others used too: 300 bytes 49 k and 10 k, 1,500 bytes 54 k and 21 k, 5,000
# bytes 39 k and 23 k, 15,000 bytes 45 k and 25 k.
ENOUGH = 1500  # bytes of gzip
PLAIN = 10  # bytes of plain JSON for one of gzip
LINGER = 0.05  # s; 83 batches a second then come four at a time, where each alone would be a transaction


class Limits(NamedTuple):
    """How much waits undecided in a lane (messages and bytes), and what a device may send.

    After a standstill more than our Receive Maximum was seen to come from Mosquitto 2.0.11 at once, why is not known:
    what is beyond these limits is dropped here and sent again by its device.
    """

    undecided: int
    credit: Credit
    undecided_bytes: int = 16 * 1024 * 1024
    remembered_s: int = 360 * 86_400  # for how long HQ certainly holds every row it got


class Verdict(Enum):
    """What became of a message that came."""

    TAKEN = "taken"
    OVER = "over"  # its device spent its credit
    SHED = "shed"  # the same, and its device was told so often enough
    FULL = "full"  # too much waits undecided


class Purse:
    """One device's credit in one lane of one worker: bytes are spent as they come, rows once they were counted.

    It may sink below nothing. Per lane, so that backlog never spends what fresh rows need; per worker, since each
    guards its own share of the database: with W workers a device has W times its credit at most.
    """

    __slots__ = ("_at", "_bytes", "_rows", "_told", "_words")

    def __init__(self, credit: Credit, now: float) -> None:
        self._rows, self._bytes, self._at = credit.rows_s * BURST, credit.bytes_s * BURST, now
        self._words, self._told = float(MOST_TOLD), now

    def pause(self, credit: Credit, now: float) -> float:
        """For how many seconds the device has nothing to spend; 0 where it has."""
        passed, self._at = now - self._at, now
        self._rows = min(credit.rows_s * BURST, self._rows + passed * credit.rows_s)
        self._bytes = min(credit.bytes_s * BURST, self._bytes + passed * credit.bytes_s)
        lacking = max(-self._rows / credit.rows_s, -self._bytes / credit.bytes_s)
        return 0.0 if lacking <= 0 else min(LONGEST_PAUSE, max(SHORTEST_PAUSE, lacking))

    def spend(self, rows: int, size: int) -> None:
        self._rows -= rows
        self._bytes -= size

    def tell(self, now: float) -> bool:
        """Whether the device is told once more to pause. Answers share one window; a flood's would fill it."""
        self._words = min(float(MOST_TOLD), self._words + (now - self._told) * MOST_TOLD)
        self._told = now
        if self._words < 1:
            return False
        self._words -= 1
        return True


class Inbox:
    """Messages by device, each device in its own order, one of each device in turn.

    A device has its next group only when the last one is decided: its batches would wait for each other in the
    database anyway, and a device that floods is then in one of the groups under way and not in all.
    """

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self.limits = limits
        self._now = now
        self._waiting: OrderedDict[str, deque[Received]] = OrderedDict()
        self._deciding: dict[str, deque[Received]] = {}  # by device, what came meanwhile
        self._unanswered: Counter[str] = Counter()
        self._purses: OrderedDict[str, Purse] = OrderedDict()
        self._some = asyncio.Event()
        self._gathering = asyncio.Lock()
        self._last = -LINGER
        self._served: set[str] = set()
        self._weight = 0
        self.messages = 0
        self.bytes = 0

    def put(self, message: Received) -> tuple[Verdict, float]:
        """Take a message in, or say why not and for how long its device should pause."""
        device, now = device_of(message.topic), self._now()
        purse = self._purse(device)
        pause = purse.pause(self.limits.credit, now)
        if not pause and self._unanswered[device] >= MOST_OF_ONE:
            pause = SHORTEST_PAUSE
        if pause:
            return (Verdict.OVER if purse.tell(now) else Verdict.SHED), pause
        if self.messages >= self.limits.undecided or self.bytes >= self.limits.undecided_bytes:
            return Verdict.FULL, 0.0
        purse.spend(0, len(message.payload))
        self._unanswered[device] += 1
        self.messages += 1
        self.bytes += len(message.payload)
        if device in self._deciding:
            self._deciding[device].append(message)
        else:
            self._line_up(device, deque((message,)))
        return Verdict.TAKEN, 0.0

    def spend(self, topic: str, rows: int) -> None:
        """Charge the rows of a message, known once it was read."""
        self._purse(device_of(topic)).spend(rows, 0)

    def decided(self, group: Iterable[Received]) -> None:
        """A group is through: it is the turn of what its devices sent meanwhile."""
        for device in {device_of(message.topic) for message in group}:
            if queue := self._deciding.pop(device):
                self._line_up(device, queue)

    def answered(self, message: Received) -> None:
        """One of a device's messages is out of our hands."""
        device = device_of(message.topic)
        self._unanswered[device] -= 1
        if not self._unanswered[device]:
            del self._unanswered[device]

    async def group(self) -> list[Received]:
        """What is decided next, in one transaction: waits for more where little came and more is likely to come."""
        async with self._gathering:
            await self._some.wait()
            # One device alone waits for our answers: to wait for more of it would be in vain.
            others = self._waiting.keys() != self._served
            if others and self._now() - self._last < LINGER and self._weight < ENOUGH:
                await asyncio.sleep(LINGER)
            self._last = self._now()
            taken = self._take()
            self._served = {device_of(message.topic) for message in taken}
            return taken

    def _take(self) -> list[Received]:
        taken: list[Received] = []
        heavy = 0
        while self._waiting and len(taken) < GROUP_MESSAGES and heavy < ENOUGH:
            device, queue = self._waiting.popitem(last=False)
            message = queue.popleft()
            taken.append(message)
            heavy += weight(message.payload)
            if queue:
                self._waiting[device] = queue  # at the end: everyone else comes first
        for device in {device_of(message.topic) for message in taken}:
            self._deciding[device] = self._waiting.pop(device, deque())
        self.messages -= len(taken)
        self.bytes -= sum(len(message.payload) for message in taken)
        self._weight = sum(weight(each.payload) for queue in self._waiting.values() for each in queue)
        if not self._waiting:
            self._some.clear()
        return taken

    def _line_up(self, device: str, queue: deque[Received]) -> None:
        self._waiting.setdefault(device, deque()).extend(queue)
        self._weight += sum(weight(message.payload) for message in queue)
        self._some.set()

    def _purse(self, device: str) -> Purse:
        purse = self._purses.pop(device, None) or Purse(self.limits.credit, self._now())
        self._purses[device] = purse
        if len(self._purses) > MOST_DEVICES:
            self._purses.popitem(last=False)
        return purse


def weight(payload: bytes) -> int:
    """How much work a batch is, guessed from its bytes before it is read."""
    return len(payload) if payload.startswith(GZIP) else len(payload) // PLAIN


def device_of(topic: str) -> str:
    """Whose a message is, as far as its topic tells: footfall/v1/{tenant}/{store}/{device}/leaf."""
    return "/".join(topic.split("/")[2:5:2])
