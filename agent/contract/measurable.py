"""What can be measured in a store with the sensors it has, and why not the rest: one row a figure, in plain words.

A figure that cannot be measured is absent and says why; it is never estimated silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.layout import Layout, Purpose, Role, Sensor, Told, Zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
_OTHER_PURPOSE = "the zone's purpose is {}, not queue"


# ---- what stands in the way


def _nothing(_layout: Layout, _subject: object) -> str:
    return ""


def _doors(layout: Layout, _subject: object = None) -> str:
    return "" if layout.lines(Role.ENTRANCE) else 'no line has role = "entrance"'


def _capacity(layout: Layout, _subject: object) -> str:
    return _doors(layout) or ("" if layout.capacity else "the store has no capacity; write capacity = N at the top")


def _passers(layout: Layout, _subject: object) -> str:
    return "" if layout.lines(Role.PASSER_BY) else 'no line has role = "passer-by"'


def _capture(layout: Layout, _subject: object) -> str:
    return _doors(layout) or _passers(layout, None)


def _told(layout: Layout, zone: Zone, *told: Told) -> bool:
    """Whether every region of a zone is told in one of these ways."""
    tells = {sensor.id: sensor.tells for sensor in layout.sensor}
    regions = [place.partition("/")[0] for place in zone.places if "/region:" in place]
    return bool(regions) and all(set(told) & set(tells[sensor]) for sensor in regions)


def _visits(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    if zone.joins or zone.closed or any("/line:" in place for place in zone.places) or _told(layout, zone, Told.VISITS):
        return ""
    return "no line leads into it and its devices do not tell visits to regions"


def _dwell(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    if not _present(layout, zone) or (_told(layout, zone, Told.VISITS) and _told(layout, zone, Told.PERSON_SECONDS)):
        return ""
    return "it needs visits and person_seconds of its regions, or the number of people present"


def _present(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    if zone.closed or _told(layout, zone, Told.OCCUPANCY, Told.QUEUE_LENGTH):
        return ""
    return (
        "these devices tell how many entered a region, not how many are in it; a sensor that tells occupancy, or lines"
        " on all its borders (joins, leaves, closed = true), would"
    )


def _zone_capacity(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    return _present(layout, zone) or ("" if zone.capacity else "the zone has no capacity; write capacity = N")


def _queue(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    if zone.purpose is not Purpose.QUEUE:
        return _OTHER_PURPOSE.format(zone.purpose)
    if (zone.joins and zone.leaves) or not _present(layout, zone):
        return ""
    return (
        "queue not measurable with this camera: it tells visits in an interval, which are not people waiting; it takes"
        " a sensor that tells occupancy or queue_length, or one line where people join and one where they leave"
    )


def _served(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    return _queue(layout, zone) or ("" if zone.leaves else "no line in leaves counts those who were served")


def _wait(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    told = _told(layout, zone, Told.QUEUE_WAIT) and zone.purpose is Purpose.QUEUE
    return "" if told else _served(layout, zone)


def _lanes(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    return _served(layout, zone) or (
        "" if zone.lanes else "the zone has no [zone.lanes]; write how many tills there are"
    )


def _abandoned(_layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    if zone.purpose is not Purpose.QUEUE:
        return _OTHER_PURPOSE.format(zone.purpose)
    if zone.joins and zone.leaves:
        return ""
    return "it takes one line where people join the queue and another where they are served"


def _reach(layout: Layout, subject: object) -> str:
    return _visits(layout, subject) or _doors(layout)


def _staff(layout: Layout, subject: object) -> str:
    zone = _as_zone(subject)
    if layout.staffing.entered or _told(layout, zone, Told.STAFF):
        return ""
    return (
        "no device here tags staff and nobody enters who is where; use sensors that tell staff, or write"
        " [staffing] entered = true and enter it"
    )


def _unattended(layout: Layout, subject: object) -> str:
    return _staff(layout, subject) or _present(layout, subject)


def _crossings(_layout: Layout, subject: object) -> str:
    sensor = _as_sensor(subject)
    return "" if sensor.line and Told.CROSSINGS in sensor.tells else "it has no line"


def _as_zone(subject: object) -> Zone:
    assert isinstance(subject, Zone)  # noqa: S101 - the tables below pair zones with zones' figures
    return subject


def _as_sensor(subject: object) -> Sensor:
    assert isinstance(subject, Sensor)  # noqa: S101 - as above
    return subject


# ---- the figures

STORE_FIGURES = (
    Figure("footfall", "persons", INFINITE, "persons who came in, in each interval", _doors),
    Figure("exits", "persons", INFINITE, "persons who went out, in each interval", _doors),
    Figure("net_flow", "persons", INFINITE, "those who came in less those who went out", _doors, -INFINITE),
    Figure("occupancy", "persons", INFINITE, "persons in the store now, with its interval", _doors),
    Figure("occupancy_mean", "persons", INFINITE, "persons in the store, on average over each interval", _doors),
    Figure("occupancy_peak", "persons", INFINITE, "most persons in the store at once", _doors),
    Figure("occupancy_ratio", "share", INFINITE, "persons in the store as a share of its capacity", _capacity),
    Figure("passers_by", "persons", INFINITE, "persons who passed outside", _passers),
    Figure("capture_rate", "share", 1.0, "share of those at the door who came in", _capture),
    Figure("completeness_ratio", "share", 1.0, "how much of the open time the doors answered for", _doors),
    Figure("entered_last_day", "persons", INFINITE, "persons in over the last whole store day", _doors),
    Figure("left_last_day", "persons", INFINITE, "persons out over the last whole store day", _doors),
)
ZONE_FIGURES = (
    Figure("visits", "persons", INFINITE, "persons who entered the zone, in each interval", _visits),
    Figure("entry_rate", "share", INFINITE, "visits to the zone for each person who came into the store", _reach),
    Figure("dwell_time_seconds", "s", INFINITE, "how long a visit to the zone lasts", _dwell),
    Figure("occupancy", "persons", INFINITE, "persons in the zone now", _present),
    Figure("occupancy_mean", "persons", INFINITE, "persons in the zone, on average over each interval", _present),
    Figure("occupancy_peak", "persons", INFINITE, "most persons in the zone at once", _present),
    Figure("occupancy_ratio", "share", INFINITE, "persons in the zone as a share of its capacity", _zone_capacity),
    Figure("queue_length", "persons", INFINITE, "persons waiting now", _queue),
    Figure("throughput", "persons/min", INFINITE, "persons served a minute", _served),
    Figure("wait_time", "s", INFINITE, "how long one who joins now will wait", _wait),
    Figure("abandonment_rate", "share", 1.0, "share of those who join and leave unserved", _abandoned),
    Figure("lanes_needed", "tills", INFINITE, "tills that keep the wait below its target", _lanes),
    Figure("staff", "persons", INFINITE, "staff in the zone now", _staff),
    Figure("unattended_seconds", "s", INFINITE, "how long customers have been there without staff", _unattended),
)
SENSOR_FIGURES = (
    Figure("crossings", "persons", INFINITE, "all crossings of its lines in each interval", _crossings),
    Figure("completeness_ratio", "share", 1.0, "how much of the open time it answered for", _nothing),
    Figure("silent_seconds", "s", INFINITE, "how long it has not answered", _nothing),
    Figure("clock_off_seconds", "s", INFINITE, "how far its clock is off", _nothing),
    Figure("alarm_counter", "0 or 1", 1.0, "its counter alarm", _nothing),
    Figure("alarm_region_in", "0 or 1", 1.0, "its region entrance alarm", _nothing),
    Figure("alarm_region_out", "0 or 1", 1.0, "its region exit alarm", _nothing),
)
LINE_FIGURES = (
    Figure("entered", "persons", INFINITE, "persons in over this line in each interval, inversion applied", _nothing),
    Figure("left", "persons", INFINITE, "persons out over this line in each interval", _nothing),
    Figure("entered_last_day", "persons", INFINITE, "persons in over this line, last whole store day", _nothing),
    Figure("left_last_day", "persons", INFINITE, "persons out over this line, last whole store day", _nothing),
    Figure("in_share_expected", "share", 1.0, "the share of its crossings that usually go in", _nothing),
)
REGION_FIGURES = (Figure("visits", "persons", INFINITE, "persons who entered the region in each interval", _nothing),)
AGENT_FIGURES = (
    Figure("buffer_ratio", "share", 1.0, "how full the buffer is", _nothing),
    Figure("unsent_seconds", "s", INFINITE, "age of the oldest number headquarters does not have", _nothing),
    Figure("offline_seconds", "s", INFINITE, "time since headquarters was last reached", _nothing),
    Figure("clock_trusted", "0 or 1", 1.0, "whether the agent's clock can be trusted", _nothing),
    Figure("memory_mb", "MB", INFINITE, "memory the agent uses", _nothing),
    Figure("certificate_days", "days", INFINITE, "days until the device's certificate ends", _nothing),
)
FIGURES: dict[str, tuple[Figure, ...]] = {
    "store": STORE_FIGURES,
    "zone": ZONE_FIGURES,
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
    for sensor in layout.sensor:
        found[f"{sensor.id}/sensor"] = ("sensor", sensor)
        found |= {f"{sensor.id}/line:{line.number}": ("line", line) for line in sensor.line}
        found |= {f"{sensor.id}/region:{region.number}": ("region", region) for region in sensor.region}
    return found | {"agent": ("agent", None)}


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
        if answer.why_not.startswith(_OTHER_PURPOSE[:19]):
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
    name = getattr(subject, "name", "")
    if level == "zone":
        return f"zone {name} ({_as_zone(subject).purpose})"
    return f"{scope} ({name})" if name else scope
