"""What the agent would have made of recorded history, for people and for programs."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from agent.alerts.binding import Refusal
from agent.alerts.durations import words
from agent.alerts.replay import raised, summaries
from agent.contract.metrics import EDGE_METRICS, Adds
from agent.contract.times import rfc3339
from agent.web.phrases import checked
from agent.web.view import LineCheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from agent.alerts.binding import Bound
    from agent.alerts.replay import Raised, Summary
    from agent.commands.recording import Read
    from agent.contract.layout import Layout
    from agent.contract.observation import Observation
    from agent.metrics.catalog import Estimate
    from agent.runtime.replay import Lived, Now

FORMAT = "footfall-replay/1"
STORE = "store"
AGENT = "agent"  # the scope of the agent's own health
MOST_SHOWN = 100  # alerts listed one by one for people


class Tried(NamedTuple):
    """What went in and what came out."""

    read: Read
    layouts: tuple[Layout, ...]
    rules: Mapping[str, Bound]  # by version of the layout; empty: none were tried
    lived: Lived
    since: float
    until: float

    @property
    def remarks(self) -> list[str]:
        """What people should know of the recording before they believe the rest."""
        found, width = list(self.read.remarks), self.read.recording.typical
        shortest = min(
            (watch.rule.stale_after for bound in self.rules.values() for watch in bound.watches), default=width
        )
        if width > shortest:
            found.append(
                f"most intervals are {words(width)} long and a rule calls its numbers stale after {words(shortest)}, so"
                " it knows nothing in between; record finer, or write a longer stale_after"
            )
        return found

    @property
    def alerts(self) -> list[Raised]:
        """Every alert that would have been raised."""
        return raised(self.lived.transitions)

    @property
    def summaries(self) -> list[Summary]:
        """How often, how long and at what hours each would have been."""
        return summaries(self.lived.transitions, self.until, self.layouts[-1].zone_info)

    @property
    def refused(self) -> list[Refusal]:
        """Rule, scope and reason of what could not be tried."""
        found = {one for bound in self.rules.values() for one in bound.refused}
        own = {watch.rule.name for bound in self.rules.values() for watch in bound.watches if watch.scope == AGENT}
        found |= {Refusal(name, AGENT, "a recording does not tell how the agent itself was") for name in own}
        return sorted(found)


# ---- for programs


def document(tried: Tried) -> dict[str, Any]:
    """All of it as JSON; the README says what each key means."""
    made: dict[str, Any] = {
        "format": FORMAT,
        "layouts": [version.version for version in tried.layouts],
        "from": rfc3339(tried.since),
        "to": rfc3339(tried.until),
        "rows": tried.read.recording.size,
        "disputed": tried.read.recording.disputed,
        "remarks": tried.remarks,
        "observations": [_observation(row) for row in tried.lived.observations],
        "alerts": [_alert(one, tried.until) for one in tried.alerts],
        "summary": [
            one._asdict() | {"hours": {str(hour): times for hour, times in one.hours.items()}}
            for one in tried.summaries
        ],
        "accuracy": [one._asdict() for one in tried.lived.accuracy],
        "refused": [one._asdict() for one in tried.refused],
    }
    if tried.lived.live:
        made["live"] = list(_series(tried.lived.live))
    return made


def written(made: dict[str, Any]) -> Iterator[str]:
    """The document as JSON, an entry a line: indented it takes four times as long."""
    for number, (key, value) in enumerate(made.items()):
        before = "{" if number == 0 else ", "
        if isinstance(value, list) and value:
            yield f"{before}{json.dumps(key)}: ["
            for at, one in enumerate(value, 1):
                yield f" {json.dumps(one, allow_nan=False)}{',' if at < len(value) else ']'}"
        else:
            yield f"{before}{json.dumps(key)}: {json.dumps(value, allow_nan=False)}"
    yield "}"


def _alert(one: Raised, until: float) -> dict[str, Any]:
    first = one.first
    return {
        "id": first.id,
        "incident": first.incident,
        "rule": first.rule,
        "scope": first.scope,
        "severity": first.severity,
        "began": rfc3339(one.began),
        "ended": None if one.ended is None else rfc3339(one.ended),
        "seconds": one.seconds(until),
        "value": first.value,
        "text": first.text,
        "advice": first.advice,
        "steps": [{"state": step.state, "at": rfc3339(step.at), "text": step.text} for step in one.steps],
    }


def _observation(row: Observation) -> dict[str, Any]:
    return {
        "sensor": row.sensor,
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


def show(tried: Tried) -> None:
    """Print it."""
    console = Console()
    zone = tried.layouts[-1].zone_info
    recording = tried.read.recording
    console.print(f"{recording.size:,} rows replayed, {_local(tried.since, zone)} to {_local(tried.until, zone)}.")
    if recording.disputed:
        console.print(f"{recording.disputed:,} intervals are there with two values; the larger counts.")
    for remark in tried.remarks:
        console.print(f"Note: {remark}.")
    for table in _figures(tried.lived.observations):
        console.print(table)
    for one in tried.lived.accuracy:
        console.print(f"By hand: {one.sensor} {checked(LineCheck(*one))}.")
    if not tried.rules:
        console.print("No rules were tried; name them with --rules alerts.toml.")
        return
    for rule, scope, reason in tried.refused:
        console.print(f"Not tried: {rule}{f' at {scope}' if scope else ''}: {reason}.")
    alerts = tried.alerts
    if not alerts:
        console.print("No alert would have been raised.")
        return
    console.print(_list(alerts[:MOST_SHOWN], tried))
    if len(alerts) > MOST_SHOWN:
        console.print(f"and {len(alerts) - MOST_SHOWN:,} more; --json has all of them.")
    console.print(_summary(tried))


def _list(alerts: list[Raised], tried: Tried) -> Table:
    zone = tried.layouts[-1].zone_info
    table = Table("when", "for", "severity", "what", title="Alerts that would have been raised", box=SIMPLE)
    for one in alerts:
        lasted = words(one.seconds(tried.until)) + ("" if one.ended else " and on")
        table.add_row(_local(one.began, zone), lasted, one.first.severity, one.first.text)
    return table


def _summary(tried: Tried) -> Table:
    table = Table(
        "rule", "where", "times", "in all", "at what hours", title="How often, how long, at what hours", box=SIMPLE
    )
    for one in tried.summaries:
        hours = ", ".join(f"{hour:02}h x {times}" if times > 1 else f"{hour:02}h" for hour, times in one.hours.items())
        table.add_row(one.rule, one.scope, str(one.times), words(one.seconds), hours)
    return table


def _figures(rows: list[Observation]) -> Iterator[Table]:
    """A table a place: each metric over the whole stretch, as it adds up."""
    grouped: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row.value is not None:
            grouped.setdefault(scope_of(row), {}).setdefault(row.metric, []).append(row.value)
    for place, metrics in sorted(grouped.items()):
        table = Table(
            Column("metric", no_wrap=True), "unit", "windows", "total", "mean", "least", "most", title=place, box=SIMPLE
        )
        for metric, values in sorted(metrics.items()):
            kind = EDGE_METRICS[metric]
            total = f"{sum(values):,.0f}" if kind.adds is Adds.SUM else ""
            spread = (sum(values) / len(values), min(values), max(values))
            table.add_row(metric, kind.unit, f"{len(values):,}", total, *(f"{one:,.3g}" for one in spread))
        yield table


def scope_of(row: Observation) -> str:
    """Where a figure holds: the store's own by their place, those of a sensor with its name."""
    return row.place if row.sensor == STORE else f"{row.sensor}/{row.place}"


def _local(moment: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(moment, tz=zone).isoformat(sep=" ", timespec="minutes")
