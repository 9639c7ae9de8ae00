"""One bit of a real buffer file is flipped, again and again: what was altered is found, and none of it is sent."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.buffer.buffer import Buffer
from agent.buffer.damage import DAMAGED
from agent.contract import wire
from agent.contract.happenings import Alert, ManualCount, read_alerts, read_manual
from agent.contract.observation import LedgerEntry, Origin
from agent.foundation.logs import configure
from tests.buffer.samples import HEAD, T0, Still, answer, drained, row

if TYPE_CHECKING:
    from agent.buffer.buffer import Tally

MOST_RESTARTS = 2
ENDED_WITHIN = 5.0  # seconds; a thread whose connection was closed ends in microseconds
MEMORY = Path("/dev/shm")  # noqa: S108 - a bit flips there as it does on a card, and a thousand times faster


_known: list[threading.Thread] = []  # left by earlier flips, and told then


class Sample(NamedTuple):
    """A buffer file, what of it HQ lacks, and every row it may ever say."""

    path: Path
    unsent: set[object]
    all: set[object]


class Flipped(NamedTuple):
    """What became of one flip."""

    where: int
    bit: int
    salvaged: bool
    lost: int  # rows that will not come, and are told
    problems: list[str]


async def make_sample(folder: Path) -> Sample:
    """A file with a past: rows at HQ, rows in the outbox, rows that wait, and every other kind."""
    buffer = await Buffer.open(folder / "buffer.db", Still(), 10**9)
    old = [row(T0 - 3600 * i, value=float(i), place=f"line:{i % 2 + 1}") for i in range(120, 20, -1)]
    await buffer.append(old, state={"poll:door": {"at": T0, "totals": {"line:1|in": 4711}}})
    while batch := await buffer.cut("backlog", HEAD):
        await buffer.settle(answer(batch))
    waiting = [
        row(T0 - 3600 * i, value=float(i * 3), place=f"line:{i % 2 + 1}", metric="out") for i in range(60, 0, -1)
    ]
    waiting += [row(T0 + 60 * i, T0 + 60 * i + 60, float(i % 7), origin=Origin.LIVE) for i in range(110)]
    entries = [LedgerEntry("door", T0 - 600, T0 - 300, "lost", "no answer")]
    alerts = [Alert("a-1", "queue too long", "zone:till", "firing", "warning", T0 + 90, 7.0, "7 persons wait")]
    manual = [ManualCount("door", "line:1", T0, T0 + 900, 31, 28, "technician")]
    await buffer.append(waiting[:80])
    await buffer.cut("backlog", HEAD)
    await buffer.append(waiting[80:], entries, alerts=alerts, manual=manual)
    await buffer.close()
    unsent: set[object] = {*waiting, *entries, *alerts, *manual}
    return Sample(folder / "buffer.db", unsent, {*old, *unsent})


def flip(sample: Sample, where: int, bit: int, folder: Path) -> Flipped:
    """Flip a bit of a copy in `folder`, let the agent's buffer live on it, and compare all that it says."""
    content = bytearray(sample.path.read_bytes())
    content[where] ^= 1 << bit
    folder.mkdir()
    (folder / "buffer.db").write_bytes(content)
    try:
        found = asyncio.run(_live(sample, where, bit, folder))
    finally:
        shutil.rmtree(folder)
    return found._replace(problems=[*found.problems, *_left_behind()])


def _left_behind() -> list[str]:
    """A connection that nobody closed has a thread, which keeps an agent from ending."""
    others = [thread for thread in threading.enumerate() if thread not in (threading.main_thread(), *_known)]
    for thread in others:
        thread.join(ENDED_WITHIN)
    left = [thread for thread in others if thread.is_alive()]
    _known.extend(left)
    return ["a connection is left open" for _ in left]


async def _live(sample: Sample, where: int, bit: int, folder: Path) -> Flipped:
    """Restarted as systemd does where the damage shows itself in the middle of work."""
    shown: set[object] = set()
    envelopes: list[wire.Envelope] = []
    restarts = 0
    while True:
        buffer = await Buffer.open(folder / "buffer.db", Still(), 10**9)
        try:
            shown |= set(await buffer.rows_since(0)) | {n.observation for n in await buffer.rows_after(0)}
            for batch in await buffer.unanswered():
                envelopes.append(wire.open_envelope(batch.payload))
                await buffer.settle(answer(batch))
            envelopes += [envelope async for envelope in drained(buffer)]
            tally = await buffer.tally()
            break
        except sqlite3.DatabaseError:
            restarts += 1
            if restarts > MOST_RESTARTS:
                return Flipped(where, bit, salvaged=True, lost=0, problems=["restarts for ever"])
        finally:
            await _ended(buffer)
    return _judged(sample, where, bit, shown, envelopes, buffer, tally)


async def _ended(buffer: Buffer) -> None:
    with suppress(sqlite3.DatabaseError):
        await buffer.close()


def _judged(
    sample: Sample,
    where: int,
    bit: int,
    shown: set[object],
    envelopes: list[wire.Envelope],
    buffer: Buffer,
    tally: Tally,
) -> Flipped:
    sent = {record for envelope in envelopes for record in _records(envelope)}
    told = {record for record in sent if isinstance(record, LedgerEntry) and record.reason.startswith(DAMAGED)}
    lost, salvaged = sample.unsent - sent, "damaged" in buffer.report
    problems = [f"altered and sent: {record}" for record in sent - told - sample.all]
    problems += [f"altered and shown: {record}" for record in shown - sample.all]
    if left := len(buffer._numbers.unanswered()):
        problems.append(f"{left} numbers are neither sent nor void")
    named = sum(last - first + 1 for entry in told for first, last in entry.numbers)
    if named < len(lost) and all(entry.numbers for entry in told):  # without numbers: that nothing could be read
        problems.append(f"{len(lost)} rows lost, {named} named, {tally.damaged} counted: {list(lost)[:2]}")
    return Flipped(where, bit, salvaged, len(lost), problems)


def _records(envelope: wire.Envelope) -> list[object]:
    if envelope.schema_ == wire.OBSERVATIONS:
        return [numbered.observation for numbered in wire.read_observations(envelope)]
    read = {wire.LEDGER: wire.read_ledger, "alerts/1": read_alerts, "manual/1": read_manual}[envelope.schema_]
    return [record for _, record in read(envelope)]


def campaign(flips: int, seed: int) -> dict[str, object]:
    """So many flips at random places; the figures."""
    configure("error")
    dice = random.Random(seed)  # noqa: S311 - replayable on purpose
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        folder = Path(name)
        sample = asyncio.run(make_sample(folder))
        size = sample.path.stat().st_size
        found = [flip(sample, dice.randrange(size), dice.randrange(8), folder / "life") for _ in range(flips)]
    return {
        "flips": flips,
        "salvaged": sum(one.salvaged for one in found),
        "rows_lost_and_told": sum(one.lost for one in found),
        "altered_rows_sent": sum(len(one.problems) for one in found),
        "problems": [f"byte {one.where} bit {one.bit}: {one.problems[0]}" for one in found if one.problems][:20],
    }
