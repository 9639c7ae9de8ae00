"""Zones among each other: who goes where, what jams, and the same numbers whether kernels are compiled or not."""

from __future__ import annotations

import numpy as np
import pytest

from agent.contract.layout import Layout, Line, Region, Relationship, Role, Sensor, Told, Zone
from agent.contract.measurable import why_not
from agent.kernels.registry import KERNELS
from agent.metrics.history import History
from agent.metrics.past import Past
from tests.metrics.days import HOUR, START, row
from tests.metrics.test_windows import Store, named

DAY = 86400
GOES = np.array([[0.90, 0.08, 0.0], [0.0, 0.92, 0.03], [0.0, 0.0, 0.85]])  # hall to shelf to tills, minute by minute


def near(start, to, kind="pathway"):
    return Relationship.model_validate({"from": start, "to": to, "kind": kind})


def layout(**changes):
    tells = (Told.OCCUPANCY, Told.VISITS)
    sensors = (
        Sensor(id="door", line=(Line(number=1),)),
        *(Sensor(id=name, region=(Region(number=1),), tells=tells) for name in ("hall", "shelf", "tills")),
    )
    zones = [Zone(name=n, purpose="browsing", places=(f"{n}/region:1",)) for n in ("shelf", "tills")]
    hall = Zone(name="hall", purpose="entrance", places=("hall/region:1",), joins=("door/line:1",))
    base = {
        "version": "1",
        "effective_from": "2026-03-01",
        "time_zone": "Europe/Lisbon",
        "sensor": sensors,
        "zone": (hall, *zones),
        "relationship": (near("hall", "shelf"), near("shelf", "tills"), near("hall", "tills", "visible")),
    }
    return Layout(**base | changes)


@pytest.fixture(scope="module")
def shop():
    """Twelve hours of people who go from the hall to a shelf to the tills, counted in each; who went where is known."""
    random = np.random.default_rng(5)
    present, moves, rows = np.zeros(3), np.zeros((3, 3)), []
    for minute in range(1440):
        came = float(random.poisson(4.0)) if minute < 720 else 0.0
        start = START + 60 * minute
        went = np.array([random.multinomial(int(n), [*to, 1 - to.sum()]) for n, to in zip(present, GOES, strict=True)])
        rows += [
            row(name, "region:1", "occupancy", start, start + 60, float(n))
            for name, n in zip(("hall", "shelf", "tills"), present, strict=True)
        ]
        rows += [
            row("door", "line:1", way, start, start + 60, n)
            for way, n in (("in", came), ("out", float(went[:, 3].sum())))
        ]
        moves += went[:, :3]
        present = went[:, :3].sum(axis=0)
        present[0] += came
    return rows, moves


def worked_out(rows):
    past = Past(layout(), START, START + DAY, History())
    past.take(rows)
    return past.worked_out().rows


def test_who_goes_where_is_told_by_counts(shop):
    """Persons from the hall to the shelf and from there to the tills within a fifth; only where a relationship says."""
    rows, moves = shop
    told = {one.place: one.value for one in worked_out(rows) if one.metric == "flow"}

    assert told.keys() == {"zone:hall>shelf", "zone:shelf>hall", "zone:shelf>tills", "zone:tills>shelf"}
    assert told["zone:hall>shelf"] == pytest.approx(moves[0, 1], rel=0.2)
    assert told["zone:shelf>tills"] == pytest.approx(moves[1, 2], rel=0.2)
    assert told["zone:tills>shelf"] < 0.1 * moves.sum()


def test_who_goes_where_has_its_interval(shop):
    """By hours drawn anew: it holds the truth here, is no wider than it need be, and is the same each time."""
    rows, moves = shop
    told = {one.place: one for one in worked_out(rows) if one.metric == "flow"}
    again = {one.place: one for one in worked_out(rows) if one.metric == "flow"}

    for place, truth in (("zone:hall>shelf", moves[0, 1]), ("zone:shelf>tills", moves[1, 2])):
        one = told[place]
        assert one.lower <= truth <= one.upper
        assert one.lower < one.value < one.upper
        assert one.upper - one.lower < 0.5 * truth
    assert told == again


def test_a_share_is_of_those_who_left(shop):
    """Eight of ten who leave the hall go to the shelf."""
    rows, _ = shop
    told = {one.place: one.value for one in worked_out(rows) if one.metric == "flow_share"}

    assert told["zone:hall>shelf"] == pytest.approx(0.8, abs=0.12)


def test_flow_says_why_it_is_not_there():
    """Nobody counts who is at the shelf: the ways to and from it are absent with that reason."""
    sensors = [
        one if one.id != "shelf" else one.model_copy(update={"tells": (Told.VISITS,)}) for one in layout().sensor
    ]
    reasons = why_not(layout(sensor=tuple(sensors)))

    assert "nobody counts who is in shelf" in reasons["zone:hall>shelf", "flow"]
    assert ("zone:hall>tills", "flow") not in reasons  # one sees the other, and nobody walks through glass
    assert why_not(layout())["zone:hall>shelf", "flow"] == ""


def test_heat_is_time_by_place_and_hour(shop):
    """Person-seconds of an hour are the people of its minutes, sixty seconds each."""
    rows, _ = shop
    told = named(worked_out(rows), "person_seconds", "zone:shelf")
    first = sum(one.value for one in rows if one.sensor == "shelf" and one.start < START + HOUR)

    assert told[START].value == 60 * first


def test_a_jam_is_what_piles_up():
    """Three a minute come and one leaves: after ten minutes fifteen have piled up beyond what is taken in stride."""
    lines = (Line(number=1, role=Role.INTERNAL), Line(number=2, role=Role.INTERNAL))
    stairs = Zone(name="stairs", purpose="transition", joins=("s/line:1",), leaves=("s/line:2",), closed=True)
    made = layout(sensor=(Sensor(id="s", line=lines),), zone=(stairs,), relationship=())
    rows = [
        row("s", place, way, START + 60 * m, START + 60 * m + 60, n)
        for m in range(20)
        for place, way, n in (
            ("line:1", "in", 3.0 if m >= 10 else 1.0),
            ("line:1", "out", 0.0),
            ("line:2", "in", 1.0),
            ("line:2", "out", 0.0),
        )
    ]
    store = Store(made)
    store.told(rows, START + 1201)

    assert store.live(START + 1199)["bottleneck", "zone:stairs"].value == pytest.approx(10 * (3 - 1 - 0.5))


@pytest.mark.usefixtures("compiled")
def test_a_day_is_the_same_compiled_or_not(shop):
    """Every row of a whole day, flow and all, to the last bit: a board without numba publishes the same numbers."""
    rows, _ = shop
    with_numba = worked_out(rows)
    compiled = [one.compiled for one in KERNELS]
    try:
        for one in KERNELS:
            one.compiled = None
        without = worked_out(rows)
    finally:
        for one, was in zip(KERNELS, compiled, strict=True):
            one.compiled = was

    assert with_numba == without
    assert len(without) > 1000
