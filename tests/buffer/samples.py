"""What the buffer's tests share: a clock that stands still, rows, an opened buffer, an HQ that takes all."""

from agent.buffer.buffer import Buffer
from agent.contract import wire
from agent.contract.messages import Answer
from agent.contract.observation import Observation, Origin, Quality
from agent.foundation.clock import Clock

HEAD = {"device": "pi-1", "run": "r1", "clock": {"sync": "ntp"}, "layout": "1", "tz": "UTC"}
T0 = 1_790_000_000 // 3600 * 3600


class Still(Clock):
    """A clock that stands still."""

    def now(self):
        return float(T0 + 7200)


def row(start=T0, end=None, value=5.0, *, place="line:1", metric="in", origin=Origin.LOG, quality=Quality.MEASURED):
    return Observation("door", place, metric, start, end or start + 3600, value, origin, quality)


async def opened(folder, cap=10**9):
    return await Buffer.open(folder / "buffer.db", Still(), cap)


def answer(batch, st="committed"):
    envelope = wire.open_envelope(batch.payload)
    return Answer(id=batch.id, sha=batch.sha, epoch=envelope.epoch, seq=envelope.seq, void=envelope.void, st=st, at="x")


async def drained(buffer):
    """Everything the buffer has to send, batch by batch as HQ gets it, each answered."""
    for lane in ("fresh", "backlog", "fresh"):
        while batch := await buffer.cut(lane, HEAD):
            yield wire.open_envelope(batch.payload)
            await buffer.settle(answer(batch))
