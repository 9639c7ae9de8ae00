"""Parsing a camera's answer, and a batch on the wire."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from figures import Figure, cpu_ms

from agent.contract.observation import Observation, Origin, Quality
from agent.contract.wire import encode, observation_columns, open_envelope, read_observations
from agent.drivers.base import Kind
from agent.drivers.milesight import decode

ZONE = ZoneInfo("Europe/Lisbon")
START = 1_773_705_600  # 2026-03-17T00:00:00Z, when Lisbon is on UTC
ROWS = 1440
LINES = 4
BATCH = 1000


def minute_csv() -> bytes:
    """A day of minutes, four lines with in and out, and the total in: 11 columns."""
    random = Random(1)  # noqa: S311 - the same shop in every run
    names = ["StartTime", "EndTime", "Tolal - In", *(f"Line{n} - {way}" for n in range(1, 5) for way in ("In", "Out"))]
    lines = [", ".join(names)]
    for minute in range(ROWS):
        counts = [min(99, int(random.expovariate(0.4))) for _ in range(2 * LINES)]
        label = f"2026/03/17 {minute // 60:02}:{minute % 60:02}"
        lines.append(f"{label}:00,{label}:59,{sum(counts[::2])},{','.join(map(str, counts))}")
    return "\r\n".join(lines).encode()


def parsing() -> list[Figure]:
    body = minute_csv()
    later = START + 2 * 86400
    kind, history = decode(body, Kind.LINES, ZONE, later)
    if history.problems or not len(history.rows) >= 2 * LINES * ROWS:
        raise RuntimeError(f"the benchmark's own answer is not read whole: {kind} {history.problems[:3]}")
    ours, typed, strings = cpu_ms(
        lambda: decode(body, Kind.LINES, ZONE, later),
        lambda: _typed(body),
        lambda: list(csv.reader(io.StringIO(body.decode()))),
    )
    what = f"parse {ROWS:,} x 11 CSV into {len(history.rows):,} observations"
    return [
        Figure(what, ours, "ms CPU", 3.0, typed, "csv + fromisoformat + int, unchecked"),
        Figure("  the same, beside a reader that understands nothing", ours, "ms CPU", None, strings, "csv.reader"),
    ]


def _typed(body: bytes) -> list[tuple[datetime, datetime, list[int]]]:
    """The least that makes numbers and times of it, with trust in every cell."""
    rows = csv.reader(io.StringIO(body.decode().replace("/", "-")))
    next(rows)
    read = datetime.fromisoformat
    return [(read(row[0]), read(row[1]), list(map(int, row[2:]))) for row in rows]


def observations(count: int) -> list[Observation]:
    """An afternoon's minutes of four cameras: two lines, one region and the time spent in view, busier by the hour."""
    random = Random(2)  # noqa: S311 - the same shop in every run
    usual = {("line:1", "in"): 2, ("line:1", "out"): 2, ("line:2", "in"): 9, ("line:2", "out"): 8}
    usual |= {("region:1", "visits"): 20, ("sensor", "person_seconds"): 600}
    keys = [(f"door-{s}", place, metric, mean) for s in range(1, 5) for (place, metric), mean in usual.items()]
    rows = []
    for number in range(count):
        sensor, place, metric, mean = keys[number % len(keys)]
        start = START + 10 * 3600 + number // len(keys) * 60
        value = float(max(0, round(random.gauss(mean, mean**0.5))))  # near enough to Poisson
        rows.append(Observation(sensor, place, metric, start, start + 60, value, Origin.LIVE, Quality.MEASURED))
    return rows


def head(count: int) -> dict[str, object]:
    return {
        "v": 1,
        "id": f"lisboa-01-pi:e1:1-{count}",
        "device": "lisboa-01-pi",
        "epoch": "e1",
        "seq": [[1, count]],
        "lane": "fresh",
        "boot": 1,
        "run": "r1",
        "sent": "2026-03-17T12:00:00Z",
        "schema": "observations/1",
        "n": count,
        "tz": "Europe/Lisbon",
    }


def wire() -> list[Figure]:
    rows, top = observations(BATCH), head(BATCH)
    words, columns = observation_columns(rows)
    payload = encode(top, words, columns)
    plain = gzip.decompress(payload)
    ours_out, bare_out, ours_in, bare_in = cpu_ms(
        lambda: encode(top, *observation_columns(rows)),
        lambda: gzip.compress(json.dumps(columns, separators=(",", ":")).encode(), 6),
        lambda: read_observations(open_envelope(payload)),
        lambda: json.loads(gzip.decompress(payload)),
        times=60,
    )
    a_row = len(json.dumps([row._asdict() for row in rows])) / BATCH
    return [
        Figure(f"encode a batch of {BATCH:,} rows", ours_out, "ms CPU", 2.0, bare_out, "json + gzip-6 of bare columns"),
        Figure("decode and validate it", ours_in, "ms CPU", 1.0, bare_in, "gunzip + json.loads"),
        Figure("bytes a row on the wire", len(payload) / BATCH, "B", 6.0, a_row, "a dict a row as JSON"),
        Figure("  before gzip", len(plain) / BATCH, "B"),
    ]
