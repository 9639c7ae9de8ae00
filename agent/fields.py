"""What single fields of the agent's configuration may hold: addresses, topics, zones."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from agent.foundation.tables import checked_host

_TOPIC = re.compile(r"(?:[^#+/]*|\+)(?:/(?:[^#+/]*|\+))*(?:/#)?")
MOST_TOPIC = 200


def checked_address(text: str) -> str:
    """Host or host:port and nothing else: no scheme, no password, no path can be smuggled into a request."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?", text)
    if not match or (match[2] and not 0 < int(match[2]) < 65536):  # noqa: PLR2004 - there are that many ports
        raise ValueError('write host or host:port, such as "192.0.2.10" or "192.0.2.10:8080", without http://')
    checked_host(match[1])
    return text


def checked_broker(text: str) -> str:
    """A host, or none."""
    return checked_host(text) if text else ""


def checked_topic(text: str) -> str:
    """What can be subscribed to, or nothing."""
    if text and (len(text) > MOST_TOPIC or not text.isprintable() or not _TOPIC.fullmatch(text)):
        raise ValueError(f"{text[:80]!r} is no topic to subscribe to; write one such as cameras/door-1 or cameras/#")
    return text


def checked_time_zone(text: str) -> str:
    """An IANA time zone."""
    if text not in available_timezones():
        raise ValueError(f"{text!r} is no IANA time zone; write one such as Europe/Lisbon")
    return text
