"""What the agent would have made of recorded history, for people and for programs."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table

from agent.contract.metrics import EDGE_METRICS, Adds
from agent.contract.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from agent.contract.layout import Layout
    from agent.contract.observation import Observation
    from agent.metrics.catalog import Estimate
    from agent.recording import Read
    from agent.runtime.replay import Lived, Now

FORMAT = "footfall-replay/1"


# ---- for programs


def document(told: Read, layouts: tuple[Layout, ...], found: Lived, span: tuple[float, float]) -> dict[str, Any]:
    """All of it as JSON; the README says what each key means."""
    made: dict[str, Any] = {
        "format": FORMAT,
        "layouts": [version.version for version in layouts],
        "from": rfc3339(span[0]),
        "to": rfc3339(span[1]),
        "rows": told.recording.size,
        "disputed": told.recording.disputed,
        "remarks": list(told.remarks),
        "observations": [_observation(row) for row in found.observations],
    }
    if found.live:
        made["live"] = list(_series(found.live))
    return made


def _observation(row: Observation) -> dict[str, Any]:
    return {
        "place": row.place,
        "metric": row.metric,
        "unit": EDGE_METRICS[row.metric].unit,
        "start": rfc3339(row.start),
        "end": rfc3339(row.end),
        "value": row.value,
        "lower": row.lower,
        "upper": row.upper,
        "observed_s": row.n,
        "quality": row.quality.words,
    }


def _series(live: Iterable[Now]) -> Iterator[dict[str, Any]]:
    """Columns by place and metric: moments, values and their bounds where the estimator has them."""
    columns: dict[tuple[str, str], list[tuple[str, Estimate]]] = {}
    for at, figures in live:
        moment = rfc3339(at)
        for (metric, place), estimate in figures.items():
            columns.setdefault((place, metric), []).append((moment, estimate))
    for (place, metric), held in sorted(columns.items()):
        yield {
            "place": place,
            "metric": metric,
            "at": [moment for moment, _ in held],
            "value": [estimate.value for _, estimate in held],
            "lower": [_finite(estimate.lower) for _, estimate in held],
            "upper": [_finite(estimate.upper) for _, estimate in held],
        }


def _finite(bound: float | None) -> float | None:
    return None if bound is None or math.isnan(bound) else bound


# ---- for people


def show(told: Read, layout: Layout, found: Lived, span: tuple[float, float]) -> None:
    """Print it."""
    console = Console()
    zone = layout.zone_info
    console.print(f"{told.recording.size:,} rows replayed, {_local(span[0], zone)} to {_local(span[1], zone)}.")
    if told.recording.disputed:
        console.print(f"{told.recording.disputed:,} intervals are there with two values; the larger counts.")
    for remark in told.remarks:
        console.print(f"Note: {remark}.")
    console.print(_figures(found.observations))


def _figures(rows: list[Observation]) -> Table:
    """Each metric at each place over the whole stretch, as it adds up."""
    table = Table(
        "place", Column("metric", no_wrap=True), "unit", "windows", "total", "mean", "least", "most", title="Metrics"
    )
    grouped: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.value is not None:
            grouped.setdefault((row.place, row.metric), []).append(row.value)
    for (place, metric), values in sorted(grouped.items()):
        kind = EDGE_METRICS[metric]
        total = f"{sum(values):,.0f}" if kind.adds is Adds.SUM else ""
        spread = (sum(values) / len(values), min(values), max(values))
        table.add_row(place, metric, kind.unit, f"{len(values):,}", total, *(f"{one:,.4g}" for one in spread))
    return table


def _local(moment: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(moment, tz=zone).isoformat(sep=" ", timespec="minutes")
