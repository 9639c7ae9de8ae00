"""A hundred sensors of nine kinds at 1 Hz: what a poll costs, one of them hostile, and a backfill beside them.

The cameras run in processes of their own; their clock runs 60-fold, so that the minute of every cadence is a second.
A sensor's delay is from when a tick was due until a commit with what it answered to that tick or a later one: a tick
that was left out counts as long as it was missed. The minutes in which the hour is read count in neither figure.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from durable import DISK
from figures import Figure, cpu_of
from polling import ACCOUNT, NOON, PATIENCE, SCENARIO, SPEED, ZONE

from agent.buffer.buffer import Buffer
from agent.contract.times import HOUR, MINUTE
from agent.foundation.clock import Clock
from agent.runtime.backfill import Backfill, first_stretches
from agent.runtime.collector import Collector
from agent.runtime.patience import BACK_OFF_FIRST
from agent.runtime.poller import INTERVALS
from agent.sensors import camera_session, open_poller
from tests.drivers.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.runtime.poller import Poller

SENSORS = 100
HOSTILE = "cam-99"  # the hundredth, where what is wrong with it is the simulator's to do
PARTS = [range(50), range(50, SENSORS - 1), range(SENSORS - 1, SENSORS)]  # a process of simulated cameras each
WARM = 3  # ticks unmeasured
SLOW = 12  # the same, until a camera that does not end its answer is known for it
ROUNDS, BETWEEN = 4, 6  # of peace and of a hostile camera, in turns, and how many ticks each of them lasts
LONG = 30  # ticks of the runs without anything hostile
READING = 6 * MINUTE  # of each hour, in which the hour before is read
DAYS = 3  # that every sensor's memory is asked for beside live polling
UNCHANGED = 1.5  # times the p99 without
RAW = ("hang", "drip", "garbage", "huge", "bomb", "elsewhere", "refused")  # of tests/rig/hostile.py
KINDS = [
    family
    for family in FAMILIES
    if family.name
    in {
        *("milesight-camera", "axis-people-counter", "axis-3d", "axis-object-analytics", "hikvision-search"),
        *("dahua-rpc2", "hanwha-sunapi", "generic-csv", "generic-json"),
    }
]


def scenario(numbers: range) -> str:
    camera = '[[camera]]\nid = "cam-{n}"\ndriver = "{driver}"\nfamily = "{family}"\nauth = "{auth}"\n'
    camera += "line = [{doors}]\n"
    doors = ['{number = 1, counts = "door:main"}', '{number = 2, counts = "door:side"}']
    shop = SCENARIO.replace('{name = "main"}', '{name = "main"}, {name = "side"}')
    return shop.replace("history_days = 1", f"history_days = {DAYS + 1}") + "".join(
        camera.format(n=n, doors=", ".join(doors[: _kind(n).lines]), **_kind(n)._asdict()) for n in numbers
    )


def _kind(number: int) -> Any:
    return KINDS[number % len(KINDS)]


class Span(NamedTuple):
    """Some ticks: the others' delays in seconds, their cost, how far memory rose at most, and how often was asked."""

    delays: list[float]
    cpu: float
    seconds: float
    megabytes: float
    polls: int


class Timed(Collector):
    """The agent's, which notes when what was committed."""

    commits: list[tuple[float, dict[str, int]]]

    def _hand_over(self, poller: Poller) -> dict[str, object]:
        """Heat that these cameras do not tell is given up after six hours, where no memory is read."""
        return super()._hand_over(poller) if self._backfills else {}

    async def _commit(self, ready: Sequence[Poller]) -> None:
        ticks = {poller.sensor: self._asking[poller.sensor][0] for poller in ready}
        await super()._commit(ready)
        self.commits.append((time.time(), ticks))


class Store:
    """The collecting half of an agent with a hundred sensors, the last of which can be put in another's place."""

    def __init__(self, pollers: list[Poller], others: list[Poller], buffer: Buffer, clock: Clock) -> None:
        self.pollers, self._others, self._buffer, self._clock = pollers, others, buffer, clock

    async def warm(self, last: Poller, ticks: int = WARM) -> None:
        await self._ticks(Timed([*self._others, last], {}, self._buffer, self._clock), ticks)

    async def pass_the_reading(self, last: Poller, ticks: int) -> None:
        """Go on unmeasured where the next so many ticks would fall into the minutes in which the hour is read."""
        now = int(self._clock.now()) % HOUR // MINUTE
        if now + ticks > HOUR // MINUTE:
            await self.warm(last, HOUR // MINUTE - now + READING // MINUTE)

    async def span(
        self,
        last: Poller,
        ticks: int,
        fills: dict[str, Backfill] | None = None,
        warm: int = WARM,
        *,
        again: bool = False,
    ) -> Span:
        """Some ticks after others that are not measured; `again` asks the last one at each, whatever its back-off."""
        collector = Timed([*self._others, last], fills or {}, self._buffer, self._clock)
        if warm:
            await self._ticks(collector, warm, close=False)
        base = _reset_peak()
        cpu, began = time.process_time(), time.monotonic()
        due = await self._ticks(collector, ticks, again=last if again else None)
        cpu, seconds = time.process_time() - cpu, time.monotonic() - began
        polls = sum(len(asked) for _, asked in collector.commits)
        return Span(list(self._delays(due, collector.commits)), cpu, seconds, _peak() - base, polls)

    async def _ticks(
        self, collector: Timed, ticks: int, *, close: bool = True, again: Poller | None = None
    ) -> list[int]:
        """Every tick that was due, whether it was kept or not."""
        collector.commits = []
        first = tick = await collector._next_tick()
        last = first + (ticks - 1) * MINUTE
        await collector.tick(tick)
        while tick < last:
            tick = await collector._next_tick()
            if again:
                again.patience.not_before = 0.0
            await collector.tick(tick)
        if close:
            await collector.close()
        return [due for due in range(first, last + 1, MINUTE) if due % HOUR >= READING]

    def _delays(self, due: list[int], commits: list[tuple[float, dict[str, int]]]) -> Iterator[float]:
        ended = time.time()
        for poller in self._others:
            for tick in due:
                kept = (at for at, ticks in commits if ticks.get(poller.sensor, 0) >= tick)
                yield next(kept, ended) - (self._clock.real_anchor + (tick - NOON) / SPEED)


def p99(delays: list[float]) -> float:
    return sorted(delays)[int(len(delays) * 0.99)] if delays else 0.0


def _reset_peak() -> float:
    """MB that are held now; the peak is counted from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _held("VmRSS")


def _peak() -> float:
    return _held("VmHWM")


def _held(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


# ---- who answers


class Where(NamedTuple):
    """Who answers: cameras by name, hostile ones by way, the last camera's control server, the simulators' pids."""

    cameras: dict[str, str]
    hostile: dict[str, str]
    control: str
    pids: list[int]


@contextmanager
def _cameras(folder: str, clock: Clock) -> Iterator[Where]:
    """Two simulators of about fifty cameras each, which is what one takes, one of the last alone, and hostile ones."""
    ready = [Path(folder, f"ready-{part}.json") for part in range(len(PARTS))]
    with Path(folder, "cameras.log").open("wb") as log, ExitStack() as stack:
        simulators = [
            stack.enter_context(_process(_simulate(folder, clock, file, part), log)) for part, file in enumerate(ready)
        ]
        hostile = stack.enter_context(_process(["-m", "tests.rig.hostile"], log))
        deadline = time.monotonic() + PATIENCE
        while not all(file.exists() for file in ready):
            if any(one.poll() is not None for one in simulators) or time.monotonic() > deadline:
                raise RuntimeError(f"no cameras: {Path(folder, 'cameras.log').read_text()[-1500:]}")
            time.sleep(0.05)
        told = [json.loads(file.read_text()) for file in ready]
        yield Where(
            {name: address for one in told for name, address in one["cameras"].items()},
            json.loads(hostile.stdout.readline()),  # type: ignore[union-attr]  # it is a pipe
            told[-1]["control"],
            [one.pid for one in simulators],
        )


def _simulate(folder: str, clock: Clock, ready: Path, part: int) -> list[str]:
    plan = Path(folder, f"scenario-{part}.toml")
    plan.write_text(scenario(PARTS[part]))
    return ["-m", "agent", "simulate", str(plan), "--clock", clock.text, "--ready-file", str(ready)]


@contextmanager
def _process(arguments: list[str], log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=log)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(timeout=20)


@contextmanager
def _place() -> Iterator[tuple[str, Clock]]:
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        yield folder, Clock(SPEED, NOON, time.time())


async def _run(work: Callable[..., Any]) -> list[Figure]:
    with _place() as (folder, clock), _cameras(folder, clock) as where:
        buffer = await Buffer.open(Path(folder, "ours.db"), clock, 1 << 30)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(buffer.close)
            session = await stack.enter_async_context(camera_session(loopback=True))

            async def poller(name: str, address: str, kind: Any = None) -> Poller:
                kind = kind or _kind(int(name.rpartition("-")[2]))
                account = ACCOUNT if kind.auth != "none" else ("", "")
                sensor = SimpleNamespace(
                    id=name,
                    driver=kind.driver,
                    address=address,
                    username=account[0],
                    password_file="x",  # noqa: S106 - no file: `secret` below does not look
                    options=kind.options,
                )
                configuration: Any = SimpleNamespace(zone_of=lambda _: ZONE, secret=lambda _: account[1])
                return await open_poller(configuration, sensor, session, buffer, clock)  # type: ignore[arg-type]  # the parts that it reads

            good = [await poller(name, address) for name, address in where.cameras.items()]
            others = [one for one in good if one.sensor != HOSTILE]
            mine = Store(good, others, buffer, clock)
            bad = {way: await poller(f"bad-{way}", where.hostile[way], KINDS[0]) for way in RAW}
            figures: list[Figure] = await work(mine, bad, where, session)
            silent = [f"{one.sensor}: {one.condition.problem}" for one in others if not one.condition.up]
            if silent:
                raise RuntimeError(f"the benchmark's cameras do not answer: {silent[:3]}")
            return figures


# ---- the rows


def mixed() -> list[Figure]:
    """What a poll costs, over a whole hour of the store with its readings of the hour."""

    async def work(store: Store, _bad: object, where: Where, _session: object) -> list[Figure]:
        theirs = sum(map(cpu_of, where.pids))
        span = await store.span(store.pollers[-1], HOUR // MINUTE)
        share, made = span.cpu / span.seconds, span.polls / (SENSORS * HOUR // MINUTE)
        busy = (sum(map(cpu_of, where.pids)) - theirs) / span.seconds
        return [
            Figure("a poll of one of 100 sensors of 9 kinds, 1 Hz", span.cpu * 1000 / span.polls, "ms CPU", 1.0),
            Figure(
                "  share of a core (the simulator's beside it)", share * 100, "%", 10.0, busy * 100, "% the simulator's"
            ),
            Figure("  polls that were made of those that were due", made * 100, "%", 99.0, more=True),
            Figure("  due to committed, p99", p99(span.delays) * 1000, "ms"),
        ]

    return asyncio.run(_run(work))


def backfilling() -> list[Figure]:
    """Every sensor's memory is read while all are polled: after an outage of the whole store."""

    async def work(store: Store, *_: object) -> list[Figure]:
        last = store.pollers[-1]
        without = await store.span(last, LONG)
        fills = {one.sensor: _fill(one, store) for one in store.pollers}
        tasks = [asyncio.create_task(fill.run()) for fill in fills.values()]
        beside = await store.span(last, LONG, fills)
        running = sum(fill.waiting > 0 for fill in fills.values())
        read = sum(fill.progress.done for fill in fills.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        limit = p99(without.delays) * 1000
        return [
            Figure(
                "live polling's p99 while 100 memories are read",
                p99(beside.delays) * 1000,
                "ms",
                UNCHANGED,
                limit,
                "ms without",
                of_ratio=True,
            ),
            Figure(f"  read meanwhile, {running} sensors not yet at the end", read / beside.seconds, "hours/s"),
        ]

    return asyncio.run(_run(work))


def _fill(one: Poller, store: Store) -> Backfill:
    until = min((memory.settled for memory in one.book.memories.values()), default=0)
    kinds = [kind for kind in one.driver.cadence if kind in INTERVALS]
    return Backfill(one, store._buffer, store._clock, first_stretches(kinds, until - DAYS * 24 * HOUR, until))


def hostile(*chosen: str) -> list[Figure]:
    """One of the hundred is hostile in each way: peace and it in turns, so that what else runs here hits both alike.

    It is asked anew at every tick, which its back-off would spare it. The first silence of each is not measured: one
    commit waits for it, for two seconds at most. What each turn took is told on stderr.
    """

    async def work(store: Store, bad: dict[str, Poller], where: Where, session: Any) -> list[Figure]:
        await store.warm(store.pollers[-1])
        ways = [_Way(way, store, bad.get(way, store.pollers[-1]), where.control, session) for way in chosen or WAYS]
        return [await way.figure() for way in ways]

    return asyncio.run(_run(work))


class _Way:
    """One way of being hostile, beside peace."""

    def __init__(self, name: str, store: Store, poller: Poller, control: str, session: Any) -> None:
        self._name, self._store, self._poller = name, store, poller
        self._control, self._session = control, session

    async def figure(self) -> Figure:
        good = self._store.pollers[-1]
        peace, beside = [], []
        for _ in range(ROUNDS):
            await self._store.pass_the_reading(good, SLOW + 3 * BETWEEN)
            peace.append(await self._store.span(good, BETWEEN, warm=1))
            await self._switch(on=True)
            silence = SLOW if self._name in {"hang", "drip"} else WARM
            beside.append(await self._store.span(self._poller, BETWEEN, warm=silence, again=True))
            await self._switch(on=False)
        told = f"one of 100: {self._name}; the others' p99 (+{max(span.megabytes for span in beside):.1f} MB)"
        limit = median(p99(span.delays) for span in peace) * 1000
        p99s = median(p99(span.delays) for span in beside) * 1000
        print(f"# {self._name}: peace {_told(peace)}, beside {_told(beside)}", file=sys.stderr)
        return Figure(told, p99s, "ms", UNCHANGED, limit, "ms in peace", of_ratio=True)

    async def _switch(self, *, on: bool) -> None:
        """What the simulator does to the last camera, in a process of its own."""
        for command, more in SWITCHES.get(self._name, ((), ()))[not on]:
            data = json.dumps({"camera": HOSTILE} | more)
            async with self._session.post(f"{self._control}/{command}", data=data) as answer:
                answer.raise_for_status()
        if not on:
            self._poller.patience.not_before, self._poller.patience.wait = 0.0, BACK_OFF_FIRST


def _told(spans: list[Span]) -> str:
    return " ".join(f"{p99(span.delays) * 1000:.0f}" for span in spans) + " ms"


Commands = list[tuple[str, dict[str, object]]]


def _fault(kind: str) -> tuple[Commands, Commands]:
    return [("fault", {"kind": kind})], [("fault", {"kind": kind, "on": False})]


SWITCHES: dict[str, tuple[Commands, Commands]] = {
    "counters reset": ([("clear", {})], []),
    "power cut": ([("unplug", {"power": True})], [("plug", {})]),
    "firmware reboot": ([("unplug", {"power": True}), ("plug", {}), ("clear", {})], []),
    "password changed": _fault("unauthorized"),
}
WAYS = (*RAW, *SWITCHES)
