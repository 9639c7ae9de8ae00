"""`run.py offline`: a store that was cut off for a month comes back, and its fresh numbers do not wait for the old.

The month is put into the buffer by the agent's own append path under a clock that is moved by hand (`fill`); then a
real agent with that buffer polls simulated cameras sixty times as fast as in life, first with the line cut, then on a
line of 64 kbit/s, then on a whole one, until a real receiver has committed everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.campaigns.burden import most_resident_mb
from tests.campaigns.chaos import CONTACT_WITHIN, LOOK
from tests.campaigns.lateness import ask, record_commits, share
from tests.campaigns.verdict import judged, say, to_the_end
from tests.rig.oracle import LIVE
from tests.rig.processes import Process, ProcessError, python
from tests.rig.stage import Plan, Stage
from tests.rig.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

FILL_WITHIN = 900.0
SETTLED_AFTER = 10.0  # seconds after an agent's start until its memory is what it stays
NARROW_RATE = 8000.0  # bytes a second: 64 kbit/s
NARROW_FOR, NARROW_FOR_DAYS = 25.0, 8.0  # seconds after a long outage, and after days, which 64 kbit/s soon carry
LONG = 10  # days
DRAINED_WITHIN = 240.0
CAUGHT_UP = 4.0  # seconds: younger rows may still be under way when HQ is asked
MOST_MEMORY = 5.0  # MB that a month offline may add
DRAIN_TARGET, FRESH_TARGET = 120.0, 10.0  # seconds
OLD = "hall-%"  # the sensors of the month; the cameras of the day have other names

MOST_IN_FLIGHT = {"fresh": 4, "backlog": 1}  # batches without an answer, by wire.md's rule 7
COVERED_WITHIN = 30.0

COMMITTED = """
SELECT "end", extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS committed FROM observations
WHERE origin = $1 AND value IS NOT NULL AND "end" > $2 AND sensor NOT LIKE $3"""
BEHIND = """
SELECT count(*) AS rows, count(*) FILTER (WHERE pg_xact_commit_timestamp(xmin) > (
    SELECT max(pg_xact_commit_timestamp(xmin)) FROM observations WHERE sensor LIKE $4)) AS behind
FROM observations WHERE origin = $1 AND "end" > $2 AND "end" <= $3 AND sensor NOT LIKE $4"""
WHOLE = "SELECT ranges = int8multirange(int8range(1, upper(ranges))) AS whole FROM coverage"
OUTBOX = "SELECT lane, count(*) FROM outbox GROUP BY lane"
HELD = "SELECT count(*) AS rows, sum(value) AS total FROM observations WHERE sensor LIKE $1"


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py offline", description="A store comes back after a long outage.")
    parser.add_argument("--days", type=int, default=30, help="how long the line was away (30)")
    parser.add_argument(
        "--json", action="store_true", help="the figures as JSON on standard output, words on the other"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and databases")
    return parser.parse_args(arguments)


class Offline:
    """One campaign."""

    def __init__(self, stage: Stage, days: int) -> None:
        self._stage, self._days = stage, days
        self._health: dict[str, Any] = {}
        self._narrow_between = (0.0, 0.0)
        self._in_flight = Counter[str]()  # the most at a look
        self.told: dict[str, Any] = {"days": days}

    async def run(self) -> dict[str, Any]:
        """Fill, be offline, come back on a narrow line, then on a whole one."""
        begins = int(self._stage.clock(time.time()).now())
        day_in = await self._memory_a_day_in(begins)
        filled = await self._filled(begins, self._days)
        self.told |= filled
        say(f"{filled['rows']:,} rows in the buffer after {filled['fill_s']} s, {filled['file_mb']} MB")
        async with Store(self._stage) as store:
            await self._open(store)
            self.told |= {"rss_agent_a_day_in_mb": day_in, "rss_agent_full_mb": (await self._look(store))["rss_mb"]}
            drained = asyncio.Event()
            watching = asyncio.gather(
                self._watch_outbox(drained), most_resident_mb(store.agent.process.pid or 0, drained)
            )
            await self._narrow(store)
            await self._drain(store)
            drained.set()
            _, self.told["rss_agent_draining_mb"] = await watching
            await self._compare(store)
        return self._judged()

    async def _watch_outbox(self, over: asyncio.Event) -> None:
        """How many batches of each lane were without an answer at most."""
        with closing(sqlite3.connect(f"file:{self._stage.path('buffer.db')}?mode=ro", uri=True)) as link:
            while not over.is_set():
                self._in_flight |= Counter(dict(link.execute(OUTBOX).fetchall()))
                await asyncio.sleep(LOOK / 5)

    async def _filled(self, until: int, days: int) -> dict[str, Any]:
        folder = self._stage.folder
        command = python("tests.campaigns.fill", str(self._stage.path("buffer.db")), str(days), str(until))
        process = Process("fill", command, folder, self._stage.environment)
        await process.start()
        async with asyncio.timeout(FILL_WITHIN):
            status = await process.wait()
        if status:
            raise ProcessError(f"the buffer could not be filled:\n{process.tail()}")
        return dict(json.loads(process.tail()))

    async def _memory_a_day_in(self, begins: int) -> float:
        """Of an agent that was cut off a day ago: what the others of its days add is what the outage costs."""
        await self._filled(begins, 1)
        async with Store(self._stage) as store:
            await store.start_cameras()
            await store.start_broker()
            store.cable.cut()
            await store.start_agent()
            await asyncio.sleep(SETTLED_AFTER)
            told = float((await self._look(store))["rss_mb"])
        for file in (*self._stage.folder.glob("buffer.db*"), self._stage.path("fill.log")):
            file.unlink()
        return told

    async def _open(self, store: Store) -> None:
        """Everything runs and the agent has the month; only the line is cut."""
        await store.start_cameras()
        await store.start_broker()
        await store.start_receiver()
        await record_commits(store.hq.url, store.postmaster or 0)
        store.cable.cut()
        await store.start_agent()
        await asyncio.sleep(SETTLED_AFTER)

    async def _narrow(self, store: Store) -> None:
        store.cable.rate = NARROW_RATE
        store.cable.mend()
        await store.until(lambda: self._acknowledged(store), CONTACT_WITHIN, "HQ's first answer", every=LOOK)
        began, carried = store.clock.now(), store.cable.bytes_up
        lasting = NARROW_FOR if self._days >= LONG else NARROW_FOR_DAYS
        await asyncio.sleep(lasting)
        self._narrow_between = (began, store.clock.now() - CAUGHT_UP * store.clock.speed)
        left = self._unsent(await self._look(store))
        self.told["narrow"] = {
            "kbit_s": NARROW_RATE * 8 / 1000,
            "used_kbit_s": round((store.cable.bytes_up - carried) * 8 / 1000 / lasting, 1),
            "fresh_within_s": await self._lateness(store, *self._narrow_between),
            "rows_left": left,
        }
        say(f"on 64 kbit/s: {self.told['narrow']}")

    async def _drain(self, store: Store) -> None:
        store.cable.rate = 0.0
        began, since, before = time.monotonic(), store.clock.now(), self._health["acked"]

        async def drained() -> bool:
            return bool((await self._look(store))["backlog"]["rows"] == 0)

        await store.until(drained, DRAINED_WITHIN, "the backlog is drained", every=LOOK)
        seconds = time.monotonic() - began
        self.told["drained_s"] = round(seconds, 1)
        self.told["drained_rows"] = self._health["acked"] - before
        await asyncio.sleep(2 * CAUGHT_UP)
        self.told["fresh_within_s"] = await self._lateness(
            store, since, store.clock.now() - CAUGHT_UP * store.clock.speed
        )
        say(f"drained in {seconds:.0f} s, fresh rows within {self.told['fresh_within_s']}")

    async def _lateness(self, store: Store, since: float, until: float) -> dict[str, Any]:
        """Real seconds from the end of a live interval, at which the camera is asked, to HQ's COMMIT."""
        rows = await ask(store.hq.url, COMMITTED, LIVE, int(since), OLD)
        clock = store.clock
        late = [
            row["committed"] - (clock.real_anchor + (row["end"] - clock.store_anchor) / clock.speed)
            for row in rows
            if row["end"] <= until
        ]
        return {"rows": len(late), "p50": share(late, 50), "p99": share(late, 99), "most": share(late, 100)}

    async def _compare(self, store: Store) -> None:
        url = store.hq.url

        async def whole() -> bool:
            return all(row["whole"] for row in await ask(url, WHOLE))

        await store.until(whole, COVERED_WITHIN, "HQ has every number", every=LOOK)
        held = (await ask(url, HELD, OLD))[0]
        since, until = self._narrow_between
        fresh = (await ask(url, BEHIND, LIVE, int(since), int(until), OLD))[0]
        self.told["lost"] = self.told["rows"] - held["rows"]
        self.told["sum_differs"] = abs(held["total"] - self.told["sum"])
        self.told["fresh_rows_on_narrow_line"], self.told["behind_the_last_of_backlog"] = fresh["rows"], fresh["behind"]
        self.told["in_flight_at_most"] = dict(self._in_flight)

    def _judged(self) -> dict[str, Any]:
        """A shop's numbers, their order and the bounds of what waits do not depend on how fast this machine is."""
        told = self.told
        grown = round(told["rss_last_day_mb"] - told["rss_first_day_mb"], 1)
        told["memory_added_mb"] = max(grown, round(told["rss_agent_full_mb"] - told["rss_agent_a_day_in_mb"], 1))
        promises = {
            "every row of the outage is at HQ once, with its value": told["lost"] == told["sum_differs"] == 0,
            "fresh rows overtook the backlog": told["fresh_rows_on_narrow_line"] > 0
            and told["behind_the_last_of_backlog"] == 0,
            "never more in flight than the wire allows": all(
                self._in_flight[lane] <= most for lane, most in MOST_IN_FLIGHT.items()
            ),
            f"an outage costs the buffer no more than {MOST_MEMORY:g} MB of memory": grown <= MOST_MEMORY,
        }
        return judged(
            told,
            promises,
            {
                "drained_s": (told["drained_s"], DRAIN_TARGET),
                "fresh_p99_s": (told["fresh_within_s"]["p99"], FRESH_TARGET),
                "fresh_p99_s_on_narrow_line": (told["narrow"]["fresh_within_s"]["p99"], FRESH_TARGET),
                "memory_added_mb": (told["memory_added_mb"], MOST_MEMORY),
            },
        )

    async def _look(self, store: Store) -> dict[str, Any]:
        self._health = await store.health()
        return self._health

    async def _acknowledged(self, store: Store) -> bool:
        return bool((await self._look(store))["acked"] > 0)

    @staticmethod
    def _unsent(health: dict[str, Any]) -> int:
        return int(health["fresh"]["rows"] + health["backlog"]["rows"])


async def perform(options: argparse.Namespace) -> dict[str, Any]:
    """One campaign; its figures."""
    began = time.monotonic()
    with Stage(Plan(days=0, kernels="python"), keep=options.keep) as stage:
        told = await Offline(stage, options.days).run()
    return {**told, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    chosen = options_of(None)
    sys.exit(asyncio.run(to_the_end(perform(chosen), as_json=chosen.json)))
