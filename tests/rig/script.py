"""The demo's script: what happens to the store, in which order, and what is counted at the end."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.rig.oracle import HOUR, LOG, SETTLED, Kept, Reconciliation, reconcile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rig.screen import Screen
    from tests.rig.store import Store

PARTS = ("agent", "broker", "receiver", "database")
LOOK = 0.25  # seconds between two looks at the agent
LIVE_FOR = 9.0  # real seconds of live counts before the cable is cut
CUT_AT_LEAST = 24.0  # real seconds
BUFFERED_AT_LEAST = 300  # rows; 200 of them must be sent for the first time afterwards
CUT_AT_MOST = 110.0  # real seconds: an hour of the store's time ends in any 60 of them
SETTLES = SETTLED + 150  # seconds after the hour's end: polled twice since it settled
FREEZE_BETWEEN = (10, 50)  # minutes of the hour: the hour before has settled, the next has not begun
HISTORY_WITHIN = 90.0
CAUGHT_UP_WITHIN = 60.0
BACK_WITHIN = 60.0
DRAINED_WITHIN = 120.0
STILL_FOR = 6.0  # real seconds in which nothing comes any more: what is missing now is missing


class Script:
    """One performance. `kills` names the parts that are killed with SIGKILL, each once."""

    def __init__(self, store: Store, screen: Screen, kills: Sequence[str] = ()) -> None:
        self.store, self.screen, self.kills = store, screen, set(kills)
        self.health: dict[str, Any] = {}
        self.outage: dict[str, Any] = {}
        self.history = {"days": 0, "rows": 0}
        self._numbers = (0, 0)  # the highest number given when the cable was cut and when it was mended

    async def play(self) -> Reconciliation:
        """From five ticks to the reconciliation."""
        await self._set_up()
        await self._backfill()
        await self._watch(LIVE_FOR)
        await self._outage()
        await self._reconnect()
        await self._freeze()
        return await self._settle()

    # ---- acts

    async def _set_up(self) -> None:
        store, screen = self.store, self.screen
        with screen.tick("cameras") as said:
            await store.start_cameras()
            said.append(
                f"{len(store.stage.cameras)} simulated, each answering over HTTP with weeks of past in its memory"
            )
        with screen.tick("broker") as said:
            await store.start_broker()
            said.append(f"{store.broker.name}, MQTT {store.broker.version}, behind a cable that can be cut")
        with screen.tick("receiver") as said:
            await store.start_receiver()
            said.append("with a PostgreSQL of its own; one device registered")
        with screen.tick("agent") as said:
            await store.start_agent()
            said.append(f"its page answered {store.ready_s:.2f} s after its start")
        with screen.tick("contact") as said:
            await store.until(self._heard, BACK_WITHIN, "HQ's first answer", every=LOOK)
            said.append("HQ has committed the first numbers")
        self._introduce()

    def _introduce(self) -> None:
        stage, screen = self.store.stage, self.screen
        screen.say()
        screen.say(
            f"[bold]Store {stage.name}[/]: {len(stage.cameras)} simulated cameras; "
            f"{stage.plan.speed:g} of its seconds pass in one of yours; there it is {self._local():%A %H:%M}"
        )
        screen.say(f"  what the people in the store see   [bold cyan]{self.store.page}[/]")
        screen.say(f"  what really happened, as JSON      [bold cyan]{self.store.control}/truth[/]")
        screen.code(self.store.page)
        screen.say()

    async def _backfill(self) -> None:
        killing = self._soon("receiver", 0.5)
        days = self.store.stage.plan.days
        with self.screen.bar(f"{days} days from the cameras' memory") as bar:

            async def fetched() -> bool:
                await self._look()
                told = self.health["history"]
                bar.show(told["done"], told["total"], f"{self.health['created']:,} rows")
                return bool(told["done"] > 0 and not told["running"])

            await self.store.until(fetched, HISTORY_WITHIN, "the backfill is done", every=LOOK)
        text = f"{days} days backfilled: {self.health['created']:,} rows"
        self.screen.event("✔", text, "green")
        await killing
        began = self.unsent
        with self.screen.bar("to headquarters") as bar:

            async def caught_up() -> bool:
                await self._look()
                bar.show(max(0, began - self.unsent), began, f"{self.unsent:,} rows to go")
                return bool(self.health["backlog"]["rows"] == 0)

            await self.store.until(caught_up, CAUGHT_UP_WITHIN, "the past is at HQ", every=LOOK)
        self.screen.event("✔", f"all of it committed at HQ: {self.health['acked']:,} rows acknowledged", "green")

    async def _outage(self) -> None:
        before = await self._look()
        self.store.cable.cut()
        began, hour_ends = time.monotonic(), (int(self.store.clock.now()) // HOUR + 1) * HOUR
        self.screen.event("✂", "uplink cut: the cameras go on counting, the buffer grows", "yellow")
        killing = self._soon("agent", 10.0)

        async def long_enough() -> bool:
            await self._look()
            self._show("offline")
            return (
                time.monotonic() - began >= CUT_AT_LEAST
                and self.store.clock.now() >= hour_ends + SETTLES
                and self.unsent >= BUFFERED_AT_LEAST
            )

        await self.store.until(long_enough, CUT_AT_MOST, "an hour ends while the uplink is cut", every=LOOK)
        await killing
        after = await self._look()
        self._numbers = (before["created"], after["created"])
        self.outage = {"seconds": round(time.monotonic() - began, 1), "buffered_rows": self.unsent}
        self.store.cable.mend()

    async def _reconnect(self) -> None:
        acked, mended = self.health["acked"], time.monotonic()

        async def answered() -> bool:
            await self._look()
            return bool(self.health["acked"] > acked)

        await self.store.until(answered, BACK_WITHIN, "HQ answers after the outage", every=LOOK)
        text = f"reconnected {time.monotonic() - mended:.1f} s after the cable was mended; "
        self.screen.event("↑", text + f"{self.outage['buffered_rows']:,} rows were waiting", "green")
        await self._soon("broker", 0.0)
        await self._soon("database", 0.5)

    async def _freeze(self) -> None:
        """No camera answers any more from a moment on at which no hour is about to end."""
        first, last = FREEZE_BETWEEN
        while not first <= self._local().minute < last:
            await self._watch(LOOK)
        await self.store.unplug_cameras()
        self.screen.event(
            "·", f"the cameras are silent at {self._local():%H:%M}, so that the sums can be compared", "dim"
        )

    async def _settle(self) -> Reconciliation:
        """Wait until HQ has what the cameras said, or nothing more comes; then compare once and for all."""
        changed, last = time.monotonic(), (-1, -1)

        async def settled() -> bool:
            nonlocal changed, last
            await self._look()
            self._show("draining")
            state = (self.health["acked"], self.unsent)
            if state != last:
                changed, last = time.monotonic(), state
            if self.unsent:
                return False
            found = await self._compare()
            return found.ok or time.monotonic() - changed > STILL_FOR

        await self.store.until(settled, DRAINED_WITHIN, "everything is sent", every=4 * LOOK)
        return await self._compare()

    async def go_on(self) -> None:
        """The store lives on until Ctrl-C."""
        await self.store.plug_cameras()
        self.screen.event("·", "the store lives on; Ctrl-C ends it and leaves nothing behind", "bold")
        while True:
            await self._watch(60)

    # ---- counting

    async def _compare(self) -> Reconciliation:
        served, kept = await self.store.served(), await self.store.hq.rows()
        first, last = self._numbers
        self.outage["first_sent_after"] = sum(first < row.number <= last for row in kept)
        self.history = self._history_of(kept)
        return reconcile(served, kept, self.store.first_poll)

    def _history_of(self, kept: list[Kept]) -> dict[str, int]:
        past = [row for row in kept if row.origin == LOG and row.end <= self.store.first_poll]
        first = min((row.start for row in past), default=self.store.first_poll)
        return {"days": int((self.store.first_poll - first) // (24 * HOUR)), "rows": len(past)}

    @property
    def unsent(self) -> int:
        """Rows that HQ has not acknowledged, as the agent last said."""
        return int(self.health["fresh"]["rows"] + self.health["backlog"]["rows"])

    async def _look(self) -> dict[str, Any]:
        self.health = await self.store.health()
        return self.health

    async def _heard(self) -> bool:
        return bool((await self._look())["acked"] > 0)

    # ---- showing

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self.store.clock.now(), tz=ZoneInfo(self.store.stage.zone))

    def _show(self, state: str) -> None:
        told, inside = self.health, self.health.get("occupancy")
        self.screen.live(
            f"  {self._local():%H:%M} {state:<9}"
            + (f"{inside:>4} inside ·" if inside is not None else "")
            + f"{told['created']:>8,} rows counted ·{self.unsent:>6,} waiting ·{told['acked']:>8,} at HQ"
        )

    async def _watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds

        async def over() -> bool:
            await self._look()
            self._show("live")
            return time.monotonic() >= end

        await self.store.until(over, seconds + BACK_WITHIN, "the agent answers", every=LOOK)

    def _soon(self, part: str, after: float) -> asyncio.Task[None]:
        return asyncio.create_task(self._kill(part, after))

    async def _kill(self, part: str, after: float) -> None:
        if part not in self.kills:
            return
        self.kills.remove(part)
        await asyncio.sleep(after)
        self.screen.event("☠", f"{part} killed with SIGKILL", "magenta")
        took = await self.store.kill(part)
        self.screen.event("✔", f"{part} back after {took:.1f} s", "green")
