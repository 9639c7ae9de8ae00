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
    Metric(
        "staff",
        "persons",
        Adds.SUM,
        "persons tagged as staff by the device, or (sensor `store`) entered by hand from `start` on",
    ),
    Metric("alarm_counter", "0 or 1", Adds.MAX, "the device's counter alarm; written on change and once an hour"),
    Metric("alarm_region_in", "0 or 1", Adds.MAX, "the device's region entrance alarm; on change and once an hour"),
    Metric("alarm_region_out", "0 or 1", Adds.MAX, "the device's region exit alarm; on change and once an hour"),
)

METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}

# What the agent works out (origin `edge`, sensor `store`); `agent/metrics/catalog.py` says how.
_EDGE_ROWS = (
    Metric("footfall", "persons", Adds.SUM, "persons who came in over all entrance lines"),
    Metric("exits", "persons", Adds.SUM, "persons who went out over all entrance lines"),
    Metric("net_flow", "persons", Adds.SUM, "those who came in less those who went out"),
    Metric("passers_by", "persons", Adds.SUM, "persons who passed outside, both ways"),
    Metric("occupancy", "persons", Adds.FIRST, "persons present at the start of the interval"),
    Metric("occupancy_mean", "persons", Adds.MEAN, "persons present, on average over the interval"),
    Metric("occupancy_peak", "persons", Adds.MAX, "most persons present at once"),
    Metric("occupancy_ratio", "share", Adds.MEAN, "persons present per place of the capacity"),
    Metric("capture_rate", "share", Adds.MEAN, "of those who came in or passed by, the share that came in"),
    Metric("completeness_ratio", "share", Adds.MEAN, "share of the interval that the entrance lines told of"),
    Metric("visits", "persons", Adds.SUM, "persons who entered the zone"),
    Metric("entry_rate", "share", Adds.MEAN, "visits to the zone for each person who came into the store"),
    Metric("dwell_time_seconds", "s", Adds.MEAN, "time in the zone per visit"),
    Metric("queue_length", "persons", Adds.MEAN, "persons waiting"),
    Metric("throughput", "persons/min", Adds.MEAN, "persons served a minute"),
    Metric("wait_time", "s", Adds.MEAN, "wait of those who left the queue (live: of one who joins now)"),
    Metric("abandonment_rate", "share", Adds.MEAN, "of those who joined the queue, the share that was not served"),
    Metric("lanes_needed", "tills", Adds.MAX, "tills that keep the wait below its target"),
    Metric("draw_ratio", "share", Adds.MEAN, "persons who came in for each who passed by"),
    Metric("footfall_last_hour", "persons", Adds.MAX, "persons who came in over the sixty minutes up to the end"),
    Metric("footfall_smoothed", "persons/min", Adds.MEAN, "persons who come in a minute, smoothed"),
    Metric("footfall_expected", "persons", Adds.SUM, "persons who usually come in over the interval"),
    Metric("footfall_dispersion", "r", Adds.FIRST, "how counts spread: their variance is m + m*m/r around m expected"),
    Metric("unusually_busy", "share", Adds.MAX, "probability that twice what is usual comes in for a while"),
    Metric("unusually_quiet", "share", Adds.MAX, "probability that half of what is usual comes in for a while"),
    Metric("occupancy_trend", "persons/h", Adds.MEAN, "by how many an hour the persons present become more or fewer"),
    Metric("occupancy_p95", "persons", Adds.MAX, "persons present that 95 % of the minutes did not exceed"),
    Metric("occupancy_sd", "persons", Adds.MEAN, "standard deviation of the persons present by minutes"),
    Metric("occupied_share", "share", Adds.MEAN, "share of the time with anybody there"),
    Metric("full_share", "share", Adds.MEAN, "share of the time at or above the capacity"),
    Metric("density", "persons/m2", Adds.MEAN, "persons present a square metre"),
    Metric("person_seconds", "s", Adds.SUM, "time that all persons together spent there"),
    Metric("bottleneck", "persons", Adds.MAX, "persons by which those who came have outrun those who left"),
    Metric("silent_log10", "log10", Adds.FIRST, "logarithm of the probability that it counted nobody and works"),
    Metric("visit_seconds", "s", Adds.MEAN, "how long a visit to the store lasted, on average over the day"),
    Metric("busy_spells", "1", Adds.SUM, "stretches with anybody there, ended by five minutes with nobody"),
    Metric("busy_spell_seconds", "s", Adds.MEAN, "how long such a stretch lasted"),
    Metric("peak_hour_footfall", "persons", Adds.MAX, "persons who came in over the busiest sixty minutes of the day"),
    Metric("peak_hour_start", "h", Adds.FIRST, "hours after the day began at which its busiest sixty minutes began"),
    Metric("door_ratio", "share", Adds.MEAN, "persons counted in for each counted out"),
    Metric("balance_error", "share", Adds.MEAN, "share of those who came by which the doors do not add up"),
    Metric("data_quality", "share", Adds.MEAN, "completeness less five times the balance error"),
    Metric("footfall_trend", "persons/week", Adds.FIRST, "by how many a week this weekday gains or loses"),
    Metric("bounce_share", "share", Adds.FIRST, "share that leaves within three minutes, over four weeks"),
    Metric("stay_median_seconds", "s", Adds.FIRST, "how long half of the visitors stay at most, over four weeks"),
    Metric("flow", "persons", Adds.SUM, "persons who went from the one zone to the other"),
    Metric("flow_share", "share", Adds.MEAN, "of those who left the one zone, the share that went to the other"),
)

EDGE_METRICS: dict[str, Metric] = {row.name: row for row in _EDGE_ROWS}
