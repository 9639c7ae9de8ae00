"""Each recorded answer of each brand says the numbers that count, and no others."""

import json

import pytest

from agent.drivers.reading.decoded import observations
from tests.drivers.answers import LISBON, shown
from tests.drivers.conftest import DATA

LATER = 1_795_176_000.0  # 2026-11-20T12:00:00Z
DOOR = [("line:1", "in"), ("line:1", "out")]


def table(name):
    brand = name.partition("_")[0]
    return shown(brand, next((DATA / brand).glob(f"{name}*")).read_bytes(), now=LATER)


def values(name):
    told, problems = table(name)
    assert problems == []
    return [row[:3] for row in told]


def of(places, *numbers):
    return [(*place, value) for place, value in zip(places, numbers, strict=True)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("axis_3dpc_export_RECONSTRUCTED.json", of(DOOR, 8, 6)),
        ("axis_3dpc_export_RECONSTRUCTED.csv", of(DOOR * 2, 2, 1, 2, 1)),
        ("axis_aoa_crossline", [("line:1", "in", 0)]),  # 20,960 vehicles crossed, and no person
        ("axis_aoa_accumulated", [("line:1", "in", 70)]),
        ("axis_tvpc_live_sum", of(DOOR, 12, 318)),
        ("axis_tvpc_occupancy_export", of(DOOR * 5, 17, 17, 18, 17, 1, 0, 0, 0, 21, 15)),
        ("axis_retail_data_push", of(DOOR, 4, 3)),
        ("dahua_rpc2_dofind", of(DOOR, 12, 9)),
        ("dahua_getsummary", of(DOOR, 41, 38)),
        ("dahua_attach_stream", of(DOOR, 5, 4)),
        ("hanwha_check_text", [*of(DOOR, 12, 9), ("line:2", "in", 0), ("line:2", "out", 0)]),
        ("hanwha_check_RECONSTRUCTED", [*of(DOOR, 12, 9), ("line:2", "in", 0), ("line:2", "out", 0)]),
        ("hikvision_counting_search_empty", []),
        ("hikvision_counting_search_result", of(DOOR, 15, 11)),
        ("hikvision_search_daily_local", of(DOOR * 2, 3, 2, 3, 2)),
        ("hikvision_event_realtime", of(DOOR, 15, 14)),
        ("hikvision_event_timerange", of(DOOR, 7, 5)),
        ("hikvision_queue_time", [("region:2", "queue_wait", 33)]),
        ("milesight_vs121p", [("region:1", "occupancy", 5), ("region:2", "occupancy", 5)]),
        ("milesight_vs125_dwell", [("region:1", "dwell_mean", 96.799)]),
        ("milesight_vs135_flat", of(DOOR, 0, 0)),
        ("onvif_ej_counter", [("line:1", "in", 41)]),
        ("onvif_counter_notification", [("line:1", "out", 38)]),
        ("vivotek_sc8131_report_push", [*of(DOOR, 1, 2), ("line:2", "in", 0), ("line:2", "out", 0)]),
        ("vivotek_sc8131_report_RECONSTRUCTED.json", of(DOOR, 1, 2)),
        ("vivotek_sc8131_report_RECONSTRUCTED.xml", [("line:2", "in", 4), ("line:2", "out", 0)]),
        ("xovis_v4_line_count", [("line:0", "in", 6), ("line:0", "out", 5)]),
        ("xovis_v4_push_01", [("line:0", "in", 1)]),
        ("xovis_v5_push_01", []),
        ("xovis_v5_push_02", []),
        ("xovis_v5_push_06", []),
        ("xovis_v5_push_07", []),
        ("xovis_v5_push_08", []),
        ("xovis_v5_push_10", [("region:0", "queue_length", 0), ("region:0", "queue_wait", 124.426003)]),
        ("xovis_v5_push_13", [("line:4", "in", 0), ("line:4", "out", 1)]),
        ("generic_table", of(DOOR * 2, 12, 9, 3, 2)),
        ("generic_intervals", of(DOOR * 2, 4, 3, 5, 1)),
        ("generic_described", of(DOOR * 2, 12, 9, 3, 4)),
    ],
)
def test_numbers_that_count(name, expected):
    """One observation for each number that counts: no totals of other numbers, no parts by age, no live tracks."""

    assert values(name) == expected


def test_several_periods_of_one_push():
    """VS125: two lines, and one region's stays and presence; its running totals and groups are the same persons."""

    told = values("milesight_vs125_periodic")

    lines = [(f"line:{n}", way, 0) for n in (1, 2) for way in ("in", "out")]
    assert told[:4] == lines
    assert told[4:] == [
        ("region:1", "dwell_mean", 308.367),
        ("region:1", "dwell_max", 519.934),
        ("region:1", "occupancy", 2),
    ]


def test_hours_of_a_search():
    """Hanwha: 24 hours of two lines and two ways are 96 rows of the last local day that was over."""

    told, problems = table("hanwha_peoplecountsearch")

    assert (len(told), problems) == (96, [])
    assert ("line:1", "in", 6, "2026-11-19T14:00:00Z", "2026-11-19T15:00:00Z") in told
    assert ("line:2", "in", 11, "2026-11-19T20:00:00Z", "2026-11-19T21:00:00Z") in told
    assert sum(row[2] for row in told) == (2 + 6 + 3 + 2 + 2) + (1 + 2 + 2 + 5 + 3) + (1 + 1 + 11) + (
        2 + 1 + 1 + 1 + 6 + 11 + 3 + 2
    )


def test_several_records_of_one_push():
    """Xovis: each record of each logic is an interval of its own, in UTC."""

    told, _ = table("xovis_v5_push_03")

    assert len(told) == 12
    assert ("line:2", "in", 3, "2022-02-25T12:42:00Z", "2022-02-25T12:43:00Z") in told
    assert ("region:1", "occupancy", 0, "2022-02-25T12:41:00Z", "2022-02-25T12:42:00Z") in told


@pytest.mark.parametrize(
    ("name", "origins"),
    [
        ("milesight_vs135_flat", {("push", "measured")}),
        ("hikvision_event_realtime", {("live", "provisional")}),
        ("hikvision_event_timerange", {("push", "measured")}),
        ("hikvision_counting_search_result", {("log", "measured")}),
        ("milesight_vs121p", {("push", "measured")}),
        ("dahua_getsummary", {("live", "provisional")}),
    ],
)
def test_where_a_number_comes_from(name, origins):
    """The memory's numbers are `log`, those sent are `push`, running totals are `live` until differences are made."""

    brand = name.partition("_")[0]
    body = next((DATA / brand).glob(f"{name}*")).read_bytes()
    rows, _ = observations(brand, body, None, LISBON, LATER)

    assert {(row["origin"], row["quality"]) for row in rows} == origins


def test_moment_of_a_total():
    """A running total that was sent belongs to the moment the device's clock showed, not to that of reading."""

    told, _ = table("hikvision_event_realtime")

    assert {row[3:] for row in told} == {("2024-07-08T04:27:24Z", "2024-07-08T04:27:24Z")}


def test_envelope():
    """A body in its envelope and the body alone are the same; an object that has a body and no type is no envelope."""

    path = DATA / "hanwha" / "hanwha_check_text_RECONSTRUCTED.json"
    body = json.loads(path.read_text())["body"]

    assert shown("hanwha", path.read_bytes()) == shown("hanwha", body)
    assert "neither" in shown("hanwha", json.dumps({"body": body}))[1][0]


@pytest.mark.parametrize("name", ["axis_tvpc_occupancy_export", "dahua_rpc2_dofind", "hikvision_search_daily_local"])
def test_local_times_want_a_zone(name):
    """Without a zone, local times are an error that says what to add; and they are read in winter and in summer."""

    brand = name.partition("_")[0]
    body = next((DATA / brand).glob(f"{name}*")).read_bytes()

    assert "--zone" in shown(brand, body, zone=None)[1][0]
    assert shown(brand, body, now=LATER * 2)[1] == []
