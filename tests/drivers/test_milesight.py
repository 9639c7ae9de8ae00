"""Every recorded answer of Milesight's cameras is read."""

from agent.drivers.base import Kind
from tests.drivers.answers import LATER, read, utc, values


def test_17_columns(recorded):
    """The answer of a real camera: the total and four lines, hour by hour, sums left out."""

    kind, rows, problems = read(recorded("milesight_vcalogcsv_17col_QUOTED.csv"))

    assert (kind, len(rows), problems) == (Kind.LINES, 20, [])
    assert {row.metric for row in rows} == {"in", "out"}
    first, second = rows[:10], rows[10:]
    assert {(row.start, row.end) for row in first} == {(utc("2025-07-22T09:00:00Z"), utc("2025-07-22T10:00:00Z"))}
    assert values(first)["line:4", "in"] == 282
    assert values(second)["sensor", "in"] == 306
    assert values(second)["line:4", "out"] == 93
    assert first[0].raw == "2025/07/22 10:00:00"


def test_7_columns(recorded):
    """Fewer columns are read by name: what is not told is absent, not zero."""

    kind, rows, problems = read(recorded("milesight_vcalogcsv_7col_THIRDPARTYTEST.csv"))

    assert (kind, len(rows), problems) == (Kind.LINES, 20, [])
    assert values(rows[:5]) == {
        ("line:1", "in"): 15,
        ("line:2", "in"): 23,
        ("line:3", "in"): 8,
        ("line:4", "in"): 45,
        ("line:4", "out"): 42,
    }
    assert (rows[0].start, rows[0].end) == (utc("2025-01-18T10:00:00Z"), utc("2025-01-18T10:15:00Z"))


def test_regions(recorded):
    """Regions are visits, and their sum is no place of its own."""

    kind, rows, problems = read(recorded("milesight_regionalcountlogcsv_THIRDPARTYTEST.csv"))

    assert (kind, len(rows), problems) == (Kind.REGIONS, 16, [])
    assert values(rows[:4]) == {(f"region:{n}", "visits"): x for n, x in [(1, 25), (2, 30), (3, 18), (4, 22)]}


def test_eight_regions(recorded):
    """Eight regions in capitals are eight regions."""

    _, rows, problems = read(recorded("milesight_regionalcountlogcsv_8regions_RECONSTRUCTED.csv"))

    assert [row.value for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert problems == []


def test_heat(recorded):
    """The heat of an hour is person-seconds of the sensor, with dashes in its dates; zero rows stay."""

    kind, rows, _ = read(recorded("milesight_heatmapcsv_RECONSTRUCTED.csv"))

    assert kind is Kind.HEAT
    assert [(row.place, row.metric, row.value) for row in rows] == [
        ("sensor", "person_seconds", 0),
        ("sensor", "person_seconds", 17426),
    ]


def test_status(recorded):
    """The running counters and flags are those of the whole sensor; sums and capacity are left out."""

    kind, rows, problems = read(recorded("milesight_alarmstatus_THIRDPARTYTEST.json"), zone=None)

    assert (kind, problems) == (Kind.COUNTERS, [])
    assert values(rows) == {
        ("sensor", "in"): 45,
        ("sensor", "out"): 38,
        ("sensor", "alarm_counter"): 0,
        ("sensor", "alarm_region_in"): 0,
        ("sensor", "alarm_region_out"): 0,
    }
    assert {(row.start, row.end) for row in rows} == {(int(LATER), int(LATER))}


def test_bare_status(recorded):
    """With `format=inf` the same comes bare, a line each; regions may have flags, and the capacity may be negative."""

    _, rows, problems = read(recorded("milesight_alarmstatus_inf_RECONSTRUCTED.txt"))

    assert problems == []
    assert values(rows)["region:1", "alarm_region_in"] == 1
    assert values(rows)["region:1", "alarm_region_out"] == 0
    assert values(rows)["sensor", "alarm_region_out"] == 1
    assert values(rows)["sensor", "out"] == 52


def test_count_settings(recorded):
    """How counting is set up is known for what it is, and holds no count."""

    assert read(recorded("milesight_vca_count_THIRDPARTYTEST.json")) == (Kind.COUNTERS, [], [])


def test_space_heat(recorded):
    """The picture's heat map becomes non-zero cells of a grid of 32 by 32, and keeps its total."""

    kind, rows, problems = read(recorded("milesight_spaceheatmap_THIRDPARTYTEST.json"), zone=None)

    assert (kind, problems) == (Kind.HEAT, [])
    assert values(rows) == {
        ("cell:11,3", "person_seconds"): 75,
        ("cell:12,3", "person_seconds"): 45,
        ("cell:12,4", "person_seconds"): 55,
    }
