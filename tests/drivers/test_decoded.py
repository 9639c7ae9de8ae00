from zoneinfo import ZoneInfo

from agent.drivers.reading.decoded import observations

LISBON = ZoneInfo("Europe/Lisbon")
LATER = 1_795_000_000.0


def decoded(header, row):
    body = f"StartTime, EndTime, {header}\n2025/07/22 10:00:00,2025/07/22 10:59:59,{row}\n".encode()
    rows, problems = observations("milesight", body, None, LISBON, LATER)
    return [(row["place"], row["metric"], row["value"]) for row in rows], problems


def test_a_total_beside_its_lines_is_no_number_of_its_own():
    """Adding up what decode prints counts nobody twice."""
    rows, problems = decoded(
        "Tolal - In, Tolal - Out, Tolal - Sum, Line1 - In, Line1 - Out, Line1 - Sum", "5,2,7,5,2,7"
    )

    assert rows == [("line:1", "in", 5), ("line:1", "out", 2)]
    assert problems == []


def test_a_total_without_lines_is_all_the_device_tells():
    """A firmware that answers totals alone is read by them."""
    rows, _ = decoded("Total - In, Total - Out", "5,2")

    assert rows == [("sensor", "in", 5), ("sensor", "out", 2)]
