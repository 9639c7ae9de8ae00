"""How each metric of the edge is worked out: one row a metric. Where it applies, the contract says (`measurable`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.measurable import why_not
from agent.contract.metrics import EDGE_METRICS
from agent.contract.times import HOUR, MINUTE
from agent.metrics import measures, queues
from agent.metrics.measures import WITHHELD, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.contract.layout import Layout
    from agent.metrics.day import Day

__all__ = ["CATALOG", "WITHHELD", "Estimate", "Metric", "measured"]

QUARTER = 15 * MINUTE


class Metric(NamedTuple):
    """One metric of the edge. `compute` is given the day, a scope and its minutes [first, last); NaN is "not known".

    `like` is the figure of `measurable` whose conditions it shares, where that is another. `now` is worked out for the
    minute that runs where it is not the same over the window up to now.
    """

    name: str
    window: int  # seconds: the interval that is published; live it is the time up to now
    compute: Callable[[Day, str, int, int], Estimate]
    like: str = ""
    now: Callable[[Day, str, int], Estimate] | None = None

    @property
    def unit(self) -> str:
        """As the contract says."""
        return EDGE_METRICS[self.name].unit


CATALOG = (
    Metric("footfall", QUARTER, measures.entered),
    Metric("exits", QUARTER, measures.left),
    Metric("net_flow", QUARTER, measures.net_flow),
    Metric("passers_by", QUARTER, measures.passers_by),
    Metric("capture_rate", QUARTER, measures.capture_rate),
    Metric("completeness_ratio", QUARTER, measures.completeness),
    Metric("occupancy", QUARTER, measures.occupancy, now=measures.occupancy_now),
    Metric("occupancy_mean", QUARTER, measures.occupancy_mean, like="occupancy"),
    Metric("occupancy_peak", QUARTER, measures.occupancy_peak, like="occupancy"),
    Metric("occupancy_ratio", QUARTER, measures.occupancy_ratio, now=measures.occupancy_ratio_now),
    Metric("visits", HOUR, measures.visits),
    Metric("entry_rate", HOUR, measures.entry_rate),
    Metric("dwell_time_seconds", HOUR, measures.dwell),
    Metric("queue_length", QUARTER, measures.occupancy_mean, now=measures.occupancy_now),
    Metric("throughput", QUARTER, queues.throughput),
    Metric("wait_time", QUARTER, queues.wait, now=queues.wait_now),
    Metric("abandonment_rate", HOUR, queues.abandonment),
    Metric("lanes_needed", QUARTER, queues.lanes),
)


def measured(layout: Layout) -> tuple[tuple[Metric, str], ...]:
    """Every metric at every scope, store or zone, that this layout can measure it at."""
    reasons = why_not(layout)
    scopes = ["store", *(f"zone:{zone.name}" for zone in layout.zone)]
    return tuple(
        (metric, scope)
        for metric in CATALOG
        for scope in scopes
        if not reasons.get((scope, metric.like or metric.name), "no such figure")
    )
