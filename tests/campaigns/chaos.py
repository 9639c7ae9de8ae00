"""`run.py chaos`: everything is killed again and again on bad lines, and nothing may be lost or counted twice.

What happens and when comes from the seed alone. Which packet or syscall it meets depends on the machine, so a failing
seed fails often, not always; the folder of the run, kept on failure, has the events, the logs and both databases.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.campaigns.restoring import restore_later
from tests.campaigns.schedule import PARTS, schedule
from tests.campaigns.verdict import say, to_the_end
from tests.campaigns.violence import Diary, Violence
from tests.rig.oracle import Reconciliation, reconcile
from tests.rig.script import FREEZE_BETWEEN
from tests.rig.stage import Plan, Stage
from tests.rig.store import AGENT, Store
from tests.rig.weather import Weather

if TYPE_CHECKING:
    from collections.abc import Sequence

UNSAFE_AGENT = "tests.rig.delete_on_puback"
DAYS = 3  # of the cameras' past: its backfill is under way while the first kills come
CONTACT_WITHIN = 60.0
# After the last fault: a half-open line is noticed after 30 s; a batch whose answer was lost comes again after 30 s.
WHOLE_WITHIN = 120.0
DRAINED_WITHIN = 300.0
STILL_FOR = 8.0  # seconds in which nothing comes any more: what is missing now is missing
POLLED_AGAIN = 6.0  # real seconds after the last fault in which each camera answers five times
DUMPED_AFTER, DUMP_AGE = 10.0, 60.0  # real seconds: the dump is an hour old in the store's time
LOOK = 0.25


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py chaos", description="Kill everything again and again; lose nothing.")
    parser.add_argument("--kills", type=int, default=60, help="SIGKILLs in all (60)")
    parser.add_argument("--seed", type=int, default=1, help="which kills and faults; the same seed, the same ones (1)")
    parser.add_argument(
        "--json", action="store_true", help="the figures as JSON on standard output, words on the other"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder also where nothing was lost")
    parser.add_argument("--workers", type=int, default=1, choices=(1, 2), help="receivers that share the work (1)")
    parser.add_argument(
        "--restore", action="store_true", help="put HQ's database back to a dump an hour old, meanwhile"
    )
    parser.add_argument("--unsafe-delete-on-puback", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


class Chaos:
    """One campaign on one store."""

    def __init__(self, store: Store, weather: tuple[Weather, Weather], options: argparse.Namespace) -> None:
        self.store, self._options = store, options
        self.diary = Diary(store)
        self.violence = Violence(store, weather, self.diary)
        self._health: dict[str, Any] = {}
        self.restored = 0  # rows that the restored dump had not

    async def run(self) -> Reconciliation:
        """Set up, kill, calm down, unplug, drain, compare."""
        await self._set_up()
        parts = PARTS + tuple(f"worker {number}" for number in range(2, self._options.workers + 1))
        events = schedule(self._options.seed, self._options.kills, parts)
        say(f"{self._options.kills} kills and {len(events) - self._options.kills} faults in {events[-1].at:.0f} s")
        restoring = (
            restore_later(self.store, self.diary, DUMPED_AFTER, DUMP_AGE) if self._options.restore else _nothing()
        )
        _, self.restored = await asyncio.gather(self.violence.carry_out(events), restoring)
        self.violence.calm()
        say(f"calm: {dict(self.violence.kills)}, {dict(self.violence.faults)}")
        await self._whole()
        await self._unplug()
        return await self._settle()

    async def _set_up(self) -> None:
        store = self.store
        await store.start_cameras()
        await store.start_broker()
        await store.start_receiver()
        for number in range(2, self._options.workers + 1):
            await store.start_worker(str(number))
        await store.start_agent()
        await store.until(self._heard, CONTACT_WITHIN, "HQ's first answer", every=LOOK)

    async def _whole(self) -> None:
        """Everything is up again, and the agent has read what the cameras remember."""
        await self.store.until(self._recovered, WHOLE_WITHIN, "all cameras answer and no backfill is left", every=LOOK)
        await asyncio.sleep(POLLED_AGAIN)

    async def _unplug(self) -> None:
        """At a moment at which no hour is about to end."""
        first, last = FREEZE_BETWEEN
        zone = ZoneInfo(self.store.stage.zone)
        while not first <= datetime.fromtimestamp(self.store.clock.now(), zone).minute < last:  # noqa: ASYNC110 - the store's clock sets no event
            await asyncio.sleep(LOOK)
        await self.store.unplug_cameras()
        self.diary.note("unplugged", "cameras")

    async def _settle(self) -> Reconciliation:
        changed, last = time.monotonic(), (-1, -1)

        async def settled() -> bool:
            nonlocal changed, last
            await self._look()
            state = (self._health["acked"], self._unsent)
            if state != last:
                changed, last = time.monotonic(), state
            if self._unsent:
                return False
            return (await self._compare()).ok or time.monotonic() - changed > STILL_FOR

        await self.store.until(settled, DRAINED_WITHIN, "everything is sent", every=4 * LOOK)
        self.diary.note("drained", "agent")
        return await self._compare()

    async def _compare(self) -> Reconciliation:
        return reconcile(await self.store.served(), await self.store.hq.rows(), self.store.first_poll)

    # ---- what the agent says

    async def _look(self) -> dict[str, Any]:
        self._health = await self.store.health()
        return self._health

    async def _heard(self) -> bool:
        return bool((await self._look())["acked"] > 0)

    async def _recovered(self) -> bool:
        told = await self._look()
        return not told["history"]["running"] and all(sensor["up"] for sensor in told["sensors"])

    @property
    def _unsent(self) -> int:
        return int(self._health["fresh"]["rows"] + self._health["backlog"]["rows"])


async def _nothing() -> int:
    return 0


def figures(chaos: Chaos, found: Reconciliation, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """As the issue has them."""
    return {
        "kills": dict(sorted(chaos.violence.kills.items())),
        "faults": dict(sorted(chaos.violence.faults.items())),
        "rows": found.served,
        "lacking_in_dump": chaos.restored,
        "lost": found.lost,
        "duplicated": found.duplicated,
        "invented": found.invented,
        "wrong": found.wrong,
        "seconds": round(seconds, 1),
        "seed": options.seed,
    }


async def perform(options: argparse.Namespace) -> dict[str, Any]:
    """One campaign; its figures."""
    began = time.monotonic()
    weather = (Weather(Random(f"store {options.seed}")), Weather(Random(f"hq {options.seed}")))  # noqa: S311 - replayable
    agent = UNSAFE_AGENT if options.unsafe_delete_on_puback else AGENT
    with Stage(Plan(seed=options.seed, days=DAYS), keep=True) as stage:
        async with Store(stage, agent=agent, weather=weather) as store:
            chaos = Chaos(store, weather, options)
            try:
                found = await chaos.run()
            except asyncio.CancelledError:  # Ctrl-C, or the test that waits for us gave up
                stage.keep = options.keep
                raise
            except BaseException:
                say(f"the campaign could not go on; events, logs and databases: {stage.folder}")
                raise
            finally:
                chaos.diary.close()
        told = figures(chaos, found, options, time.monotonic() - began)
        stage.keep = options.keep or not (found.ok or options.unsafe_delete_on_puback)
        for finding in found.findings:
            say(f"  {finding}")
        if stage.keep:
            say(f"events, logs and databases: {stage.folder}")
    return {**told, "ok": found.ok}


if __name__ == "__main__":
    chosen = options_of(None)
    sys.exit(asyncio.run(to_the_end(perform(chosen), as_json=chosen.json)))
