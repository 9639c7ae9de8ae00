"""A queue's figures from the lines around it, against the independent simulator's records."""

from __future__ import annotations

import numpy as np
import pytest

from agent.contract.layout import Lanes, Layout, Line, Region, Role, Sensor, Told, Zone
from tests.kernels.worlds import queue
from tests.metrics.days import HOUR, START, row
from tests.metrics.test_windows import Store, named

ZONE = "zone:tills"
WORLD = queue("mm3_rho0.9")


def layout(**zone):
    lines = (Line(number=1, role=Role.INTERNAL), Line(number=2, role=Role.INTERNAL))
    tills = Sensor(id="tills", line=lines, region=(Region(number=1),), tells=(Told.CROSSINGS, Told.OCCUPANCY))
    door = Sensor(id="door", line=(Line(number=1),))
    made = Zone(name="tills", purpose="queue", **zone)
    return Layout(
        version="1", effective_from="2026-03-01", time_zone="Europe/Lisbon", sensor=(tills, door), zone=(made,)
    )


BY_LINES = {"joins": ("tills/line:1",), "leaves": ("tills/line:2",), "lanes": Lanes(most=8, usual=3, service_s=120)}


def crossings(first, last):
    made = []
    for minute in range(first, last):
        start = START + 60 * minute
        for place, counts in (("line:1", WORLD.joined), ("line:2", WORLD.left)):
            made.append(row("tills", place, "in", start, start + 60, float(counts[minute])))
            made.append(row("tills", place, "out", start, start + 60, 0.0))
    return made


@pytest.fixture(scope="module")
def store():
    """Twelve hours of a queue of three tills, counted where people join and where they are served."""
    made = Store(layout(**BY_LINES))
    made.rows = made.told(crossings(0, 720), START + 12 * HOUR + 1)
    return made


def test_the_lines_say_how_many_wait(store):
    """Joined less left is the queue, minute by minute."""
    np.testing.assert_allclose(store.day.areas[ZONE].inside[:719], WORLD.length[1:720])


def test_the_wait_is_that_of_the_records(store):
    """By quarters and by Little's law, weighted by who left: within a tenth of what the customers waited."""
    waits, served = named(store.rows, "wait_time", ZONE), named(store.rows, "throughput", ZONE)
    starts = [start for start, one in waits.items() if one.value is not None]
    mean = np.average([waits[s].value for s in starts], weights=[served[s].value for s in starts]) / 60

    assert mean == pytest.approx(WORLD.wait[WORLD.arrival < 720].mean(), rel=0.1)


def test_the_wait_of_who_joins_now_has_bounds(store):
    """Between its quantiles, in seconds, from the queue that stands and the rate at which it moves."""
    now = store.live(START + 12 * HOUR + 1)
    wait = now["wait_time", ZONE]

    assert wait.lower < wait.value < wait.upper
    assert now["queue_length", ZONE].value == WORLD.length[720]
    assert 20 < wait.value / (WORLD.length[720] + 0.5) < 120


def test_tills_are_enough_for_who_comes(store):
    """Never fewer than a stable queue needs, never more than there are."""
    needed = [one.value for one in named(store.rows, "lanes_needed", ZONE).values()]
    joined = WORLD.joined[:720].reshape(-1, 15).mean(axis=1)

    assert all(lanes * 0.5 > arrivals for lanes, arrivals in zip(needed, joined, strict=True) if lanes < 8)
    assert max(needed) <= 8


def test_nobody_gave_up(store):
    """All who joined were served: less than a twentieth is put down as abandoned, by where the hours are cut."""
    shares = [one.value for one in named(store.rows, "abandonment_rate", ZONE).values()]

    assert np.mean(shares) < 0.1


def test_a_device_that_tells_how_many_wait():
    """The region's own count is taken as it is; without a line that counts who leaves there is no wait."""
    store = Store(layout(places=("tills/region:1",), capacity=10))
    rows = [row("tills", "region:1", "occupancy", START + 60 * m, START + 60 * m + 60, float(m % 5)) for m in range(60)]
    told = store.told(rows, START + HOUR + 1)

    assert [one.value for one in named(told, "queue_length", ZONE).values()] == [2.0] * 4
    assert [one.value for one in named(told, "occupancy_ratio", ZONE).values()] == [0.2] * 4
    assert named(told, "wait_time", ZONE) == {}
    assert store.live(START + HOUR + 1)["queue_length", ZONE].value == 4.0


def test_a_device_that_falls_silent_is_not_believed_for_long():
    """Three minutes after its last word nobody knows how many wait, and no figure says so."""
    store = Store(layout(places=("tills/region:1",)))
    store.told([row("tills", "region:1", "occupancy", START, START + 60, 3.0)], START + 61)

    assert store.live(START + 180)["queue_length", ZONE].value == 3.0
    store.told([], START + 600)
    assert ("queue_length", ZONE) not in store.live(START + 600)
