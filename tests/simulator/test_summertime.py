"""Lisbon leaves summer time on 2026-10-25 at 01:00 UTC (02:00 becomes 01:00) and enters it on 2026-03-29 at 01:00."""

from __future__ import annotations

from datetime import date

import pytest

from agent.simulator.cgi import answer
from tests.simulator.shops import CAMERA, LINES, Hand, ask, between, column, day, memory, rows, scenario

ONE = between(LINES, "2026-10-25-01:00:00", "2026-10-25-01:59:59")
FIRST_PASS, SECOND_PASS, AFTER = 1792886400, 1792890000, 1792893600  # 00:00, 01:00 and 02:00 UTC
QUERY = {"dw": "vcalogcsv", "time_start": "2026-10-25-01:00:00", "time_end": "2026-10-25-01:59:59"}


def folding(fold):
    clock = Hand("2026-10-25T00:00:00+00:00")
    return memory(scenario({**CAMERA, "fold": fold}), clock), clock


def ins(asked):
    return column(ask(asked, ONE), "Line1 - In")


def cells(asked):
    """(start, end, finished) of the hour's ins, as the oracle has them."""
    found = answer(asked, "/dataloader.cgi", QUERY).cells
    return [(cell.start, cell.end, cell.finished) for cell in found if (cell.place, cell.metric) == ("line:1", "in")]


def both_passes(asked):
    door = asked._shop.day(date(2026, 10, 25)).movements["door:main"]
    return [door.entered(start * 1000, start * 1000 + 3_600_000) for start in (FIRST_PASS, SECOND_PASS)]


def test_twice_makes_25_rows():
    """Each pass has its row, the first one first; the second appears when it begins."""
    asked, clock = folding("twice")
    clock.move(1800)
    during = cells(asked)
    clock.move(1800)
    at_repeat = ins(asked)
    clock.move(86400)

    assert during == [(FIRST_PASS, SECOND_PASS, False)]
    assert at_repeat == [both_passes(asked)[0], 0]
    assert ins(asked) == both_passes(asked)
    assert cells(asked) == [(FIRST_PASS, SECOND_PASS, True), (SECOND_PASS, AFTER, True)]
    assert len(rows(ask(asked, day(LINES, "2026-10-25")))) == 25


def test_merged_keeps_growing():
    """One row for both passes, which spans two hours."""
    asked, clock = folding("merged")
    told = []
    for _ in range(8):
        clock.move(900)
        told += ins(asked)
        assert [cell[:2] for cell in cells(asked)] == [(FIRST_PASS, AFTER)]

    assert told == sorted(told)
    assert told[3] == both_passes(asked)[0]
    assert told[7] == sum(both_passes(asked))
    assert len(rows(ask(asked, day(LINES, "2026-10-25")))) == 24


def test_overwritten_falls_at_the_repeat():
    """The second pass begins at nothing and replaces the first."""
    asked, clock = folding("overwritten")
    clock.move(3599)
    (before,) = ins(asked)
    first = cells(asked)
    clock.move(1)
    (after,) = ins(asked)
    clock.move(3600)

    assert before > after == 0
    assert first == [(FIRST_PASS, SECOND_PASS, False)]
    assert ins(asked) == both_passes(asked)[1:]
    assert cells(asked) == [(SECOND_PASS, AFTER, True)]
    assert len(rows(ask(asked, day(LINES, "2026-10-25")))) == 24


@pytest.mark.parametrize("fold", ["twice", "merged", "overwritten"])
def test_the_skipped_hour_has_no_row(fold):
    """In spring 02:00 follows 00:59:59."""
    asked = memory(scenario({**CAMERA, "fold": fold}), Hand("2026-03-30T12:00:00+00:00"))
    starts = [row["StartTime"] for row in rows(ask(asked, day(LINES, "2026-03-29")))]

    assert len(starts) == 23
    assert starts[:2] == ["2026/03/29 00:00:00", "2026/03/29 02:00:00"]


def test_a_camera_may_live_in_another_zone():
    """Its hours are those of its own zone; what happened is the shop's."""
    lisbon, kolkata = (
        memory(scenario({**CAMERA, "zone": zone}), Hand("2026-11-20T14:20:00+00:00")) for zone in (None, "Asia/Kolkata")
    )

    assert lisbon.local().hour == 14
    assert (kolkata.local().hour, kolkata.local().minute) == (19, 50)
    assert sum(column(ask(kolkata, day(LINES, "2026-11-18")), "Line1 - In")) > 300
