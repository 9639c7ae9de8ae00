"""Numbers, stretches and moments read well, and addresses do not come through."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.web.phrases import HIDDEN, MOST_TEXT, ago, anonymous, at, counted, stretch, zone_now
from agent.web.sparkline import sparkline
from agent.web.view import ZoneView
from tests.web.samples import NOW, SINCE, day

LISBON, KATHMANDU = ZoneInfo("Europe/Lisbon"), ZoneInfo("Asia/Kathmandu")
HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-4, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (2 * HOUR - 1, "119 min"),
        (2 * HOUR, "2 h"),
        (2 * DAY - 1, "47 h"),
        (2 * DAY, "2 days"),
        (729 * DAY, "729 days"),
        (730 * DAY, "2 years"),
        (4e12, "126,839 years"),
    ],
)
def test_stretch(seconds, expected):
    """At least two of its unit, so that nothing is rounded to half."""
    assert stretch(seconds) == expected


def test_counted():
    """One row, several rows."""
    assert [counted(n, "row") for n in (0, 1, 2, 1203)] == ["0 rows", "1 row", "2 rows", "1,203 rows"]


def test_moments_carry_the_stores_zone():
    """What is read by people is relative or local; what is read by programs is RFC 3339 with the offset."""
    assert ago(NOW - 12, NOW, LISBON) == ("12 s ago", "2026-11-20T15:41:58+00:00")
    assert ago(NOW + 3, NOW, LISBON).text == "just now"
    assert at(NOW, NOW, KATHMANDU) == ("21:27", "2026-11-20T21:27:10+05:45")
    assert at(NOW - DAY, NOW, KATHMANDU).text == "Thu 19 Nov, 21:27"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no connection: connection refused", "no connection: connection refused"),
        (
            "line 3, column 9: '2026-11-20 10:42:13' is no number",
            "line 3, column 9: '2026-11-20 10:42:13' is no number",
        ),
        ("Connect call failed ('192.0.2.7', 8883)", f"Connect call failed ('{HIDDEN}', 8883)"),
        ("at 192.0.2.7:80.", f"at {HIDDEN}."),
        ("GET http://u:p@cam.example.com/x?y=1 failed", f"GET {HIDDEN} failed"),
        ("Cannot connect to host cam.example.com:80 ssl:default", f"Cannot connect to host {HIDDEN} ssl:default"),
        ("cam.example.com:443 is away", f"{HIDDEN} is away"),
        ("[2001:db8::7]:80 and fe80::1%eth0", f"{HIDDEN}:80 and {HIDDEN}"),
        ("from 00:1a:2b:3c:4d:5e", f"from {HIDDEN}"),
        ("/etc/footfall/agent.toml:12: a.b", "agent.toml:12: a.b"),
        ("agent.toml:12: mqtt.prot", "agent.toml:12: mqtt.prot"),
    ],
)
def test_anonymous(text, expected):
    """Addresses and folders go; lines, columns and times stay."""
    assert anonymous(text) == expected


@given(st.text(max_size=40), st.ip_addresses(), st.text(max_size=40))
def test_no_address_comes_through(before, address, after):
    """Whatever stands around it, blanks apart."""
    assert str(address) not in anonymous(f"{before} {address} {after}").split()


def test_a_problem_without_end_is_cut():
    """A camera may send megabytes as its excuse."""
    assert len(anonymous("x " * 10_000)) == MOST_TEXT


def test_a_gap_is_drawn_as_a_gap():
    """No bar stands where nothing was told, and a zero has a foot."""
    drawn = sparkline((5.0, None, None, 0.0, None), SINCE, LISBON)

    assert drawn.bars == "M8 36v-36M56 36v-1.5"
    assert drawn.gaps == "M16 35H48M64 35H80"
    assert drawn.words == "Today by the hour: most, 5, from 04:00 to 05:00; no numbers for 3 h"


def test_a_day_without_numbers_says_so():
    """Nothing is not a flat line."""
    assert sparkline((), SINCE, LISBON).words == "Nothing counted yet today"
    assert sparkline((None, None), SINCE, LISBON).bars == ""
    assert sparkline((0.0,), SINCE, LISBON).words == "Today by the hour: nobody so far"


def test_the_longest_day_fits():
    """Twenty-five hours at the end of summer time."""
    assert sparkline((1.0,) * 25, SINCE, LISBON).width == 400
    assert sparkline(day(1), SINCE, LISBON).width == 384


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        (ZoneView("checkout", waiting=4.2, wait_s=190.0), "4 waiting, about 3 minutes"),
        (ZoneView("bar", present=1.0), "1 person"),
        (ZoneView("hall", present=12.4, visits=80.0), "12 people"),
        (ZoneView("shelf", visits=1.0), "1 visit in the last hour"),
        (ZoneView("shelf"), "no numbers yet"),
    ],
)
def test_a_zone_is_told_in_a_few_words(zone, said):
    """Who waits and how long, else who is there, else who came; never a zero for what nobody told."""
    assert zone_now(zone) == said
