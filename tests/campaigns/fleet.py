"""`run.py fleet`: thousands of simulated devices on one real receiver and a real Mosquitto.

Three acts in one run: the steady fleet; ninety-nine normal devices without and then with one that floods; many stores
that return at once with what they counted meanwhile, beside a hundred that never were away. Lateness is from a batch's
first publish to PostgreSQL's own time of its COMMIT.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from agent.contract.times import MINUTE
from tests.campaigns.burden import family, most_resident_mb, resident_mb, shares
from tests.campaigns.crowd import LINES, Crowd, Device
from tests.campaigns.lateness import ask, record_commits, share
from tests.campaigns.verdict import judged, say, to_the_end
from tests.rig.processes import Process, python
from tests.rig.stage import TENANT, Plan, Stage
from tests.rig.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

A_MINUTE = 60.0
NORMAL = 99
NORMAL_EVERY = 2.0  # seconds between two batches of a device beside the flood and beside those that return
BACKLOG_MINUTES = 50  # of twenty lines in a batch of backlog: 1,000 rows
MOST_CPU = 0.5  # of a core
STEADY_AT_MOST = 1.0  # seconds, p99
MOST_WAITING = 2 * 16.8 + 16  # MB: what both lanes may hold undecided, and a group being read
LATE_AT_MOST = 30.0  # seconds, p99, of fresh rows beside stores that return
FLOODED_AT_MOST = 5.0  # seconds, p99, of the normal devices beside the flood
DONE_WITHIN = 600.0

REGISTER_STORES = "INSERT INTO stores (tenant, store) SELECT $1, 'store-' || name FROM unnest($2::text[]) AS name"
REGISTER_DEVICES = """
INSERT INTO devices (device, store, added) SELECT name, stores.id, 0 FROM unnest($2::text[]) AS name
JOIN stores ON stores.tenant = $1 AND stores.store = 'store-' || name"""
COMMITTED = "SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM batches"
COVERED = "SELECT device, ranges::text AS ranges FROM coverage"
HELD = """
SELECT devices.device, count(*) AS rows FROM observations JOIN stores ON stores.id = observations.store
JOIN devices ON devices.store = stores.id WHERE stores.tenant = $1 GROUP BY devices.device"""


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py fleet", description="Thousands of devices on one receiver.")
    parser.add_argument("--devices", type=int, default=5000, help="of the steady fleet (5,000)")
    parser.add_argument("--stores", type=int, default=500, help="that return at once (500)")
    parser.add_argument("--backlog", type=int, default=4, help="batches of 1,000 rows each of them brings (4)")
    parser.add_argument("--every", type=float, default=A_MINUTE, help="seconds between two batches of a device (60)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the steady act (120)")
    parser.add_argument(
        "--json", action="store_true", help="the figures as JSON on standard output, words on the other"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and database")
    return parser.parse_args(arguments)


class Fleet:
    """The three acts."""

    def __init__(self, store: Store, crowd: Crowd, options: argparse.Namespace) -> None:
        self._store, self._crowd, self._options = store, crowd, options
        self.told: dict[str, Any] = {"devices": options.devices}

    async def run(self) -> dict[str, Any]:
        """All acts, then what HQ covers."""
        options = self._options
        steady = await self._registered("steady", options.devices)
        normal = await self._registered("normal", NORMAL + 1)
        returning = await self._registered("back", options.stores)
        await self._steady(steady)
        pid, over = self._store.receiver.process.pid or 0, asyncio.Event()
        before, watching = resident_mb(pid), asyncio.create_task(most_resident_mb(pid, over))
        await self._flooded(normal)
        await self._returned(returning, normal)
        over.set()
        self.told |= {"receiver_mb": before, "memory_added_mb": round(await watching - before, 1)}
        await self._covered()
        return self._judged()

    async def _registered(self, name: str, count: int) -> list[Device]:
        names = [f"{name}-{k}" for k in range(count)]
        for statement in (REGISTER_STORES, REGISTER_DEVICES):
            await ask(self._store.hq.url, statement, TENANT, names)
        return [self._crowd.join(name) for name in names]

    # ---- acts

    async def _steady(self, devices: list[Device]) -> None:
        """The first round greets; what is measured comes after it."""
        every, seconds = self._options.every, self._options.seconds
        rounds = max(2, round(seconds / every))
        beginning = time.time()
        measured = asyncio.create_task(shares(self._processes, every, (rounds - 1) * every))
        await self._all_at_work(devices, every, rounds)
        late = await self._lateness(devices, beginning + every, time.time())
        self.told["steady"] = {
            "batches_s": round(len(devices) / every, 1),
            "cores": await measured,
            "late_s": late,
            "resent": self._crowd.resent,
        }
        say(f"steady: {self.told['steady']}")

    async def _flooded(self, devices: list[Device]) -> None:
        *normal, mad = devices
        rounds = 10
        before = time.time()
        await self._all_at_work(normal, NORMAL_EVERY, rounds)
        since = time.time()
        seconds = NORMAL_EVERY * (rounds + 1)
        flood = self._flood(mad, seconds)
        await flood.start()
        await asyncio.sleep(2 * NORMAL_EVERY)  # it starts
        with_flood = time.time()
        await self._all_at_work(normal, NORMAL_EVERY, rounds - 2)
        await flood.wait()
        self.told["flood"] = {
            "batches": int(flood.tail().split()[-1]),
            "without_s": await self._lateness(normal, before, since),
            "with_s": await self._lateness(normal, with_flood, time.time()),
        }
        del self._crowd.devices[mad.branch.device]
        say(f"flood: {self.told['flood']}")

    def _flood(self, mad: Device, seconds: float) -> Process:
        command = python("tests.campaigns.flood", str(self._store.broker.port), mad.branch.device, str(seconds))
        return Process("flood", command, self._store.stage.folder, self._store.stage.environment)

    async def _returned(self, returning: list[Device], others: list[Device]) -> None:
        """Everyone greets at the same moment and sends backlog, one batch at a time, as agents do."""
        began, at = time.time(), int(time.time()) // MINUTE * MINUTE - 86_400

        async def come_back(device: Device) -> None:
            await device.greet()
            for batch in range(self._options.backlog):
                await device.send(BACKLOG_MINUTES, at + batch * BACKLOG_MINUTES * MINUTE, "backlog")

        all_back = asyncio.Event()
        working = asyncio.create_task(self._work_until(all_back, others[:-1]))
        async with asyncio.timeout(DONE_WITHIN):
            await asyncio.gather(*(come_back(device) for device in returning))
        seconds = time.time() - began
        all_back.set()
        await working
        rows = len(returning) * self._options.backlog * BACKLOG_MINUTES * LINES
        self.told["return"] = {
            "stores": len(returning),
            "rows": rows,
            "seconds": round(seconds, 1),
            "rows_s": round(rows / seconds),
            "others_late_s": await self._lateness(others, began, began + seconds),
        }
        say(f"return: {self.told['return']}")

    # ---- work

    async def _all_at_work(self, devices: list[Device], every: float, rounds: int) -> None:
        async with asyncio.timeout(DONE_WITHIN):
            await asyncio.gather(*(self._work(k, device, every, rounds) for k, device in enumerate(devices)))

    async def _work(self, k: int, device: Device, every: float, rounds: int) -> None:
        """A batch a round, each device at its own moment of the round."""
        began = asyncio.get_running_loop().time() + every * (k * 0.618034 % 1.0)
        for number in range(rounds):
            await asyncio.sleep(max(0.0, began + number * every - asyncio.get_running_loop().time()))
            await device.greet()
            await device.send(1, int(time.time()) // MINUTE * MINUTE + device.highest // LINES * MINUTE)

    async def _work_until(self, over: asyncio.Event, devices: list[Device]) -> None:
        while not over.is_set():
            await self._all_at_work(devices, NORMAL_EVERY, 1)

    @property
    def _processes(self) -> dict[str, Callable[[], Iterable[int]]]:
        """Who may use the processor; ourselves, too, since devices that are late are not the receiver's fault."""
        store = self._store
        return {
            "receiver": lambda: [store.receiver.process.pid or 0],
            "broker": lambda: [store.broker.unit.process.pid or 0],
            "database": lambda: family(store.postmaster or 0),
            "devices": lambda: [os.getpid()],
        }

    # ---- what HQ has

    async def _lateness(self, devices: Sequence[Device], since: float, until: float) -> dict[str, Any]:
        names = {device.branch.device for device in devices}
        committed = {row["id"]: row["at"] for row in await ask(self._store.hq.url, COMMITTED)}
        late = [
            committed[batch] - sent
            for batch, sent in self._crowd.first_sent.items()
            if batch.split(":")[0] in names and since <= sent <= until and batch in committed
        ]
        return {"batches": len(late), "p50": share(late, 50), "p99": share(late, 99), "most": share(late, 100)}

    async def _covered(self) -> None:
        """Every number of every device, and as many rows."""
        ranges = {row["device"]: row["ranges"] for row in await ask(self._store.hq.url, COVERED)}
        rows = {row["device"]: row["rows"] for row in await ask(self._store.hq.url, HELD, TENANT)}
        sent = {name: device.highest for name, device in self._crowd.devices.items() if device.highest}
        holes = [name for name, highest in sent.items() if ranges.get(name) != f"{{[1,{highest + 1})}}"]
        self.told |= {
            "rows": sum(sent.values()),
            "lost": sum(max(0, highest - rows.get(name, 0)) for name, highest in sent.items()),
            "invented": sum(max(0, rows.get(name, 0) - highest) for name, highest in sent.items()),
            "incomplete": len(holes),
            "refused": len(self._crowd.refused),
            "turned_away": self._crowd.turned_away,
        }
        for what in (*holes[:3], *self._crowd.refused[:3]):
            say(f"  {what}")

    def _judged(self) -> dict[str, Any]:
        """What arrives, and what waits in memory, does not depend on how fast this machine is."""
        told = self.told
        promises = {
            "every row of every device is at HQ once": not (told["lost"] or told["invented"] or told["incomplete"]),
            "no batch was refused": not told["refused"],
            f"neither flood nor return costs the receiver more than {MOST_WAITING:g} MB": told["memory_added_mb"]
            <= MOST_WAITING,
        }
        return judged(
            told,
            promises,
            {
                "receiver_cores": (told["steady"]["cores"]["receiver"], MOST_CPU),
                "steady_p99_s": (told["steady"]["late_s"]["p99"], STEADY_AT_MOST),
                "flooded_p99_s": (told["flood"]["with_s"]["p99"], FLOODED_AT_MOST),
                "others_p99_s": (told["return"]["others_late_s"]["p99"], LATE_AT_MOST),
            },
        )


async def perform(options: argparse.Namespace) -> dict[str, Any]:
    """One campaign; its figures."""
    began = time.monotonic()
    with Stage(Plan(speed=1.0), keep=options.keep) as stage:
        async with Store(stage) as store:
            await store.start_broker()
            await store.start_receiver()
            await record_commits(store.hq.url, store.postmaster or 0)
            async with Crowd(store.broker.port) as crowd:
                told = await Fleet(store, crowd, options).run()
    return {**told, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    chosen = options_of(None)
    sys.exit(asyncio.run(to_the_end(perform(chosen), as_json=chosen.json)))
