"""The quirks of Milesight's cameras that break naive readers, by their numbers in the list of wire formats."""

import pytest

from agent.drivers.base import Garbled, Kind
from agent.drivers.reading.decoded import observations
from tests.drivers.answers import HEADER, LATER, LISBON, lines, read, utc, values


def test_quirk_1_padded_header():
    """Blanks around names and cells, or none at all, make no difference."""

    packed = HEADER.replace(" ", "")
    row = "2025/07/22 10:00:00,2025/07/22 10:59:59,12,9,21,12,9,21"
    padded = row.replace(",", " , ")

    assert read(lines(row)) == read(lines(row, header=packed)) == read(lines(padded)) == read(lines(row).upper())


def test_quirk_2_tolal(recorded):
    """`Total` spelt right is the same column."""

    _, rows, problems = read(recorded("milesight_vcalogcsv_total_spelt_right_RECONSTRUCTED.csv"))

    assert problems == []
    assert values(rows) == {
        ("sensor", "in"): 12,
        ("sensor", "out"): 9,
        ("line:1", "in"): 12,
        ("line:1", "out"): 9,
    }


def test_quirk_3_other_columns(recorded):
    """Columns are found by name: other sets, another order, and columns of no meaning to us."""

    _, rows, _ = read(recorded("milesight_vcalogcsv_10col_RECONSTRUCTED.csv"))
    assert values(rows)["line:3", "out"] == 1
    assert ("sensor", "in") not in values(rows)

    moved = "Line2 - Out,Capacity,EndTime,Line2 - In,StartTime\n3,-7,2025/07/22 10:59:59,4,2025/07/22 10:00:00\n"
    assert values(read(moved)[1]) == {("line:2", "in"): 4, ("line:2", "out"): 3}


@pytest.mark.parametrize("column", ["Line1 - In", "Value(s)", "region1"])
def test_quirk_4_dates(column):
    """Slashes and dashes are dates in every table."""

    slashes = f"StartTime,EndTime,{column}\n2025/07/22 10:00:00,2025/07/22 10:59:59,5\n"

    _, rows, _ = read(slashes)
    assert [row._replace(raw="") for row in rows] == [
        row._replace(raw="") for row in read(slashes.replace("/", "-"))[1]
    ]
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("10:59:59", "2025-07-22T10:00:00Z"),
        ("11:00:00", "2025-07-22T10:00:00Z"),
        ("10:14:59", "2025-07-22T09:15:00Z"),
        ("10:15:00", "2025-07-22T09:15:00Z"),
        ("10:23:17", "2025-07-22T09:23:17Z"),
    ],
)
def test_quirk_5_inclusive_end(end, expected):
    """An end is open: the last second of a minute becomes the next minute, any other end stays."""

    _, rows, _ = read(f"StartTime,EndTime,Line1 - In\n2025/07/22 10:00:00,2025/07/22 {end},5\n")

    assert rows[0].end == utc(expected)


def test_quirk_6_growing_hour():
    """The hour that still runs is there as it stands; `decode` marks it provisional until 90 s after its end."""

    body = lines("2025/07/22 10:00:00,2025/07/22 10:59:59,12,9,21,12,9,21").encode()

    def qualities(now):
        rows, _ = observations("milesight", body, None, LISBON, utc(now))
        return {row["quality"] for row in rows}

    assert qualities("2025-07-22T09:30:00Z") == {"measured+provisional"}
    assert qualities("2025-07-22T10:01:29Z") == {"measured+provisional"}
    assert qualities("2025-07-22T10:01:30Z") == {"measured"}


def test_quirk_7_hours_to_come():
    """Rows of hours not yet begun are left out, whatever they say; the one that begins now is there."""

    body = lines(
        "2025/07/22 10:00:00,2025/07/22 10:59:59,12,9,21,12,9,21",
        "2025/07/22 11:00:00,2025/07/22 11:59:59,0,0,0,0,0,0",
        "2025/07/22 12:00:00,2025/07/22 12:59:59,,,,,,",
    )

    assert [len(read(body, now=utc(now))[1]) for now in ("2025-07-22T09:59:59Z", "2025-07-22T10:00:00Z")] == [4, 8]
    assert read(body, now=utc("2025-07-22T10:30:00Z"))[2] == []
    assert read(body, now=utc("2025-07-22T11:30:00Z"))[2] == ["line 4, column 3: 'Tolal - In' is empty"]


def test_quirk_8_row_twice():
    """A row that comes twice counts once, as it came last."""

    row = "2025/07/22 10:00:00,2025/07/22 10:59:59,{0},0,{0},{0},0,{0}"

    _, rows, problems = read(lines(row.format(4), row.format(5)))

    assert (len(rows), problems) == (4, [])
    assert values(rows)["line:1", "in"] == 5


def test_quirk_9_local_time():
    """Times are read in the camera's zone, winter and summer; without a zone they are an error that says so."""

    body = "StartTime,EndTime,Line1 - In\n2025/{0} 10:00:00,2025/{0} 10:59:59,5\n"

    assert read(body.format("01/22"))[1][0].start == utc("2025-01-22T10:00:00Z")
    assert read(body.format("07/22"))[1][0].start == utc("2025-07-22T09:00:00Z")
    with pytest.raises(Garbled, match=r"line 2, column 1: .*--zone"):
        read(body.format("07/22"), zone=None)


def test_quirk_9_end_of_summer_time():
    """One row for an hour that came twice is an estimate of both; two rows are each their own."""

    row = "2025/10/26 01:00:00,2025/10/26 01:59:59,8"
    once = f"StartTime,EndTime,Line1 - In\n{row}\n"

    shown, _ = observations("milesight", once.encode(), None, LISBON, LATER)
    assert [(x["start"], x["end"], x["value"], x["quality"]) for x in shown] == [
        ("2025-10-26T00:00:00Z", "2025-10-26T02:00:00Z", 8, "estimated")
    ]
    _, rows, _ = read(once + f"{row[:-1]}9\n")
    assert [(row.start, row.value, row.repeated) for row in rows] == [
        (utc("2025-10-26T00:00:00Z"), 8, False),
        (utc("2025-10-26T01:00:00Z"), 9, False),
    ]


def test_quirk_9_quarters_that_came_twice():
    """Quarters of a repeated hour that are there once are one row of both passes: nothing is lost, nothing overlaps."""

    quarters = [f"2025/10/26 01:{m:02}:00,2025/10/26 01:{m + 14:02}:59,{m}" for m in (0, 15, 30, 45)]

    _, rows, problems = read(lines(*quarters, header="StartTime,EndTime,Line1 - In"))

    assert problems == []
    assert [(row.start, row.end, row.value, row.repeated) for row in rows] == [
        (utc("2025-10-26T00:00:00Z"), utc("2025-10-26T02:00:00Z"), 90, True)
    ]


@pytest.mark.parametrize(("count", "problems"), [(0, []), (3, ["line 3, column 1: 'StartTime' is in the hour"])])
def test_quirk_9_start_of_summer_time(count, problems):
    """The hour that never was is left out when it says zero, and a problem when it says more."""

    body = lines(
        "2025/03/30 00:00:00,2025/03/30 00:59:59,5",
        f"2025/03/30 01:00:00,2025/03/30 01:59:59,{count}",
        "2025/03/30 02:00:00,2025/03/30 02:59:59,6",
        header="StartTime,EndTime,Line1 - In",
    )

    _, rows, found = read(body)

    assert [row.value for row in rows] == [5, 6]
    assert rows[0].end == rows[1].start
    assert [problem[: len(problems[0])] for problem in found] == problems


@pytest.mark.parametrize("body", ["", "\r\n", "\ufeff", HEADER, HEADER + "\r\n"])
@pytest.mark.parametrize("zone", [LISBON, None])
def test_quirk_10_no_rows(body, zone):
    """Nothing in the memory, with the header or without, is an answer without rows, not of zeros."""

    assert read(body, Kind.LINES, zone) == (Kind.LINES, [], [])


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (",9,21,12,9,21", "line 3, column 3: 'Tolal - In' is empty"),
        ("12,9,21,-1,9,21", "line 3, column 6: 'Line1 - In' '-1' is no whole number from 0"),
        ("12,9,21,12.5,9,21", "line 3, column 6: 'Line1 - In' '12.5' is no whole number from 0"),
        ("12,9,21,12,9,none", "line 3, column 8: 'Line1 - Sum' 'none' is no whole number from 0"),
        ("12,9,21,12,9", "line 3, column 8: the row breaks off before 'Line1 - Sum'"),
        ("12,9,2", "line 3, column 6: the row breaks off before 'Line1 - In'"),
        ("12,9,21,12,9,21,5", "line 3, column 9: 9 fields where the header has 8"),
    ],
)
def test_quirk_10_bad_cell(cells, problem):
    """A cell that cannot be read costs its row and no other, names line and column, and is never a zero."""

    good = "2025/07/22 {0}:00:00,2025/07/22 {0}:59:59,12,9,21,12,9,21"
    body = lines(good.format(10), f"2025/07/22 11:00:00,2025/07/22 11:59:59,{cells}", good.format(12))

    _, rows, problems = read(body)

    assert len(rows) == 8
    assert {row.start for row in rows} == {utc("2025-07-22T09:00:00Z"), utc("2025-07-22T11:00:00Z")}
    assert len(problems) == 1
    assert problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ("2025/07/22 10:00,x", "line 2, column 2: 'EndTime' 'x' is no date and time"),
        (",2025/07/22 10:59:59", "line 2, column 1: 'StartTime' is empty"),
        ("2025/07/32 10:00:00,2025/07/32 10:59:59", "line 2, column 1: 'StartTime' '2025/07/32 10:00:00' is a day"),
        ("2025/07/22 10:00:00,2025/07/22 09:59:59", "line 2, column 2: 'EndTime' is not after the start"),
        ("2025/07/22 10:00:00,2025/07/22 10:00:00", "line 2, column 2: 'EndTime' is not after the start"),
        ("2025/07/22 10:00:00,2025/08/22 10:00:00", "line 2, column 2: 'EndTime' is not after the start, or more"),
    ],
)
def test_quirk_10_bad_time(times, problem):
    """A time that cannot be read costs its row, and never becomes another time."""

    _, rows, problems = read(f"StartTime,EndTime,Line1 - In\n{times},5\n2025/07/22 12:00:00,2025/07/22 12:59:59,6\n")

    assert [row.value for row in rows] == [6]
    assert problems[0].startswith(problem)


def test_quirk_11_sums():
    """A sum is only a check: In + Out that make another number cost the row."""

    body = lines(
        "2025/07/22 10:00:00,2025/07/22 10:59:59,12,9,21,12,9,21",
        "2025/07/22 11:00:00,2025/07/22 11:59:59,12,9,21,12,9,20",
    )
    _, rows, problems = read(body)
    assert len(rows) == 4
    assert problems == ["line 3, column 8: 'Line1 - Sum' is 20, but what it sums makes 21"]

    regions = (
        "StartTime,EndTime,region1,region2,region3,region4,Sum\n2025/07/22 10:00:00,2025/07/22 10:59:59,1,2,3,4,11\n"
    )
    assert read(regions)[1:] == ([], ["line 2, column 7: 'Sum' is 11, but what it sums makes 10"])
    some = "StartTime,EndTime,region2,Sum\n2025/07/22 10:00:00,2025/07/22 10:59:59,2,11\n"
    assert [row.value for row in read(some)[1]] == [2]


def test_quirk_13_other_settings():
    """Settings may have indices, blanks, quotes of either kind, and may be there twice: the last one holds."""

    body = "var startX[0] = '282'; var current_in_count = \"7\";\r\ncurrent_in_count=8;current_out_count = 3"

    assert values(read(body, Kind.COUNTERS)[1]) == {("sensor", "in"): 8, ("sensor", "out"): 3}


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("var current_in_count='-5'", "current_in_count: '-5' is no whole number from 0"),
        ("var current_in_count=''", "current_in_count: '' is no whole number from 0"),
        ("var current_in_count='1e3'", "current_in_count: '1e3' is no whole number from 0"),
        ("var counter_alarm_status='2'", "counter_alarm_status: '2' is neither 0 nor 1"),
    ],
)
def test_bad_counter(statement, problem):
    """A counter that cannot be read is a problem with its line and column; the others stay."""

    _, rows, problems = read(f"var current_out_count='3';\n{statement};")

    assert values(rows) == {("sensor", "out"): 3}
    assert problems == [f"line 2, column 1: {problem}"]


def test_quirk_17_negative_capacity():
    """A negative capacity is nobody's business here."""

    _, rows, problems = read("var current_in_count='1';var current_out_count='9';var current_capacity_count='-7141';")

    assert values(rows) == {("sensor", "in"): 1, ("sensor", "out"): 9}
    assert problems == []
