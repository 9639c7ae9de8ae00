"""Windows are given out when every live sensor told of them, once, and again only when they say something else."""

from __future__ import annotations

import pytest

from agent.contract.metrics import EDGE_METRICS
from agent.contract.observation import Quality, checked
from agent.metrics.catalog import CATALOG
from agent.metrics.day import Day
from agent.metrics.windows import GRACE, Windows, watermark
from tests.metrics.days import END, HOUR, LAYOUT, START, hours, minutes, row

QUARTER = 900


class Store:
    """A day and its windows, fed and asked as the cycle does it."""

    def __init__(self, layout=LAYOUT):
        self.day = Day(layout, START, END)
        self.windows = Windows(self.day)

    def told(self, rows, now):
        self.day.take(rows)
        return self.windows.due(now, self.day.refresh(now))

    def live(self, now):
        return self.windows.live(now)


def named(rows, metric, place="store"):
    return {one.start: one for one in rows if (one.metric, one.place) == (metric, place)}


def test_each_window_comes_once():
    """Minute by minute, a window is given out with the tick that ends it, and never again unchanged."""
    store, rows = Store(), minutes(0, 120)
    given = []
    for minute in range(120):
        now = START + 60 * minute + 61
        given.append(store.told([one for one in rows if one.start == START + 60 * minute], now))

    assert [n for n, out in enumerate(given) if out] == [14, 29, 44, 59, 74, 89, 104, 119]
    keys = [(one.metric, one.place, one.start) for out in given for one in out]
    assert len(keys) == len(set(keys))
    assert len(keys) / 120 < 1


def test_sums_are_the_rows():
    """Entered over all windows is what all doors told."""
    store, rows = Store(), minutes(0, 120)

    out = named(store.told(rows, START + 2 * HOUR + 1), "footfall")

    counted = sum(
        one.value for one in rows if one.place == "line:1" and one.metric == ("in" if one.sensor == "door-1" else "out")
    )
    assert sum(one.value for one in out.values()) == counted
    assert all((one.n, one.quality) == (QUARTER, Quality.MEASURED) for one in out.values())


def test_a_slow_sensor_makes_it_provisional():
    """What a live sensor has not told of waits its grace, goes out as provisional, and is final when it told."""
    store = Store()
    first, late = minutes(0, 15, sensors=("door-1",)), minutes(0, 15, sensors=("door-2",))
    early = [one for one in late if one.sensor == "door-2" and one.end <= START + 780]
    rest = [one for one in late if one.sensor == "door-2" and one.end > START + 780]

    assert store.told([*first, *early], START + QUARTER + 1) == []
    waited = named(store.told([], START + QUARTER + GRACE), "footfall")
    final = named(store.told(rest, START + QUARTER + GRACE + 1), "footfall")

    assert waited[START].quality & Quality.PROVISIONAL
    assert waited[START].n < final[START].n == QUARTER
    assert final[START].quality == Quality.MEASURED


def test_a_dead_sensor_does_not_hold_the_store_up():
    """After three missed polls it leaves the watermark; completeness falls instead."""
    store = Store()
    out = store.told([*minutes(0, 5), *minutes(5, 30, sensors=("door-1",))], START + 1801)

    assert watermark(store.day) == START + 1800
    assert named(out, "completeness_ratio")[START + QUARTER].value == 0.5
    assert named(out, "footfall")[START + QUARTER].n == QUARTER / 2


def test_less_than_half_is_withheld_and_taken_back():
    """A number with completeness below a half is not published; one published before is withdrawn."""
    store = Store()
    rows = minutes(0, 15)
    assert named(store.told(rows, START + QUARTER + 1), "footfall")[START].value is not None

    gone = [one._replace(value=None) for one in rows if one.start >= START + 360]

    assert named(store.told(gone, START + QUARTER + 2), "footfall")[START].value is None
    assert named(store.told([], START + QUARTER + 3), "footfall") == {}


def test_a_memory_that_knows_more_revises_its_window_alone():
    """The hour's last quarter is told again, and from there on who is inside; nothing before changes."""
    store, rows = Store(), minutes(0, 120)
    store.told(rows, START + 2 * HOUR + 1)

    revised = store.told(hours(rows[: len(rows) // 2], extra=1.0), START + 2 * HOUR + 90)

    assert set(named(revised, "footfall")) == {START + 2700}
    assert min(one.start for one in revised) == START + 2700


def test_what_holds_now_has_bounds():
    """Occupancy and the capture rate carry an interval around the value and their completeness."""
    store = Store()
    store.told(minutes(0, 120), START + 2 * HOUR + 1)

    now = store.live(START + 2 * HOUR + 1)

    for name in ("occupancy", "capture_rate"):
        estimate = now[name, "store"]
        assert estimate.lower <= estimate.value <= estimate.upper
        assert estimate.completeness == pytest.approx(1.0, abs=0.01)


def test_what_cannot_be_measured_is_absent():
    """Without a pavement line there is no capture rate; without a row of a region there is nothing of its zone."""
    layout = LAYOUT.model_copy(update={"sensor": (LAYOUT.sensor[1],), "zone": ()})
    store = Store(layout)
    out = store.told(minutes(0, 60, sensors=("door-2",)), START + HOUR + 1)

    assert {one.metric for one in out} == {
        "footfall", "exits", "net_flow", "occupancy", "occupancy_mean", "occupancy_peak", "completeness_ratio",
        "footfall_last_hour", "footfall_smoothed", "occupancy_trend", "occupancy_p95", "occupancy_sd", "occupied_share",
        "person_seconds",
    }  # fmt: skip


def test_zones_are_told_by_their_regions():
    """Visits and dwell by the hour, utilisation of the zone's capacity by the quarter."""
    store = Store()
    rows = [
        row("door-2", "region:1", "visits", START, START + HOUR, 40.0),
        row("door-2", "region:1", "person_seconds", START, START + HOUR, 6000.0),
    ]
    rows += [row("door-2", "region:1", "occupancy", START + 60 * m, START + 60 * m + 60, 4.0) for m in range(60)]

    out = store.told(rows, START + HOUR + 1)

    assert named(out, "visits", "zone:tills")[START].value == 40.0
    assert named(out, "dwell_time_seconds", "zone:tills")[START].value == 150.0
    assert [one.value for one in named(out, "occupancy_ratio", "zone:tills").values()] == [0.4] * 4


def test_the_rows_keep_the_contract():
    """Every row may be stored, and every metric is one of the contract's, with its unit."""
    for one in Store().told(minutes(0, 240), START + 4 * HOUR + 1):
        assert checked(one).sensor == "store"
        assert one.metric in EDGE_METRICS
    assert sorted(metric.name for metric in CATALOG) == sorted(EDGE_METRICS)
    assert all(metric.unit for metric in CATALOG)
