"""A layout says what numbers mean, by the store's own clock, and refuses to contradict itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.contract.layout import Layout, valid_at
from agent.contract.measurable import explained, why_not
from agent.foundation.toml import ConfigurationError, load

HEAD = 'version = "1"\neffective_from = 2026-03-02\ntime_zone = "Europe/Lisbon"\n'
DOOR = '[[sensor]]\nid = "door"\nline = [{ number = 1 }, { number = 2 }]\nregion = [{ number = 1 }, { number = 2 }]\n'


def read(tmp_path, text: str) -> Layout:
    path = tmp_path / "layout.toml"
    path.write_text(text)
    return load(path, Layout)


def zone(name: str, more: str, purpose: str = "browsing") -> str:
    return f'[[zone]]\nname = "{name}"\npurpose = "{purpose}"\n{more}\n'


A, B = zone("a", 'places = ["door/region:1"]'), zone("b", 'places = ["door/region:2"]')


@pytest.mark.parametrize(
    ("text", "line", "key", "remedy"),
    [
        (HEAD + DOOR + A + zone("b", 'places = ["door/region:1"]'), 15, "zone.1.places", "write exclusive = false"),
        (HEAD + DOOR + zone("a", ""), 9, "zone.0.name", "has no source; name a region or line in places"),
        (HEAD + DOOR + zone("a", 'places = ["door/region:7"]'), 11, "zone.0.places", "door/region:1"),
        (HEAD + DOOR + A + A, 13, "zone.1.name", "two zones have the name a; give one of them another"),
        (HEAD + DOOR + DOOR, 9, "sensor.1.id", "two sensors have the id door"),
        (HEAD + 'store_type = "fashon"\n' + DOOR, 4, "store_type", 'did you mean "fashion"?'),
        (
            HEAD + "reset_hour = 12\n" + DOOR + '[[opening]]\ndays = ["mon"]\nfrom = "09:00"\nuntil = "20:00"\n',
            4,
            "reset_hour",
            "write reset_hour = 4",
        ),
        (
            HEAD + DOOR + '[[opening]]\ndays = ["mon"]\nfrom = "20:00"\nuntil = "05:00"\n',
            8,
            "opening.0",
            "write reset_hour = 5",
        ),
        (
            HEAD + DOOR + A + '[[relationship]]\nfrom = "a"\nto = "c"\nkind = "adjacent"\n',
            14,
            "relationship.0.to",
            "known here: a",
        ),
        (
            HEAD + DOOR + A + '[[relationship]]\nfrom = "a"\nto = "a"\nkind = "adjacent"\n',
            14,
            "relationship.0.to",
            "cannot be related to itself",
        ),
        (
            HEAD + DOOR + '[[overlap]]\nplaces = ["door/line:1", "door/region:1"]\n',
            9,
            "overlap.0.places",
            "lines with lines",
        ),
        (HEAD + DOOR + zone("a", 'places = ["door/region:1"]\nclosed = true'), 12, "zone.0.closed", "joins and leaves"),
        (
            HEAD + "capacity = 10\n" + DOOR + zone("a", 'places = ["door/region:1"]\ncapacity = 20'),
            13,
            "zone.0.capacity",
            "holds 20 persons and the store 10",
        ),
        (
            HEAD + DOOR + zone("a", 'joins = ["door/line:1"]\nshare_of_store = 0.3'),
            12,
            "zone.0.share_of_store",
            "leave it out",
        ),
        (HEAD + DOOR + '[[opening]]\ndays = ["mon"]\nfrom = "9"\nuntil = "20:00"\n', 10, "opening.0.from", '"09:30"'),
        (HEAD + DOOR + '[[opening]]\ndays = ["mon"]\nfrom = "09:00"\nuntil = "09:00"\n', 8, "opening.0", '"24:00"'),
        (HEAD + DOOR.replace("number = 2 }]\nreg", "number = 1 }]\nreg"), 6, "sensor.0.line.1.number", "the number 1"),
    ],
)
def test_what_contradicts_itself_is_told_with_line_key_and_remedy(tmp_path, text, line, key, remedy):
    """The file, the line, the key, and what to write instead."""
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, text)

    said = str(error.value)
    assert f"layout.toml:{line}: {key}" in said
    assert remedy in said


def test_every_contradiction_is_told_at_once(tmp_path):
    """Nobody mends one mistake at a time."""
    wrong = HEAD + DOOR + zone("a", "") + zone("b", 'places = ["door/region:9"]')

    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, wrong)
    assert len([line for line in str(error.value).splitlines() if "layout.toml:" in line]) == 2


OPEN = (
    '[[opening]]\ndays = ["fri", "sat"]\nfrom = "10:00"\nuntil = "01:30"\n'
    '[[opening]]\ndays = ["sun"]\nfrom = "10:00"\nuntil = "18:00"\n'
)
CLOSED = (
    '[[holiday]]\ndate = 2026-04-03\n[[holiday]]\ndate = 2026-04-04\nhours = [{ from = "12:00", until = "14:00" }]\n'
)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-03-27T12:00+00:00", True),  # a Friday
        ("2026-03-28T01:00+00:00", True),  # the night from Friday to Saturday
        ("2026-03-28T01:30+00:00", False),
        ("2026-03-29T00:45+00:00", True),  # the night in which clocks go forward at 01:00: 00:45 is before
        ("2026-03-29T09:30+01:00", False),
        ("2026-03-29T10:00+01:00", True),  # Sunday, summer time: ten by the clock on the wall
        ("2026-03-29T18:00+01:00", False),
        ("2026-03-30T12:00+01:00", False),  # Monday
        ("2026-04-03T12:00+01:00", False),  # Good Friday
        ("2026-04-04T11:59+01:00", False),
        ("2026-04-04T13:00+01:00", True),
    ],
)
def test_opening_hours_are_the_stores_own(tmp_path, moment, is_open):
    """By its clock, past midnight, through the change of clocks, and on holidays."""
    layout = read(tmp_path, HEAD + DOOR + OPEN + CLOSED)

    assert layout.is_open(datetime.fromisoformat(moment).timestamp()) is is_open


def test_a_store_without_hours_is_always_open(tmp_path):
    """Nothing is kept quiet because somebody left them out."""
    assert read(tmp_path, HEAD + DOOR).is_open(datetime(2026, 3, 2, 3, tzinfo=UTC).timestamp())


def test_the_version_that_holds(tmp_path):
    """The last whose day has come, by the store's midnight; before the first, the first."""
    first = read(tmp_path, HEAD + DOOR)
    second = read(tmp_path, HEAD.replace("2026-03-02", "2026-06-01").replace('"1"', '"2"') + DOOR)
    midnight = datetime.fromisoformat("2026-06-01T00:00+01:00").timestamp()

    assert valid_at((second, first), midnight - 1) is first
    assert valid_at((second, first), midnight) is second
    assert valid_at((second, first), 0) is first


def test_visits_are_not_people_present(tmp_path):
    """A camera that tells visits cannot tell a queue, and says why."""
    reasons = why_not(read(tmp_path, HEAD + DOOR + zone("q", 'places = ["door/region:1"]', "queue")))

    assert reasons["zone:q", "visits"] == ""
    assert "not people waiting" in reasons["zone:q", "queue_length"]
    assert "not measurable" in reasons["zone:q", "wait_time"]


def test_a_queue_between_two_lines_is_measured(tmp_path):
    """Who joined less who was served, and who joined and was not."""
    text = HEAD + DOOR + zone("q", 'joins = ["door/line:1"]\nleaves = ["door/line:2"]', "queue")
    reasons = why_not(read(tmp_path, text))

    assert {reasons["zone:q", name] for name in ("queue_length", "wait_time", "abandonment_rate")} == {""}


def test_a_zone_is_counted_only_where_all_its_borders_are(tmp_path):
    """A line bounds an area only if nobody gets around it."""
    open_zone = why_not(read(tmp_path, HEAD + DOOR + zone("z", 'joins = ["door/line:1"]')))
    closed = why_not(read(tmp_path, HEAD + DOOR + zone("z", 'joins = ["door/line:1"]\nclosed = true')))

    assert "borders" in open_zone["zone:z", "occupancy"]
    assert closed["zone:z", "occupancy"] == ""


def test_words_name_what_is_and_what_is_not(tmp_path):
    """The explanation has a reason beside everything that cannot be measured."""
    said = explained(read(tmp_path, HEAD + DOOR + A))

    assert "Measured" in said
    assert "occupancy_ratio, full_share\n    the store has no capacity; write capacity = N" in said
    assert "capture_rate, draw_ratio\n    no line has role" in said
    assert "queue" not in said
