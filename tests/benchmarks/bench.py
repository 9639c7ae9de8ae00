"""Speed and size beside the limits measured in the same run. `--json` for programs, names to choose: bench.py wire.

A row of several may be chosen in part: bench.py hostile:hang,drip.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import batches
import durable
import living
import loops
import mixed
import polling
import receiving
import replaying
import starting
from figures import HEADING

from agent.foundation.logs import configure

if TYPE_CHECKING:
    from collections.abc import Callable

    from figures import Figure

ROWS: dict[str, Callable[..., list[Figure]]] = {
    "parse": batches.parsing,
    "wire": batches.wire,
    "append": durable.appending,
    "card": durable.card,
    "tick": durable.live_tick,
    "year": living.year,
    "poll": polling.polling,
    "mixed": mixed.mixed,
    "hostile": mixed.hostile,
    "backfill": mixed.backfilling,
    "kernels": loops.kernels,
    "replay": replaying.replaying,
    "start": starting.starting,
    "receive": receiving.throughput,
    "flood": receiving.fairness,
}


def main(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    chosen = [name for name in arguments if not name.startswith("-")] or list(ROWS)
    if unknown := [name for name in chosen if name.partition(":")[0] not in ROWS]:
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    configure("error")
    figures = []
    if not as_json:
        print(HEADING)
    for name in chosen:
        row, _, parts = name.partition(":")
        for figure in ROWS[row](*filter(None, parts.split(","))):
            figures.append(figure)
            if not as_json:
                print(figure.as_line(), flush=True)
    if as_json:
        print(json.dumps([figure.as_json() for figure in figures], indent=1))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
