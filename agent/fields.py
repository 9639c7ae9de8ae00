"""What the single fields of a configuration may hold: hosts, addresses, topics, zones."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?")

_TOPIC = re.compile(r"(?:[^#+/]*|\+)(?:/(?:[^#+/]*|\+))*(?:/#)?")
MOST_TOPIC = 200


def _is_ipv6(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.IPv6Address(text))
    return False


def checked_host(text: str) -> str:
    """A name or an address, and nothing else."""
    bracketed = text.startswith("[") and text.endswith("]")
    if not (_is_ipv6(text[1:-1]) if bracketed else _HOST.fullmatch(text)):
        raise ValueError(f"{text!r} is no host name; write an address or a name, without http:// and without user name")
    return text


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


Port = Annotated[int, Field(ge=1, le=65535)]


class Table(BaseModel):
    """A table of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
