"""How each metric of the edge is worked out: one row a metric. Where it applies, the contract says (`measurable`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.measurable import scopes, why_not
from agent.contract.metrics import EDGE_METRICS
from agent.contract.times import HOUR, MINUTE
from agent.metrics import baseline, crowds, flows, measures, queues, spread, whole
from agent.metrics.measures import WITHHELD, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.contract.layout import Layout
    from agent.metrics.day import Day

__all__ = ["CATALOG", "WHOLE_DAY", "WITHHELD", "Estimate", "Metric", "measured"]

QUARTER = 15 * MINUTE
OF_SENSORS = ("silent_log10",)
WHOLE_DAY = 0  # the window of what only a day that is over can tell; it is worked out once, hours after the shop closed


class Metric(NamedTuple):
    """One metric of the edge. `compute` is given the day, a scope and its minutes [first, last); NaN is "not known".

    `like` is the figure of `measurable` whose conditions it shares, where that is another. `live`: it is also told of
    the window up to now, or by `now` of the minute that runs. `presence`: it follows from who is inside, so where lines
    tell that it is provisional until the day is looked back on. `hourly`: where a row is too wide to say in which
    quarter people came, it is told by the hour.
    """

    name: str
    window: int  # seconds
    compute: Callable[[Day, str, int, int], Estimate]
    like: str = ""
    now: Callable[[Day, str, int], Estimate] | None = None
    live: bool = True
    presence: bool = False
    hourly: bool = False

    @property
    def unit(self) -> str:
        """As the contract says."""
        return EDGE_METRICS[self.name].unit


def _late(
    name: str,
    window: int,
    compute: Callable[[Day, str, int, int], Estimate],
    *,
    presence: bool = False,
    hourly: bool = False,
) -> Metric:
    """One that nobody waits for: it is told when its window has ended, and costs nothing before."""
    return Metric(name, window, compute, live=False, presence=presence, hourly=hourly)


CATALOG = (
    Metric("footfall", QUARTER, measures.entered, hourly=True),
    Metric("exits", QUARTER, measures.left, hourly=True),
    Metric("net_flow", QUARTER, measures.net_flow, hourly=True),
    Metric("passers_by", QUARTER, measures.passers_by, hourly=True),
    Metric("capture_rate", QUARTER, measures.capture_rate, hourly=True),
    _late("draw_ratio", QUARTER, measures.draw_ratio, hourly=True),
    Metric("completeness_ratio", QUARTER, measures.completeness),
    _late("footfall_last_hour", QUARTER, spread.last_hour),
    _late("footfall_smoothed", QUARTER, spread.pace),
    _late("footfall_expected", QUARTER, baseline.expected),
    _late("footfall_dispersion", QUARTER, baseline.dispersion),
    _late("unusually_busy", QUARTER, baseline.busy),
    _late("unusually_quiet", QUARTER, baseline.quiet),
    Metric("occupancy", QUARTER, measures.occupancy, now=measures.occupancy_now, presence=True),
    Metric("occupancy_mean", QUARTER, measures.occupancy_mean, like="occupancy", presence=True),
    Metric("occupancy_peak", QUARTER, measures.occupancy_peak, like="occupancy", presence=True),
    Metric("occupancy_ratio", QUARTER, measures.occupancy_ratio, now=measures.occupancy_ratio_now, presence=True),
    Metric("occupancy_trend", QUARTER, spread.trend, presence=True),
    _late("occupancy_p95", HOUR, spread.p95, presence=True),
    _late("occupancy_sd", HOUR, spread.deviation, presence=True),
    _late("occupied_share", HOUR, spread.occupied, presence=True),
    _late("full_share", HOUR, spread.full, presence=True),
    _late("density", QUARTER, spread.density, presence=True),
    _late("person_seconds", HOUR, crowds.person_seconds, presence=True),
    Metric("visits", HOUR, measures.visits),
    Metric("entry_rate", HOUR, measures.entry_rate),
    Metric("dwell_time_seconds", HOUR, measures.dwell),
    Metric("queue_length", QUARTER, measures.occupancy_mean, now=measures.occupancy_now, presence=True),
    Metric("throughput", QUARTER, queues.throughput),
    Metric("wait_time", QUARTER, queues.wait, now=queues.wait_now, presence=True),
    Metric("abandonment_rate", HOUR, queues.abandonment),
    Metric("lanes_needed", QUARTER, queues.lanes),
    Metric("bottleneck", QUARTER, crowds.piled_up, now=crowds.piled_up_now),
    _late("silent_log10", HOUR, baseline.silent),
    _late("visit_seconds", WHOLE_DAY, whole.visit),
    _late("busy_spells", WHOLE_DAY, whole.spells),
    _late("busy_spell_seconds", WHOLE_DAY, whole.spell_length),
    _late("peak_hour_footfall", WHOLE_DAY, whole.peak),
    _late("peak_hour_start", WHOLE_DAY, whole.peak_start),
    _late("door_ratio", WHOLE_DAY, whole.door_ratio),
    _late("balance_error", WHOLE_DAY, whole.balance_error),
    _late("data_quality", WHOLE_DAY, whole.data_quality),
    _late("footfall_trend", WHOLE_DAY, whole.weekly_trend),
    _late("bounce_share", WHOLE_DAY, whole.bounce),
    _late("stay_median_seconds", WHOLE_DAY, whole.median_stay),
    _late("flow", WHOLE_DAY, flows.persons),
    _late("flow_share", WHOLE_DAY, flows.share),
)


def measured(layout: Layout) -> tuple[tuple[Metric, str], ...]:
    """Every metric at every scope - store, zone, pair of zones, sensor - that this layout can measure it at."""
    reasons = why_not(layout)
    return tuple(
        (metric, scope)
        for metric in CATALOG
        for scope, (level, _) in scopes(layout).items()
        if level in (("sensor",) if metric.name in OF_SENSORS else ("store", "zone", "pair"))
        and not reasons.get((scope, metric.like or metric.name), "no such figure")
    )
