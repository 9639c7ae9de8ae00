"""`python -m tests.campaigns.fill PATH DAYS UNTIL`: the buffer of a store that was offline for so many days, as JSON.

The agent's own buffer and append path under a clock that is moved on by hand, ten minutes a commit where an agent has
one; so the process's memory is what the numbers of all those days cost a device.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from random import Random

from agent.buffer.buffer import Buffer
from agent.contract.observation import Observation, Origin, Quality
from agent.contract.times import DAY, MINUTE
from agent.runtime.report import resident_mb

SENSORS, LINES = 5, 4
COMMIT = 10 * MINUTE
CAP = 2048 * 1024 * 1024


class MovedClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


def minute(start: int, random: Random) -> list[Observation]:
    """What twenty lines counted in one minute."""
    return [
        Observation(
            f"hall-{1 + line // LINES}",
            f"line:{1 + line % LINES}",
            "in",
            start,
            start + MINUTE,
            float(max(0, round(random.gauss(3, 2)))),
            Origin.LIVE,
            Quality.MEASURED,
        )
        for line in range(SENSORS * LINES)
    ]


async def fill(path: Path, days: int, until: int) -> dict[str, float]:
    """Append every minute of those days; the rows, their sum, and our megabytes after a day and at the end."""
    random = Random("fill")  # noqa: S311 - the same shop in every run
    since = until - days * DAY
    clock = MovedClock(since)
    began = time.monotonic()
    buffer = await Buffer.open(path, clock, CAP)
    rows, total, first_day = 0, 0.0, 0.0
    for start in range(since, until, COMMIT):
        clock.at = start + COMMIT
        counted = [row for at in range(start, start + COMMIT, MINUTE) for row in minute(at, random)]
        await buffer.append(counted)
        rows += len(counted)
        total += sum(row.value or 0.0 for row in counted)
        if clock.at == since + DAY:
            first_day = resident_mb()
    last_day = resident_mb()
    await buffer.close()
    return {
        "rows": rows,
        "sum": total,
        "fill_s": round(time.monotonic() - began, 1),
        "rss_first_day_mb": first_day,
        "rss_last_day_mb": last_day,
    }


if __name__ == "__main__":
    told = asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    print(json.dumps({**told, "file_mb": round(Path(sys.argv[1]).stat().st_size / 1e6, 1)}))
