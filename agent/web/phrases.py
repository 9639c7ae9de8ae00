"""How the page says numbers, stretches and moments; and what a text loses before a stranger on the network reads it."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from agent.web.view import LineCheck, ZoneView

MOST_TEXT = 400  # characters of a problem: enough for a sentence and a line of configuration
YEAR = 365 * DAY

URL = re.compile(r"\b[a-z][a-z0-9+.-]*:/{2}\S+", re.IGNORECASE)
PATH = re.compile(r"(?<![\w.])/(?:[^\s/:'\",]+/)+(?=[^\s/])")
HOST_PORT = re.compile(r"\b(?:[\w-]+\.)+(?!toml\b)[a-z]{2,}:\d+", re.IGNORECASE)
AFTER_HOST = re.compile(r"(?<=\bhost )\S+", re.IGNORECASE)
IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?")
COLONS = re.compile(r"\[?[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*(?:%\w+)?\]?", re.IGNORECASE)
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)
HIDDEN = "(address)"


class Moment(NamedTuple):
    """A moment as it is shown, and as RFC 3339 with the store's zone for `<time datetime>`."""

    text: str
    iso: str


Sentence = tuple[str | Moment, ...]


def checked(check: LineCheck) -> str:
    """What counts by hand say of a line: line 1 counts 96 % of those who come in (88 to 99 %; 53 seen)."""
    who = "come in" if check.way == "in" else "go out"
    share, lower, upper = (f"{100 * part:.0f}" for part in (check.share, check.lower, check.upper))
    line = check.place.replace(":", " ")
    return f"{line} counts {share} % of those who {who} ({lower} to {upper} %; {check.by_hand} seen)"


def number(value: float) -> str:
    """With commas: 1,203."""
    return f"{value:,.0f}"


def counted(value: int, what: str) -> str:
    """With its noun: 1 row, 1,203 rows."""
    return f"{number(value)} {what}" if value == 1 else f"{number(value)} {what}s"


def stretch(seconds: float) -> str:
    """In the largest unit that leaves at least two of it."""
    if seconds < 2 * MINUTE:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds // MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR:.0f} h"
    return f"{seconds // DAY:,.0f} days" if seconds < 2 * YEAR else f"{seconds // YEAR:,.0f} years"


def ago(moment: float, now: float, zone: ZoneInfo) -> Moment:
    """How long ago; a moment that a clock has put into the future is now."""
    since = now - moment
    return Moment("just now" if since < 1 else f"{stretch(since)} ago", iso(moment, zone))


def at(moment: float, now: float, zone: ZoneInfo) -> Moment:
    """The store's wall clock, with the date where it is not today's."""
    local, today = datetime.fromtimestamp(moment, zone), datetime.fromtimestamp(now, zone)
    spec = "%H:%M" if local.date() == today.date() else "%a %-d %b, %H:%M"
    return Moment(local.strftime(spec), iso(moment, zone))


def iso(moment: float, zone: ZoneInfo) -> str:
    """RFC 3339 with the store's own offset."""
    return datetime.fromtimestamp(moment, zone).isoformat(timespec="seconds")


def anonymous(text: str) -> str:
    """A problem as anyone in the store may read it: no addresses and no folders, and not without end."""
    text = PATH.sub("", text[: 4 * MOST_TEXT])
    for pattern in (URL, AFTER_HOST, HOST_PORT, IPV4):
        text = pattern.sub(HIDDEN, text)
    text = COLONS.sub(lambda found: HIDDEN if _is_address(found[0]) else found[0], text)
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"


def _is_address(text: str) -> bool:
    if MAC.fullmatch(text):
        return True
    try:
        ipaddress.IPv6Address(text.strip("[]").rstrip(".").partition("%")[0])
    except ValueError:
        return False
    return True


def zone_now(zone: ZoneView) -> str:
    """What a zone is like now, in a few words; says so where its sensors have told nothing lately."""
    told = []
    if zone.waiting is not None:
        told.append(f"{number(round(zone.waiting))} waiting")
    elif zone.present is not None:
        told.append("1 person" if round(zone.present) == 1 else f"{number(round(zone.present))} people")
    if zone.wait_s is not None:
        told.append(f"about {counted(max(1, round(zone.wait_s / 60)), 'minute')}")
    if not told and zone.visits is not None:
        told.append(f"{counted(round(zone.visits), 'visit')} in the last hour")
    if zone.staff is not None:
        told.append(f"{number(round(zone.staff))} of the staff" if zone.staff else "no staff")
    elif zone.enters:
        told.append("nobody has entered today whether staff is there")
    return ", ".join(told) or "no numbers yet"
