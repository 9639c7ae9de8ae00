"""The closed list of metrics that devices tell: name, unit and how values add up. A new metric is a row here."""

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
