"""Records what this version puts on the wire, for every later version to read.

    python3 -m tests.golden.record 0.2.0

Run it once, when a version is released; what a released version sent is never changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from agent.contract import happenings, wire
from agent.contract.happenings import Alert, ManualCount
from agent.contract.observation import LedgerEntry, Observation, Origin, Quality

HERE = Path(__file__).parent
START = 1_774_000_020
READERS = {
    wire.OBSERVATIONS: wire.read_observations,
    wire.LEDGER: wire.read_ledger,
    happenings.ALERTS: happenings.read_alerts,
    happenings.MANUAL: happenings.read_manual,
}
COLUMNS = {
    wire.OBSERVATIONS: wire.observation_columns,
    wire.LEDGER: wire.ledger_columns,
    happenings.ALERTS: happenings.alert_columns,
    happenings.MANUAL: happenings.manual_columns,
}


def rows_of(payload: bytes) -> list[list[Any]]:
    """The numbers and rows of a batch as JSON has them."""
    envelope = wire.open_envelope(payload)
    read = READERS[envelope.schema_](envelope)
    return json.loads(json.dumps([[number, row._asdict()] for number, row in read]))


def observations(n: int) -> list[Observation]:
    """Rows in which every column and every kind of value occurs."""
    qualities = [Quality.MEASURED, Quality.MEASURED | Quality.BACKFILLED, Quality.ESTIMATED, Quality.UNCONFIRMED]
    places = ["line:1", "region:3", "zone:checkout", "store", "cell:31,0", "sensor"]
    return [
        Observation(
            *(f"door-{k % 3}", places[k % 6], ["in", "out", "dwell_mean", "a_later_metric"][k % 4]),
            *(START + 60 * k - (3600 if k % 7 == 6 else 0), START + 60 * k + 60),
            *([3.0, 0.0, 12.25, None, 1e9][k % 5], Origin(k % 4), qualities[k % 4]),
            *((0.5, 4.5, 30.0) if k % 2 else (None, None, None)),
        )
        for k in range(n)
    ]


def entries() -> list[LedgerEntry]:
    """One of each state."""
    return [
        LedgerEntry("door-1", START, START + 3600, "pending", "no answer"),
        LedgerEntry("door-1", START, START + 60, "answered", "no answer"),
        LedgerEntry("till", START - 86400, START, "lost", "the buffer is full", ((5, 90), (95, 95))),
        LedgerEntry("till", START, START + 60, "disputed", "a later reading was lower — kept"),
    ]


def alerts() -> list[Alert]:
    """Two steps of one life, with and without a value."""
    return [
        Alert("queue-1", "queue", "zone:checkout", "firing", "warning", START, 7.5, "7 people wait — open a till"),
        Alert("queue-1", "queue", "zone:checkout", "unknown", "warning", START + 600),
    ]


def batches() -> dict[str, bytes]:
    """Every schema, plain and gzipped, with and without void numbers."""
    return {
        "observations-plain": _batch([(7, 7)], [(1, 5)], wire.OBSERVATIONS, observations(1)),
        "observations-gzip": _batch([(100, 139), (200, 399)], [], wire.OBSERVATIONS, observations(240)),
        "alerts": _batch([(20, 21)], [], happenings.ALERTS, alerts()),
        "manual": _batch([(30, 30)], [], happenings.MANUAL, [ManualCount("till", "line:1", START, START + 900, 12, 9)]),
        "ledger": _batch([(8, 8), (10, 12)], [], wire.LEDGER, entries()),
    }


def _batch(seq: list[tuple[int, int]], void: list[tuple[int, int]], schema: str, rows: list[Any]) -> bytes:
    head = {
        "v": 1,
        "id": wire.batch_id("e7f3", "b1c2", seq),
        "device": "e7f3",
        "epoch": "b1c2",
        "seq": seq,
        "void": void,
        "lane": "fresh",
        "boot": 1873,
        "run": "9c41",
        "sent": "2026-11-20T07:15:02.123Z",
        "clock": {"sync": "ntp", "offset_ms": 12},
        "schema": schema,
        "layout": "2026-11-03/4",
        "n": len(rows),
        "tz": "Europe/Lisbon",
    }
    return wire.encode(head, *COLUMNS[schema](rows))


def main(version: str) -> None:
    folder = HERE / version
    folder.mkdir()  # fails where this version was recorded already
    for name, payload in batches().items():
        (folder / f"{name}.bin").write_bytes(payload)
        expected = json.dumps(rows_of(payload), separators=(",", ":"))
        (folder / f"{name}.json").write_text(expected.replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
