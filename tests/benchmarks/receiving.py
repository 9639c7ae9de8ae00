"""Headquarters: rows a second to COMMIT and answer beside asyncpg alone, one worker and two, repeats, and a flood."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from figures import Figure

from agent.contract.observation import Observation, Origin, Quality
from agent.contract.topics import Branch
from cloud_receiver.database.pool import STAGED
from cloud_receiver.database.rows import KEEP_ROWS
from tests.receiver.hq import CHECKOUT, START, TENANT, Device, Headquarters
from tests.receiver.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROWS, SERIES = 1000, 20
DEVICES, EACH = 4, 30  # devices that send at once, and batches of each
WINDOW = 4  # batches of a device unanswered at a time, as wire.md has it
TURNS = 3  # of which the medians count; the ways take turns, so that a noisy moment hits all of them
NORMAL, EVERY, SECONDS, SMALL = 99, 1.0, 12.0, 20  # devices beside a flood: a batch of 20 rows a second each
BEFORE = 3.0  # s that the flood has begun when the others are measured
LINE = 1_250_000  # bytes a second that it has: 10 Mbit/s
AGAIN = 10.0  # s until an unanswered batch is sent again; a store waits for 30
UNCHANGED = 1.5  # times the p99 without the flood; below that nothing can be told on a machine of two cores


@contextmanager
def _headquarters() -> Iterator[Headquarters]:
    folder = Path(tempfile.mkdtemp(prefix="footfall-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    broker = Mosquitto(folder)
    broker.start()
    hq = Headquarters(folder, broker.port)
    hq.start()
    try:
        yield hq
    finally:
        hq.stop()
        broker.kill()
        shutil.rmtree(folder)


def _workers(hq: Headquarters, count: int) -> None:
    options = ("--workers", str(count)) if count > 1 else ()
    if hq.options != options:
        hq.stop()
        hq.options = options
        hq.start()


# ---- throughput


def throughput() -> list[Figure]:
    """One worker beside asyncpg, two beside one, and repeats."""
    with _headquarters() as hq:
        return _throughput(hq)


def _throughput(hq: Headquarters) -> list[Figure]:
    sets = [[_content(d * EACH + k) for k in range(EACH)] for d in range(DEVICES)]
    alone, again, one, repeats, two = ([] for _ in range(5))
    for turn in range(TURNS):
        _workers(hq, 1)
        new, old = asyncio.run(_asyncpg(hq.url, [rows for each in sets for rows in each], 1_000_000 + turn))
        alone.append(new)
        again.append(old)
        new, old = asyncio.run(_through(hq, sets))
        one.append(new)
        repeats.append(old)
        _workers(hq, 2)
        two.append(asyncio.run(_through(hq, sets))[0])
    _workers(hq, 1)
    middle = statistics.median
    return [
        Figure(
            *("receiver: rows to COMMIT and answer, one worker", middle(one), "rows/s", 0.6, middle(alone)),
            *("asyncpg with dedupe", True, True),
        ),
        Figure(
            *("receiver: the same with two workers", middle(two), "rows/s", 1.0, middle(one)),
            *("one worker", True, True),
        ),
        Figure(
            *("receiver: batches sent once more", middle(repeats), "rows/s", 0.6, middle(again)),
            *("asyncpg, the same rows again", True, True),
        ),
    ]


def _content(number: int) -> list[Observation]:
    """Fifty minutes of twenty series, with counts as unlike each other as a shop's."""
    counts = random.Random(number)  # noqa: S311 - the same batches in every run
    return [
        Observation(
            *(f"door-{k % SERIES // 8}", f"line:{k % SERIES // 2 % 4 + 1}", ("in", "out")[k % 2]),
            START + 60 * (number * ROWS // SERIES + k // SERIES),
            START + 60 * (number * ROWS // SERIES + k // SERIES + 1),
            float(max(0, round(counts.gauss(3, 3)))),
            Origin.LOG,
            Quality.MEASURED,
        )
        for k in range(ROWS)
    ]


async def _asyncpg(url: str, batches: Sequence[Sequence[Observation]], store: int) -> tuple[float, float]:
    """COPY into the temporary table and one INSERT … ON CONFLICT, one transaction a batch; then all of it again."""
    connection = await asyncpg.connect(url)
    await connection.execute(STAGED)
    prepared = [
        sorted(
            (
                *(store, r.sensor, r.place, r.metric, r.start, int(r.origin), 0, r.end, r.value, int(r.quality)),
                *(None, None, None, "raw", 1, n),
            )
            for n, r in enumerate(rows, 1)
        )
        for rows in batches
    ]
    rates = []
    for _ in ("new", "again"):
        began = time.perf_counter()
        for rows in prepared:
            async with connection.transaction():
                await connection.copy_records_to_table("staged", records=rows)
                await connection.execute(KEEP_ROWS)
        rates.append(len(batches) * ROWS / (time.perf_counter() - began))
    await connection.close()
    return rates[0], rates[1]


async def _through(hq: Headquarters, sets: Sequence[Sequence[list[Observation]]]) -> tuple[float, float]:
    """The same by MQTT, from the first publish to the last answer, several devices at once; then all of it again."""
    async with AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(hq.device()) for _ in sets]
        payloads = [
            [device.batch([(n * ROWS + 1, (n + 1) * ROWS)], rows) for n, rows in enumerate(batches)]
            for device, batches in zip(devices, sets, strict=True)
        ]
        rates = []
        for fate in ("committed", "duplicate"):
            began = time.perf_counter()
            async with asyncio.TaskGroup() as sending:
                for device, mine in zip(devices, payloads, strict=True):
                    sending.create_task(_send(device, mine, fate))
            rates.append(sum(map(len, payloads)) * ROWS / (time.perf_counter() - began))
    return rates[0], rates[1]


async def _send(device: Device, payloads: Sequence[bytes], fate: str) -> None:
    window = asyncio.Semaphore(WINDOW)

    async def publish() -> None:
        for payload in payloads:
            await window.acquire()
            await device.publish("batch", payload)

    publishing = asyncio.create_task(publish())
    for _ in payloads:
        answer = await device.answer()
        if answer["st"] != fate:
            raise RuntimeError(f"a batch was answered {answer['st']}: {answer.get('err')}")
        window.release()
    await publishing


# ---- fairness


def fairness() -> list[Figure]:
    """How long normal devices wait for an answer, with and without a flood beside them."""
    with _headquarters() as hq:
        quiet = asyncio.run(_normal(hq, None))
        beside = asyncio.run(_normal(hq, "flooder"))
    return [
        Figure(
            *(f"receiver: p99 of {NORMAL} devices beside one that floods", beside, "ms", UNCHANGED, quiet),
            *("without it", True),
        )
    ]


async def _normal(hq: Headquarters, flooder: str | None) -> float:
    """The 99th percentile from publish to answer, in milliseconds."""
    taken: list[float] = []
    said = [_content(n)[:SMALL] for n in range(int(SECONDS / EVERY))]  # made before: it took a quarter of a core
    flood = None
    async with AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(hq.device()) for _ in range(NORMAL)]
        if flooder:
            await hq.register(flooder)
            flood = await asyncio.create_subprocess_exec(
                sys.executable, __file__, str(hq.port), flooder, str(SECONDS + BEFORE), cwd=CHECKOUT, env=_environment()
            )
            await asyncio.sleep(BEFORE)
        async with asyncio.TaskGroup() as living:
            for k, device in enumerate(devices):
                living.create_task(_live(device, k / NORMAL * EVERY, said, taken))
        if flood:
            await flood.wait()
    return sorted(taken)[int(len(taken) * 0.99)] * 1000


async def _live(device: Device, after: float, said: Sequence[list[Observation]], taken: list[float]) -> None:
    await asyncio.sleep(after)
    for n in range(int(SECONDS / EVERY)):
        payload, answered = device.batch([(n * SMALL + 1, (n + 1) * SMALL)], said[n]), False
        began = time.perf_counter()
        while not answered:  # a broker that is flooded drops what is beyond its queue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN):
                    answered = (await device.send(payload))["st"] in ("committed", "duplicate")
        took = time.perf_counter() - began
        taken.append(took)
        await asyncio.sleep(max(0.0, EVERY - took))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT)}


async def _flood(port: int, name: str, seconds: float) -> None:
    """A device gone mad, in a process of its own: batches of 1,000 rows as its line can carry them; hears nothing."""
    made = Headquarters.__new__(Headquarters)
    made.port, made.version = port, 5
    async with Device(made, Branch(TENANT, "flood", name)) as device, asyncio.TaskGroup() as publishing:
        payloads = [device.batch([(n * ROWS + 1, (n + 1) * ROWS)], _content(n)) for n in range(200)]
        began, size, sent = time.monotonic(), 0, 0
        while (passed := time.monotonic() - began) < seconds:
            if size > LINE * passed:
                await asyncio.sleep(0.01)
                continue
            publishing.create_task(device.publish("batch", payloads[sent % len(payloads)]))
            size, sent = size + len(payloads[sent % len(payloads)]), sent + 1


if __name__ == "__main__":
    asyncio.run(_flood(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
