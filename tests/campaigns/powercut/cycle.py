"""One life of the real buffer, poll to delete, for others to record or to kill: cycle.py FOLDER TICKS [MARKS]."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from agent.buffer.buffer import Buffer
from agent.contract.observation import Observation, Origin, Quality
from tests.buffer.samples import HEAD, T0, Still, answer

CAP = 90_000  # small, so that rows are deleted as well
SERIES = 12


def rows(tick: int) -> list[Observation]:
    """What a tick of a small store appends."""
    start = T0 - 86_400 + 60 * tick
    return [
        Observation("door", f"line:{i + 1}", "in", start, start + 60, float(tick % 9), Origin.LIVE, Quality.MEASURED)
        for i in range(SERIES)
    ]


async def live(folder: Path, ticks: int, told: Path) -> None:
    """Append, freeze, send, take the answer; each promise given is said in a file the moment it is given."""
    marks = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(text: str) -> None:
        os.write(marks, f"{text}\n".encode())

    buffer = await Buffer.open(folder / "buffer.db", Still(), CAP)
    for batch in await buffer.unanswered():
        await buffer.settle(answer(batch))
    done = (await buffer.state("poll:door") or {"tick": -1})["tick"]
    for tick in range(done + 1, ticks):
        await buffer.append(rows(tick), state={"poll:door": {"tick": tick}})
        say(f"stored {tick} {buffer.highest}")
        if tick % 3 == 2 and (batch := await buffer.cut("backlog", HEAD)):
            say(f"frozen {batch.id} {batch.sha}")
            await buffer.settle(answer(batch))
    await buffer.close()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    asyncio.run(live(where, int(sys.argv[2]), Path((sys.argv[3:] or [where / "marks"])[0])))
