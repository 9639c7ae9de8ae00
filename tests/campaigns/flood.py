"""`python -m tests.campaigns.flood PORT DEVICE SECONDS`: a device gone mad, in a process of its own.

It fills a line of 10 Mbit/s with batches of 1,000 rows and listens to no answer. What comes faster than a receiver can
sort it out waits in Mosquitto up to `max_queued_messages`; everybody's beyond is dropped, and comes again 30 s later.
"""

from __future__ import annotations

import asyncio
import sys
import time

from agent.contract.times import MINUTE
from tests.campaigns.crowd import Crowd, Message

DISTINCT = 200  # batches made before; then they come again
LINE = 1_250_000  # bytes a second


async def flood(port: int, name: str, seconds: float) -> int:
    """How many batches went out."""
    crowd = Crowd(port, f"flood-{name}")
    device = crowd.join(name)
    now = int(time.time()) // MINUTE * MINUTE
    payloads = [device.frozen(50, now - 86_400 + k * 60 * MINUTE, "fresh")[1] for k in range(DISTINCT)]
    began, sent, size = time.monotonic(), 0, 0
    async with crowd, asyncio.TaskGroup() as publishing:
        while (passed := time.monotonic() - began) < seconds:
            if size > LINE * passed:
                await asyncio.sleep(0.01)
                continue
            payload = payloads[sent % DISTINCT]
            publishing.create_task(crowd.say(Message(device.branch.topic("batch"), payload, expiry=300)))
            sent, size = sent + 1, size + len(payload)
    return sent


if __name__ == "__main__":
    print(asyncio.run(flood(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))))
