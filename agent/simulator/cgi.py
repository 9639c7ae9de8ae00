"""From a request's path and query to an answer: which addresses there are and what their parameters mean."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from agent.simulator import formats
from agent.simulator.brand import Answer, Denied
from agent.simulator.formats import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.simulator.memory import Memory

    Query = Mapping[str, str]

TIME = "%Y-%m-%d-%H:%M:%S"
REPORT_DAYS = {"0": 1, "1": 7, "2": 31, "3": 366}  # daily, weekly, monthly, annual: how far without time_end
STATISTICS = {"0": ("In",), "1": ("Out",), "2": formats.BOTH, "3": formats.BOTH}
OLDER_TYPE = {"0": formats.BOTH, "1": ("In",), "2": ("Out",), "4": ("Sum",)}  # 3, capacity: columns unknown
LAST_SECOND = timedelta(seconds=1)

# What a counting account may not see. The live camera answered 401 or 404.
FORBIDDEN = ("/snapshot.cgi", "/cgi-bin/", "/ipcam/", "/vb.htm")


def answer(memory: Memory, path: str, query: Query) -> Answer:
    """What the camera says to an authorised GET.

    Raises:
        Denied: it says only a status.
    """
    if path == "/dataloader.cgi":
        stream = STREAMS.get(query.get("dw", ""))
        if stream is None:
            raise Denied(404)
        return stream(memory, query)
    if path == "/vb.htm" and query.get("page") == "timeheatmapreport":
        return formats.heat_report(memory, _heat_window(memory, query))
    if path == "/cgi-bin/operator/operator.cgi":
        return _operator(memory, query)
    raise Denied(401 if path.startswith(FORBIDDEN) else 404)


def _operator(memory: Memory, query: Query) -> Answer:
    plain = query.get("format") == "inf"
    if query.get("action") == "get.vca.alarmstatus":
        return formats.alarm_status(memory, memory.counters(), plain=plain)
    if query.get("action") == "get.vca.count":
        return formats.count_settings(memory.camera, plain=plain)
    raise Denied(401)


def _lines(memory: Memory, query: Query) -> Answer:
    if "statistics_type" in query:
        whats = STATISTICS.get(query["statistics_type"])
    else:
        whats = OLDER_TYPE.get(query.get("type", "0"))
    linetype = query.get("linetype", "31")
    if whats is None or not linetype.isdecimal():
        raise Denied(400)
    columns = formats.line_columns(memory.camera.header, int(linetype), whats)
    return formats.lines_csv(memory, _window(query, memory), columns)


def _regions(memory: Memory, query: Query) -> Answer:
    """`regionN=1` chooses columns, none of them means all; the filter by length of stay is accepted and not applied."""
    chosen = [number for number in formats.LINES if query.get(f"region{number}") == "1"]
    return formats.regions_csv(memory, _window(query, memory), chosen or formats.LINES)


def _heat(memory: Memory, query: Query) -> Answer:
    return formats.heat_csv(memory, _heat_window(memory, query))


def _space_heat(memory: Memory, query: Query) -> Answer:
    """502 is what the live camera said; a few models have it."""
    if not memory.camera.space_heat:
        raise Denied(502)
    rng = Random(memory.camera.id)  # noqa: S311 - a simulation
    weights = [rng.random() for _ in range(60)]
    spots = [(rng.randrange(192), rng.randrange(192), weight / sum(weights)) for weight in weights]
    return formats.space_heat(memory, _heat_window(memory, query), spots)


STREAMS: dict[str, Callable[[Memory, Query], Answer]] = {
    "vcalogcsv": _lines,
    "regionalcountlogcsv": _regions,
    "heatmapcsv": _heat,
    "spaceheatmap": _space_heat,
}


def _heat_window(memory: Memory, query: Query) -> Asked:
    """Only panoramic models have heat, and without a memory card they keep seven days of it."""
    if not memory.camera.heat:
        raise Denied(404)
    return _window(query, memory)._replace(days=memory.camera.heat_days)


def _window(query: Query, memory: Memory) -> Asked:
    """`time_start` and `time_end`, camera local time, both included; without an end the length of the report."""
    days = REPORT_DAYS.get(query.get("report_type", "0"))
    try:
        since = datetime.strptime(query.get("time_start", ""), TIME)  # noqa: DTZ007 - a camera's times have no zone
        until = datetime.strptime(query["time_end"], TIME) if "time_end" in query else None  # noqa: DTZ007 - as above
        if days is None:
            raise Denied(400)
        midnight = since.replace(hour=0, minute=0, second=0)
        return Asked(since, until or midnight + timedelta(days=days) - LAST_SECOND, memory.history_days)
    except (ValueError, OverflowError):
        raise Denied(400) from None
