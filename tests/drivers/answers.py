"""Reading Milesight's answers the short way, for the tests."""

from datetime import datetime
from zoneinfo import ZoneInfo

from agent.drivers.milesight import decode
from agent.drivers.reading.brands import brand
from agent.drivers.reading.decoded import observations

LISBON = ZoneInfo("Europe/Lisbon")
LATER = 1_763_640_000.0  # 2025-11-20T12:00:00Z
HEADER = "StartTime, EndTime, Tolal - In, Tolal - Out, Tolal - Sum, Line1 - In, Line1 - Out, Line1 - Sum"


def utc(text):
    return int(datetime.fromisoformat(text).timestamp())


def read(body, kind=None, zone=LISBON, now=LATER):
    body = body.encode() if isinstance(body, str) else body
    found, history = decode(body, kind, zone, now)
    return found, list(history.rows), [str(problem) for problem in history.problems]


def values(rows):
    return {(row.place, row.metric): row.value for row in rows}


def lines(*rows, header=HEADER):
    return "\n".join([header, *rows, ""])


def shown(name, body, zone=LISBON, now=LATER, kind=None):
    """What `footfall-agent decode` prints: (place, metric, value, start, end) of each, and the problems."""
    body = body.encode() if isinstance(body, str) else body
    rows, problems = observations(name, body, kind, zone, now)
    told = [(row["place"], row["metric"], row["value"], row["start"], row["end"]) for row in rows]
    return told, [str(problem) for problem in problems]


def counts(name, body, **how):
    """The values alone, by place and metric; a body that cannot be read at all fails the test."""
    told, problems = shown(name, body, **how)
    assert problems == []
    return [(place, metric, value) for place, metric, value, _, _ in told]


async def listener(rig, name, **options):
    """A driver of this brand that takes messages, as the agent opens it."""
    return brand(name).open_driver(await rig.device("192.0.2.10", **options))
