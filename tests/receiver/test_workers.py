"""Several workers: one killed again and again strands nothing, though Mosquitto gives its share to nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import psutil
import pytest

from agent.contract import wire
from tests.receiver.hq import START, row

pytestmark = pytest.mark.timeout(60)

BATCHES = 120
KILLS = 5


def pids(hq) -> dict[str, int]:
    """The process of each worker, as last started."""
    lines = [json.loads(line) for line in hq.log.splitlines() if '"worker_started"' in line]
    return {line["worker"]: line["pid"] for line in lines}


async def until_answered(device, payloads: dict[str, bytes]) -> None:
    """What a device does: send, and send again what was not answered when a receiver appears or time passes."""

    async def send_again() -> None:
        while True:
            for payload in list(payloads.values()):
                await device.publish("batch", payload)
                await asyncio.sleep(0.005)
            try:
                async with asyncio.timeout(2):
                    await device.online()
            except TimeoutError:
                pass

    sending = asyncio.create_task(send_again())
    try:
        while payloads:
            answer = await device.answer()
            # A receiver whose database connection went with a kill says retry: it was told, and nothing is freed.
            assert answer["st"] in ("committed", "duplicate", "retry")
            if answer["st"] != "retry":
                payloads.pop(answer["sha"], None)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_worker_killed_again_and_again_strands_nothing(alone):
    """Every batch is committed once; the crew starts the worker anew, and goes with its parent."""
    hq, _ = alone(5)
    hq.options = ("--workers", "2")
    hq.start()
    try:
        async with hq.device() as device:
            batches = [device.batch([(n, n)], [row(float(n), start=START + 60 * n)]) for n in range(1, BATCHES + 1)]
            work = asyncio.create_task(until_answered(device, {wire.sha_of(b): b for b in batches}))
            names = sorted(pids(hq))
            assert len(names) == 2
            for _ in range(KILLS):
                before = pids(hq)[names[1]]
                os.kill(before, signal.SIGKILL)
                while pids(hq)[names[1]] == before:  # noqa: ASYNC110 - another process's log
                    await asyncio.sleep(0.05)
            await work
            assert await device.coverage() == [(1, BATCHES)]
            assert [r[4] for r in await device.rows()] == list(range(1, BATCHES + 1))
    finally:
        assert await asyncio.to_thread(hq.stop) == 0
    assert not any(psutil.pid_exists(pid) for pid in pids(hq).values())


async def test_workers_go_when_their_parent_is_killed(alone):
    """None is left that nobody watches; their names are one machine's and no two alike."""
    hq, _ = alone(5)
    hq.options = ("--workers", "2")
    hq.start()
    left = pids(hq)
    assert len(set(left)) == 2
    hq.kill()
    while any(psutil.pid_exists(pid) for pid in left.values()):  # noqa: ASYNC110 - other processes
        await asyncio.sleep(0.05)
    hq.start()
    assert await asyncio.to_thread(hq.stop) == 0
