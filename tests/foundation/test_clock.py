"""One clock with a speed, on which processes agree."""

from __future__ import annotations

import time

import pytest

from agent.foundation.clock import Clock, parse_clock


def test_the_plain_clock_is_real_time():
    """Without options the store's time is UTC."""
    before = time.time()
    now = Clock().now()

    assert before <= now <= time.time()


def test_speed_counts_from_the_anchor():
    """At 60 times, a minute of the store is a second, counted from the common anchor."""
    clock = Clock(60.0, 1_000_000.0, time.time() - 10)

    assert clock.now() == pytest.approx(1_000_600, abs=60)
    assert clock.real(60) == 1.0


def test_a_clock_survives_its_text():
    """What one process writes another reads to the same anchor, so that both agree after a restart."""
    clock = parse_clock("60x,2026-03-29T00:30:00+00:00")

    assert parse_clock(clock.text) == clock
    assert clock.store_anchor == 1_774_744_200.0


@pytest.mark.parametrize("text", ["60", "0x", "-1x", "fastx", "nanx", "60x,2026-03-29T00:30:00", "60x,1,b"])
def test_what_is_no_clock_is_refused(text):
    """A speed must be positive and a start must have a zone."""
    with pytest.raises(ValueError, match=r"."):
        parse_clock(text)
