"""Rows a second through broker, decoding, COMMIT and answer, beside asyncpg alone on the same tables.

`python -m tests.receiver.throughput [BATCHES]` prints JSON; batches have 1,000 rows.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from agent.contract import wire
from agent.contract.observation import Observation, Origin, Quality
from cloud_receiver.database.pool import STAGED
from cloud_receiver.database.rows import KEEP_ROWS
from tests.receiver.hq import START, Headquarters
from tests.receiver.mosquitto import Mosquitto

ROWS = 1000
SERIES = 20
WINDOW = 6  # batches unanswered at a time: four of the fresh lane and some of other devices


def content(number: int) -> list[Observation]:
    """Fifty minutes of twenty series, with counts as unlike each other as a shop's."""
    counts = random.Random(number)  # noqa: S311 - the same batches in every run
    return [
        Observation(
            f"door-{k % SERIES // 8}",
            f"line:{k % SERIES // 2 % 4 + 1}",
            ("in", "out")[k % 2],
            START + 60 * (number * ROWS // SERIES + k // SERIES),
            START + 60 * (number * ROWS // SERIES + k // SERIES + 1),
            float(max(0, round(counts.gauss(3, 3)))),
            Origin.LOG,
            Quality.MEASURED,
        )
        for k in range(ROWS)
    ]


async def raw(url: str, batches: list[list[Observation]], store: int) -> float:
    """COPY into the temporary table and one INSERT … ON CONFLICT, one transaction a batch, nothing else."""
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
    began = time.perf_counter()
    for rows in prepared:
        async with connection.transaction():
            await connection.copy_records_to_table("staged", records=rows)
            await connection.execute(KEEP_ROWS)
    seconds = time.perf_counter() - began
    await connection.close()
    return len(batches) * ROWS / seconds


async def through(hq: Headquarters, batches: list[list[Observation]], leaf: str) -> float:
    """The same by MQTT, from the first publish to the last answer."""
    async with hq.device() as device:
        payloads = [device.batch([(n * ROWS + 1, (n + 1) * ROWS)], rows) for n, rows in enumerate(batches)]
        window = asyncio.Semaphore(WINDOW)

        async def publish() -> None:
            for payload in payloads:
                await window.acquire()
                await device.publish(leaf, payload)

        began = time.perf_counter()
        publishing = asyncio.create_task(publish())
        for _ in payloads:
            assert (await device.answer())["st"] == "committed"
            window.release()
        seconds = time.perf_counter() - began
        await publishing
        return len(batches) * ROWS / seconds


def main() -> None:
    """Both ways in turn, three times; the medians count."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    folder = Path(tempfile.mkdtemp(prefix="footfall-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    broker = Mosquitto(folder)
    broker.start()
    hq = Headquarters(folder, broker.port)
    hq.start()
    try:
        batches = [content(number) for number in range(count)]
        runs = [
            (
                asyncio.run(raw(hq.url, batches, 1_000_000 + k)),
                asyncio.run(through(hq, batches, "batch")),
                asyncio.run(through(hq, batches, "backlog")),
            )
            for k in range(3)
        ]
        alone, fresh, backlog = (sorted(column)[1] for column in zip(*runs, strict=True))
        print(
            json.dumps(
                {
                    "asyncpg alone, rows/s": round(alone),
                    "receiver, fresh lane, rows/s": round(fresh),
                    "receiver, backlog lane, rows/s": round(backlog),
                    "ratio": round(max(fresh, backlog) / alone, 2),
                    "bytes a row on the wire": round(len(encoded(batches[0])) / ROWS, 2),
                },
                indent=1,
            )
        )
    finally:
        hq.stop()
        broker.kill()
        shutil.rmtree(folder)


def encoded(rows: list[Observation]) -> bytes:
    """One batch without its head."""
    words, columns = wire.observation_columns(rows)
    return wire.encode({"v": 1}, words, columns)


if __name__ == "__main__":
    main()
