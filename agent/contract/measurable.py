"""What can be measured in a store with the sensors it has, and why not the rest: one row a figure, in plain words.

A figure that cannot be measured is absent and says why; it is never estimated silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract import conditions as need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.contract.layout import Layout, Zone


class Figure(NamedTuple):
    """A figure worked out in the store: name, unit, least and most it can be, meaning, and what stands in its way.

    `missing` gives the reason why it cannot be measured there, empty where it can.
    """

    name: str
    unit: str
    most: float
    meaning: str
    missing: Callable[[Layout, object], str]
    least: float = 0.0


class Answer(NamedTuple):
    """Whether a scope's figure can be measured: `why_not` is empty where it can."""

    scope: str
    metric: str
    meaning: str
    why_not: str


INFINITE = float("inf")


def tells_presence(layout: Layout, zone: Zone) -> bool:
    """Whether it is known how many people are in a zone."""
    return not need.present(layout, zone)


# ---- the figures

STORE_FIGURES = (
    Figure("footfall", "persons", INFINITE, "persons who came in, in each interval", need.doors),
    Figure("exits", "persons", INFINITE, "persons who went out, in each interval", need.doors),
    Figure("net_flow", "persons", INFINITE, "those who came in less those who went out", need.doors, -INFINITE),
    Figure("occupancy", "persons", INFINITE, "persons in the store now, with its interval", need.doors),
    Figure("occupancy_mean", "persons", INFINITE, "persons in the store, on average over each interval", need.doors),
    Figure("occupancy_peak", "persons", INFINITE, "most persons in the store at once", need.doors),
    Figure("occupancy_ratio", "share", INFINITE, "persons in the store as a share of its capacity", need.capacity),
    Figure("passers_by", "persons", INFINITE, "persons who passed outside", need.passers),
    Figure("capture_rate", "share", 1.0, "share of those at the door who came in", need.capture),
    Figure("completeness_ratio", "share", 1.0, "how much of the open time the doors answered for", need.doors),
    Figure("entered_last_day", "persons", INFINITE, "persons in over the last whole store day", need.doors),
    Figure("left_last_day", "persons", INFINITE, "persons out over the last whole store day", need.doors),
    Figure("draw_ratio", "share", INFINITE, "persons who came in for each who passed by", need.capture),
    Figure("footfall_last_hour", "persons", INFINITE, "persons who came in over the last sixty minutes", need.doors),
    Figure("footfall_smoothed", "persons/min", INFINITE, "persons who come in a minute, smoothed", need.doors),
    Figure("unusually_busy", "share", 1.0, "probability of a busy spell, after two weeks of history", need.doors),
    Figure("unusually_quiet", "share", 1.0, "probability of a quiet spell, after two weeks of history", need.doors),
    Figure("occupancy_trend", "persons/h", INFINITE, "whether the store fills or empties", need.doors, -INFINITE),
    Figure(
        "occupancy_p95", "persons", INFINITE, "persons that 95 % of the minutes did not exceed, by hours", need.doors
    ),
    Figure("occupancy_sd", "persons", INFINITE, "how presence spreads over an hour's minutes", need.doors),
    Figure("occupied_share", "share", 1.0, "share of each hour with anybody in the store", need.doors),
    Figure("full_share", "share", 1.0, "share of each hour at or above the capacity", need.capacity),
    Figure("density", "persons/m2", INFINITE, "persons a square metre", need.store_area),
    Figure("person_seconds", "s", INFINITE, "time all persons spent in the store, by hours", need.doors),
    Figure("visit_seconds", "s", INFINITE, "how long a visit lasted, on average over the day", need.doors),
    Figure("busy_spells", "1", INFINITE, "stretches with anybody in the store, by days", need.doors),
    Figure("busy_spell_seconds", "s", INFINITE, "how long such a stretch lasted", need.doors),
    Figure(
        "peak_hour_footfall", "persons", INFINITE, "persons in over the busiest sixty minutes of the day", need.doors
    ),
    Figure("peak_hour_start", "h", 25.0, "when these sixty minutes began, in hours after the day began", need.doors),
    Figure("door_ratio", "share", INFINITE, "persons counted in for each counted out, by days", need.doors),
    Figure("balance_error", "share", INFINITE, "by what share the doors do not add up, by days", need.doors),
    Figure("data_quality", "share", 1.0, "completeness less five times the balance error, by days", need.doors),
    Figure(
        "footfall_trend", "persons/week", INFINITE, "whether this weekday gains, after 4 weeks", need.doors, -INFINITE
    ),
    Figure("bounce_share", "share", 1.0, "share that leaves within three minutes, after four weeks", need.doors),
    Figure("stay_median_seconds", "s", INFINITE, "how long half of the visitors stay, after four weeks", need.doors),
)
ZONE_FIGURES = (
    Figure("visits", "persons", INFINITE, "persons who entered the zone, in each interval", need.visits),
    Figure("entry_rate", "share", INFINITE, "visits to the zone for each person who came into the store", need.reach),
    Figure("dwell_time_seconds", "s", INFINITE, "how long a visit to the zone lasts", need.dwell),
    Figure("occupancy", "persons", INFINITE, "persons in the zone now", need.present),
    Figure("occupancy_mean", "persons", INFINITE, "persons in the zone, on average over each interval", need.present),
    Figure("occupancy_peak", "persons", INFINITE, "most persons in the zone at once", need.present),
    Figure("occupancy_ratio", "share", INFINITE, "persons in the zone as a share of its capacity", need.zone_capacity),
    Figure("queue_length", "persons", INFINITE, "persons waiting now", need.queue),
    Figure("throughput", "persons/min", INFINITE, "persons served a minute", need.served),
    Figure("wait_time", "s", INFINITE, "how long one who joins now will wait", need.wait),
    Figure("abandonment_rate", "share", 1.0, "share of those who join and leave unserved", need.abandoned),
    Figure("lanes_needed", "tills", INFINITE, "tills that keep the wait below its target", need.lanes),
    Figure("occupancy_trend", "persons/h", INFINITE, "whether the zone fills or empties", need.present, -INFINITE),
    Figure("occupancy_p95", "persons", INFINITE, "persons that 95 % of the minutes did not exceed", need.present),
    Figure("occupancy_sd", "persons", INFINITE, "how presence spreads over an hour's minutes", need.present),
    Figure("occupied_share", "share", 1.0, "share of each hour with anybody in the zone", need.present),
    Figure("full_share", "share", 1.0, "share of each hour at or above the zone's capacity", need.zone_capacity),
    Figure("density", "persons/m2", INFINITE, "persons a square metre", need.zone_area),
    Figure("person_seconds", "s", INFINITE, "time all persons spent in the zone, by hours: its heat", need.spent),
    Figure("busy_spells", "1", INFINITE, "stretches with anybody in the zone, by days", need.present),
    Figure("busy_spell_seconds", "s", INFINITE, "how long such a stretch lasted", need.present),
    Figure("bottleneck", "persons", INFINITE, "persons by which those who come outrun those who leave", need.jam),
    Figure("staff", "persons", INFINITE, "staff in the zone now", need.staff),
    Figure("unattended_seconds", "s", INFINITE, "how long customers have been there without staff", need.unattended),
)
SENSOR_FIGURES = (
    Figure("crossings", "persons", INFINITE, "all crossings of its lines in each interval", need.crossings),
    Figure("completeness_ratio", "share", 1.0, "how much of the last hour it told of", need.nothing),
    Figure(
        "silent_log10", "log10", 0.0, "whether its silence is still chance, after 2 weeks", need.crossings, -INFINITE
    ),
    Figure("silent_seconds", "s", INFINITE, "how long it has not answered", need.nothing),
    Figure("clock_off_seconds", "s", INFINITE, "how far its clock is off", need.nothing),
    Figure("alarm_counter", "0 or 1", 1.0, "its counter alarm", need.nothing),
    Figure("alarm_region_in", "0 or 1", 1.0, "its region entrance alarm", need.nothing),
    Figure("alarm_region_out", "0 or 1", 1.0, "its region exit alarm", need.nothing),
)
LINE_FIGURES = (
    Figure(
        "entered", "persons", INFINITE, "persons in over this line in each interval, inversion applied", need.nothing
    ),
    Figure("left", "persons", INFINITE, "persons out over this line in each interval", need.nothing),
    Figure("entered_last_day", "persons", INFINITE, "persons in over this line, last whole store day", need.nothing),
    Figure("left_last_day", "persons", INFINITE, "persons out over this line, last whole store day", need.nothing),
    Figure("in_share_expected", "share", 1.0, "the share of its crossings that usually go in", need.nothing),
)
PAIR_FIGURES = (
    Figure("flow", "persons", INFINITE, "persons who went from the one zone to the other, by days", need.way),
    Figure("flow_share", "share", 1.0, "of those who left the one zone, the share that went to the other", need.way),
)
REGION_FIGURES = (
    Figure("visits", "persons", INFINITE, "persons who entered the region in each interval", need.nothing),
)
AGENT_FIGURES = (
    Figure("buffer_ratio", "share", 1.0, "how full the buffer is", need.nothing),
    Figure("unsent_seconds", "s", INFINITE, "age of the oldest number headquarters does not have", need.nothing),
    Figure("offline_seconds", "s", INFINITE, "time since headquarters was last reached", need.nothing),
    Figure("disk_free_mb", "MB", INFINITE, "room left on the device's disk", need.nothing),
    Figure("clock_trusted", "0 or 1", 1.0, "whether the agent's clock can be trusted", need.nothing),
    Figure("memory_mb", "MB", INFINITE, "memory the agent uses", need.nothing),
    Figure("certificate_days", "days", INFINITE, "days until the device's certificate ends", need.nothing),
)
FIGURES: dict[str, tuple[Figure, ...]] = {
    "store": STORE_FIGURES,
    "zone": ZONE_FIGURES,
    "pair": PAIR_FIGURES,
    "sensor": SENSOR_FIGURES,
    "line": LINE_FIGURES,
    "region": REGION_FIGURES,
    "agent": AGENT_FIGURES,
}
# A count that comes in intervals has a baseline once there is history: what is expected now, and how it spreads.
BASELINES = ("_expected", "_dispersion")
COUNTS = frozenset({"footfall", "exits", "passers_by", "visits", "crossings", "entered", "left"})


def scopes(layout: Layout) -> dict[str, tuple[str, object]]:
    """Every scope of a store with its level (`store`, `zone`, …) and what it is in the layout."""
    found: dict[str, tuple[str, object]] = {"store": ("store", layout)}
    found |= {f"zone:{zone.name}": ("zone", zone) for zone in layout.zone}
    found |= {f"zone:{start}>{to}": ("pair", (start, to)) for start, to in _pairs(layout)}
    for sensor in layout.sensor:
        found[f"{sensor.id}/sensor"] = ("sensor", sensor)
        found |= {f"{sensor.id}/line:{line.number}": ("line", line) for line in sensor.line}
        found |= {f"{sensor.id}/region:{region.number}": ("region", region) for region in sensor.region}
    return found | {"agent": ("agent", None)}


def _pairs(layout: Layout) -> Iterator[tuple[str, str]]:
    """Ways between zones, in both directions: those that a relationship joins."""
    near = (one for one in layout.relationship if one.kind in ("adjacent", "pathway"))
    yield from dict.fromkeys(pair for one in near for pair in ((one.start, one.to), (one.to, one.start)))


def names(level: str) -> tuple[str, ...]:
    """Every name there is at a level, baselines included; what a store can measure of it is another question."""
    figures = [figure.name for figure in FIGURES[level]]
    return (*figures, *(name + end for name in figures if name in COUNTS for end in BASELINES))


def ranges(level: str) -> dict[str, tuple[float, float]]:
    """The least and most that each name of a level can be."""
    found = {figure.name: (figure.least, figure.most) for figure in FIGURES[level]}
    return {name: found.get(name, (0.0, INFINITE)) for name in names(level)}


def answers(layout: Layout) -> Iterator[Answer]:
    """Every figure of every scope with the reason where it cannot be measured."""
    for scope, (level, subject) in scopes(layout).items():
        for figure in FIGURES[level]:
            yield Answer(scope, figure.name, figure.meaning, figure.missing(layout, subject))


def why_not(layout: Layout) -> dict[tuple[str, str], str]:
    """The reason by (scope, metric), empty where it can be measured; baselines go with their count."""
    found = {}
    for answer in answers(layout):
        found[answer.scope, answer.metric] = answer.why_not
        if answer.metric in COUNTS:
            found |= {(answer.scope, answer.metric + end): answer.why_not for end in BASELINES}
    return found


def explained(layout: Layout) -> str:
    """In words: what will be measured in this store, and what cannot be and why."""
    measured: dict[str, list[str]] = {}
    refused: dict[tuple[str, str], list[str]] = {}
    for answer in answers(layout):
        if answer.why_not.startswith(need.OTHER_PURPOSE[:19]):
            continue  # nobody expects a queue on a shelf
        if answer.why_not:
            refused.setdefault((answer.scope, answer.why_not), []).append(answer.metric)
        elif answer.scope != "agent":
            measured.setdefault(answer.scope, []).append(f"{answer.metric} ({answer.meaning})")
    lines = [f"Layout {layout.version}, valid from {layout.effective_from} in {layout.time_zone}."]
    lines += ["", "Measured"]
    for scope, figures in measured.items():
        lines += [f"  {_title(layout, scope)}", *(f"    {figure}" for figure in figures)]
    lines += ["", "Not measured, and why"]
    lines += [f"  {_title(layout, scope)}: {', '.join(what)}\n    {why}" for (scope, why), what in refused.items()]
    return "\n".join(lines if refused else [*lines, "  nothing: every figure of this store can be measured"])


def _title(layout: Layout, scope: str) -> str:
    level, subject = scopes(layout)[scope]
    if level == "store":
        return "the whole store"
    if level == "pair":
        return "the way from {} to {}".format(*need.as_pair(subject))
    name = getattr(subject, "name", "")
    if level == "zone":
        return f"zone {name} ({need.as_zone(subject).purpose})"
    return f"{scope} ({name})" if name else scope
