"""Reading Milesight's answers the short way, for the tests."""

from datetime import datetime
from zoneinfo import ZoneInfo

from agent.drivers.milesight import decode

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
