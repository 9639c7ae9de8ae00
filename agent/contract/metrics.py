"""The closed lists of metrics that devices tell and that we work out: name, unit, how values add up. A row is one."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Adds(StrEnum):
    """How the values of finer intervals make the value of a coarser one."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    FIRST = "first"  # a state at `start`: the coarser interval begins with the first


class Metric(NamedTuple):
    """One metric: its canonical name, its unit, how it adds up, and what it is in plain words."""

    name: str
    unit: str
    adds: Adds
    meaning: str


_ROWS = (
    Metric("in", "persons", Adds.SUM, "persons who crossed the line along its arrow in the interval"),
    Metric("out", "persons", Adds.SUM, "persons who crossed the line against its arrow in the interval"),
    Metric("visits", "persons", Adds.SUM, "persons who entered the region in the interval; never persons present"),
    Metric("person_seconds", "s", Adds.SUM, "time spent by all persons in view, region or grid cell"),
    Metric("occupancy", "persons", Adds.FIRST, "persons present at the start of the interval"),
    Metric("dwell_mean", "s", Adds.MEAN, "mean stay of those who left in the interval"),
    Metric("dwell_max", "s", Adds.MAX, "longest stay of those who left in the interval"),
    Metric("queue_length", "persons", Adds.MEAN, "persons waiting"),
    Metric("queue_wait", "s", Adds.MEAN, "wait of those who were served in the interval"),
    Metric("abandoned", "persons", Adds.SUM, "persons who left the queue unserved"),
    Metric("staff", "persons", Adds.SUM, "persons the device tagged as staff"),
    Metric("alarm_counter", "0 or 1", Adds.MAX, "the device's counter alarm; written on change and once an hour"),
    Metric("alarm_region_in", "0 or 1", Adds.MAX, "the device's region entrance alarm; on change and once an hour"),
    Metric("alarm_region_out", "0 or 1", Adds.MAX, "the device's region exit alarm; on change and once an hour"),
)

METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}

# What the agent works out (origin `edge`, sensor `store`); `agent/metrics/catalog.py` says how.
_EDGE_ROWS = (
    Metric("entered", "persons", Adds.SUM, "persons who came in over all entrance lines"),
    Metric("left", "persons", Adds.SUM, "persons who went out over all entrance lines"),
    Metric("occupancy", "persons", Adds.FIRST, "persons present at the start of the interval"),
    Metric("occupancy_mean", "persons", Adds.MEAN, "persons present, on average over the interval"),
    Metric("occupancy_peak", "persons", Adds.MAX, "most persons present at once"),
    Metric("capture_rate", "share", Adds.MEAN, "of those who entered or passed by, the share that entered"),
    Metric("visits", "persons", Adds.SUM, "persons who entered the zone's regions"),
    Metric("dwell_mean", "s", Adds.MEAN, "time in the zone's regions per visit"),
    Metric("utilisation", "share", Adds.MEAN, "persons present in the zone per place of its capacity"),
    Metric("completeness", "share", Adds.MEAN, "share of the interval that the entrance lines told of"),
)

EDGE_METRICS: dict[str, Metric] = {row.name: row for row in _EDGE_ROWS}
