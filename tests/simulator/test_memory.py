from __future__ import annotations

from datetime import datetime

import pytest

from agent.simulator.cgi import Denied
from tests.simulator.shops import (
    CAMERA,
    COUNTERS,
    FRIDAY,
    HEAT,
    LINES,
    REGIONS,
    Hand,
    ask,
    between,
    column,
    day,
    memory,
    rows,
    scenario,
)

BOTH_DOORS = [{"number": 1, "counts": "door:main"}, {"number": 2, "counts": "door:side"}]
NOON = between(LINES, "2026-11-20-12:00:00", "2026-11-20-12:59:59")
HEADER_17 = (
    "StartTime, EndTime, Tolal - In, Tolal - Out, Tolal - Sum, Line1 - In, Line1 - Out, Line1 - Sum, "
    "Line2 - In, Line2 - Out, Line2 - Sum, Line3 - In, Line3 - Out, Line3 - Sum, Line4 - In, Line4 - Out, Line4 - Sum"
)


def camera(**changes):
    return {**CAMERA, **changes}


def counters(asked):
    """The running counters in plain form."""
    pairs = (line.split("=") for line in ask(asked, f"{COUNTERS}&format=inf").splitlines())
    return {name: int(value) for name, value in pairs}


# ---- rows


def test_the_same_question_has_the_same_bytes():
    """Two cameras of one seed answer alike, whatever they were asked before."""
    one, other = memory(scenario(), Hand()), memory(scenario(), Hand())
    for date in ("2026-11-13", "2026-11-19", "2026-11-11"):
        ask(other, day(LINES, date))

    assert ask(one, day(LINES, "2026-11-12")) == ask(other, day(LINES, "2026-11-12"))


def test_the_running_hour_grows_to_what_happened():
    """Its row never falls, and ends as the truth of that hour."""
    clock = Hand("2026-11-20T12:00:00+00:00")
    asked = memory(scenario(), clock)
    told = []
    for _ in range(121):
        told.append(column(ask(asked, NOON), "Line1 - In")[0])
        clock.move(30)
    hour = next(asked.hours(datetime(2026, 11, 20, 12), datetime(2026, 11, 20, 12), 1))  # noqa: DTZ001 - naive

    assert told == sorted(told)
    assert told[0] == 0 < told[60] < told[-1]
    assert next(asked.happened(hour)) == ("line:1", "in", told[-1])


def test_without_misses_all_doors_balance():
    """Over a whole day the total in is the total out, and the totals are the sum of the lines."""
    body = ask(memory(scenario(camera(line=BOTH_DOORS)), Hand()), day(LINES, "2026-11-19"))

    assert sum(column(body, "Tolal - In")) == sum(column(body, "Tolal - Out")) > 500
    assert all(
        int(row["Tolal - Sum"]) == sum(int(row[f"Line{n} - {way}"]) for n in (1, 2, 3, 4) for way in ("In", "Out"))
        for row in rows(body)
    )


def test_the_end_is_included():
    """A question until 13:00:00 is also answered for the hour that begins then; until 12:59:59 it is not."""
    asked = memory(scenario(), Hand())
    with_next = rows(ask(asked, between(LINES, "2026-11-20-12:00:00", "2026-11-20-13:00:00")))

    assert [row["StartTime"] for row in with_next] == ["2026/11/20 12:00:00", "2026/11/20 13:00:00"]
    assert [row["EndTime"] for row in rows(ask(asked, NOON))] == ["2026/11/20 12:59:59"]


def test_hours_not_yet_begun_are_zeros():
    """Whoever asks beyond now gets rows for the future, which tell nothing and are no truth."""
    body = ask(memory(scenario(), Hand()), day(LINES, "2026-11-20"))
    values = column(body, "Line1 - In")

    assert len(values) == 24
    assert all(value > 0 for value in values[8:15])
    assert values[15:] == [0] * 9


def test_without_an_end_the_report_has_its_length():
    """A daily report goes to the end of its day, a weekly one over seven."""
    asked = memory(scenario(), Hand())

    assert len(rows(ask(asked, f"{LINES}&time_start=2026-11-19-00:00:00"))) == 24
    assert len(rows(ask(asked, f"{LINES.replace('type=0', 'type=1')}&time_start=2026-11-12-00:00:00"))) == 7 * 24


@pytest.mark.parametrize(("nothing", "body"), [("header", HEADER_17 + "\n"), ("zero-length", "")])
def test_before_its_memory_there_is_nothing(nothing, body):
    """A forgotten hour has no row, least of all one of zeros."""
    asked = memory(scenario(camera(nothing=nothing)), Hand())

    assert len(rows(ask(asked, between(LINES, "2026-11-09-00:00:00", "2026-11-10-23:59:59")))) == 24
    assert ask(asked, day(LINES, "2026-11-09")) == body


def test_heat_is_remembered_for_a_week():
    """Without a memory card the heat of more than seven days ago is gone, in dash dates."""
    asked = memory(scenario(camera(heat=True)), Hand())
    body = ask(asked, between(HEAT, "2026-11-10-00:00:00", "2026-11-13-23:59:59"))

    assert body.startswith("StartTime,EndTime,Value(s)\n2026-11-13 00:00:00,2026-11-13 00:59:59,")
    assert len(rows(body)) == 24


def test_heat_is_the_time_in_view():
    """Person-seconds of everything the camera sees, ten times as much on the models whose readers divide."""
    shoes = {"number": 1, "watches": "zone:shoes"}
    plain = memory(scenario(camera(heat=True, region=[shoes])), Hand())
    scaled = memory(scenario(camera(heat=True, region=[shoes], heat_scale=10)), Hand())
    values = column(ask(plain, day(HEAT, "2026-11-19")), "Value(s)")
    visits = column(ask(plain, day(REGIONS, "2026-11-19")), "region1")

    assert sum(values) > 60 * sum(visits) > 0
    assert sum(column(ask(scaled, day(HEAT, "2026-11-19")), "Value(s)")) == pytest.approx(10 * sum(values), rel=0.01)


def test_a_camera_without_heat_has_none():
    """Only panoramic models have it."""
    with pytest.raises(Denied, match="404"):
        ask(memory(scenario(), Hand()), day(HEAT, "2026-11-19"))


# ---- how columns are written


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("tolal", HEADER_17),
        ("total", HEADER_17.replace("Tolal", "Total")),
        ("no-total", HEADER_17.replace(" Tolal - In, Tolal - Out, Tolal - Sum,", "")),
        ("seven", "StartTime,EndTime,Line1 - In,Line2 - In,Line3 - In,Line4 - In,Line4 - Out"),
    ],
)
def test_a_line_header_is_written_as_seen(header, first):
    """Letter for letter, with the blanks of the header and none in the data."""
    told, row, rest = ask(memory(scenario(camera(header=header)), Hand()), NOON).split("\n")

    assert told == first
    assert row.startswith("2026/11/20 12:00:00,2026/11/20 12:59:59,")
    assert row.count(",") == first.count(",")
    assert rest == ""


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("statistics_type=0&linetype=3", ["Tolal - In", "Line1 - In"]),
        ("statistics_type=1&linetype=16", ["Line4 - Out"]),
        ("statistics_type=2&linetype=2", ["Line1 - In", "Line1 - Out", "Line1 - Sum"]),
        ("type=4&linetype=1", ["Tolal - Sum"]),
    ],
)
def test_only_what_was_asked_for(query, columns):
    """`statistics_type` (or the older `type`) chooses what, the bits of `linetype` the total and the lines."""
    asked = f"/dataloader.cgi?dw=vcalogcsv&report_type=0&{query}"
    body = ask(memory(scenario(), Hand()), day(asked, "2026-11-19"))

    assert list(rows(body)[0])[2:] == columns


def test_regions_are_lower_case_with_their_sum():
    """Four columns whether or not a region is drawn, slash dates."""
    regions = [{"number": 2, "watches": "zone:shoes"}, {"number": 3, "watches": "door:main"}]
    body = ask(memory(scenario(camera(region=regions)), Hand()), day(REGIONS, "2026-11-19"))
    told = rows(body)

    assert body.startswith("StartTime,EndTime,region1,region2,region3,region4,Sum\n2026/11/19 00:00:00,")
    assert sum(column(body, "region2")) > 100
    assert {row["region1"] for row in told} == {"0"}
    assert all(int(row["Sum"]) == int(row["region2"]) + int(row["region3"]) for row in told)


@pytest.mark.parametrize("query", ["&time_start=yesterday", "&statistics_type=9&time_start=2026-11-19-00:00:00", ""])
def test_a_question_that_is_none_is_refused(query):
    """400, and no rows that nobody asked for."""
    with pytest.raises(Denied, match="400"):
        ask(memory(scenario(), Hand()), f"/dataloader.cgi?dw=vcalogcsv{query}")


# ---- what the camera makes of what happened


def test_an_inverted_line_tells_ins_as_outs():
    """The arrow was drawn the wrong way."""
    line = {"number": 1, "counts": "door:main"}
    right = ask(memory(scenario(camera(line=[line])), Hand()), day(LINES, "2026-11-19"))
    wrong = ask(memory(scenario(camera(line=[{**line, "inverted": True}])), Hand()), day(LINES, "2026-11-19"))

    assert column(right, "Line1 - In") == column(wrong, "Line1 - Out") != column(right, "Line1 - Out")


def test_a_camera_misses_some():
    """One in five ins, no out, and the truth is not touched."""
    line = {"number": 1, "counts": "door:main", "miss_in": 0.2}
    clock = Hand()
    whole, some = memory(scenario(), clock), memory(scenario(camera(line=[line])), clock)
    all_day = day(LINES, "2026-11-19")

    told, real = sum(column(ask(some, all_day), "Line1 - In")), sum(column(ask(whole, all_day), "Line1 - In"))

    assert told == pytest.approx(0.8 * real, rel=0.1)
    assert column(ask(some, all_day), "Line1 - Out") == column(ask(whole, all_day), "Line1 - Out")


@pytest.mark.parametrize("skew", [-600, 600])
def test_a_wrong_clock_labels_hours_wrongly(skew):
    """What it calls 12:00 is its own 12:00."""
    right = memory(scenario(), Hand())
    wrong = memory(scenario(camera(clock_skew=skew)), Hand())
    (told,) = column(ask(wrong, NOON), "Line1 - In")
    door = right._sight(datetime(2026, 11, 20, 12).date())["line:1"]  # noqa: DTZ001 - a date
    really = int(datetime.fromisoformat("2026-11-20T12:00:00+00:00").timestamp() - skew) * 1000

    assert told == door.entered(really, really + 3_600_000)


def test_a_clock_that_stands_still_keeps_its_hour():
    """Everything since goes into the hour that it shows; later hours do not begin."""
    clock = Hand()
    asked = memory(scenario(camera(clock_frozen=600)), clock)
    clock.move(3 * 3600)
    values = column(ask(asked, between(LINES, "2026-11-20-13:00:00", "2026-11-20-17:59:59")), "Line1 - In")

    assert asked.local() == datetime(2026, 11, 20, 14, 30)  # noqa: DTZ001 - as a camera shows it
    assert values[1] > 2 * values[0]
    assert values[2:] == [0, 0, 0]


def test_without_power_nothing_is_counted():
    """The stretch in the dark is missing from its hour for ever."""
    clock = Hand("2026-11-20T12:00:00+00:00")
    lit, dark = memory(scenario(), clock), memory(scenario(), clock)
    clock.move(600)
    before = column(ask(dark, NOON), "Line1 - In")
    dark.power_cut()
    clock.move(2400)
    during = column(ask(dark, NOON), "Line1 - In")
    missing = column(ask(lit, NOON), "Line1 - In")[0] - during[0]
    dark.power_back()
    clock.move(3600)

    assert before == during
    assert column(ask(lit, NOON), "Line1 - In")[0] - column(ask(dark, NOON), "Line1 - In")[0] == missing > 0


# ---- the running counters


def test_counters_are_the_day_so_far():
    """Since midnight, in step with the rows."""
    asked = memory(scenario(camera(line=BOTH_DOORS)), Hand())
    body = ask(asked, day(LINES, "2026-11-20"))
    told = counters(asked)

    assert told["current_in_count"] == sum(column(body, "Tolal - In")) > 100
    assert told["current_out_count"] == sum(column(body, "Tolal - Out"))
    assert told["current_capacity_count"] == told["current_in_count"] - told["current_out_count"]


def test_counters_start_again_at_their_time():
    """At the hour of the scenario, by the camera's clock."""
    clock = Hand("2026-11-20T14:59:59+00:00")
    asked = memory(scenario(camera(counter_reset="15:00")), clock)
    before = counters(asked)["current_in_count"]
    clock.move(1)

    assert before > counters(asked)["current_in_count"] == 0


def test_counters_may_never_start_again_by_themselves():
    """Then they run on over midnight, until somebody clears them."""
    clock = Hand()
    asked = memory(scenario(camera(counter_reset="")), clock)
    before = counters(asked)["current_in_count"]
    clock.move(86400)
    after = counters(asked)["current_in_count"]
    asked.clear_counters()

    assert after > before > 0
    assert counters(asked)["current_in_count"] == 0
    assert counters(memory(scenario(camera(auth="none", counter_reset="")), clock))["current_in_count"] > 0


def test_counters_are_javascript():
    """The keys of the vendor's document, on one line, or one a line."""
    body = ask(memory(scenario(), Hand()), COUNTERS)
    keys = [pair.partition("=")[0] for pair in body.split(";")[:-1]]

    assert keys == [
        "var region_entrance_alarm_status",
        "var region_exit_alarm_status",
        "var counter_alarm_status",
        "var current_in_count",
        "var current_out_count",
        "var current_sum_count",
        "var current_capacity_count",
        "var current_counter_alarm",
    ]
    assert "\n" not in body
    assert body == ask(memory(scenario(camera(counter_lines=True)), Hand()), COUNTERS).replace("\n", "")


def test_an_alarm_is_on_while_its_reason_lasts():
    """A full shop, and somebody who has just entered a region."""
    region = [{"number": 1, "watches": "corridor"}]
    clock = Hand(FRIDAY)
    asked = memory(scenario(camera(alarm_threshold=1, region=region, line=BOTH_DOORS)), clock)
    seen = set()
    for _ in range(200):
        told = counters(asked)
        assert told["current_counter_alarm"] == (told["current_capacity_count"] >= 1)
        seen.add((told["region_entrance_alarm_status"], told["region_exit_alarm_status"]))
        clock.move(7)

    assert {(0, 0), (1, 0)} < seen
