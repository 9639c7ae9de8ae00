"""The grid of the picture goes the way of every number: read when its hour is over, agreed on, stored once."""

import pytest

from agent.contract.observation import Origin, Quality
from agent.drivers.families import milesight_space
from agent.simulator.scenario import Scenario
from agent.simulator.store import open_store
from tests.runtime.test_collecting import HOUR, NOON, SCENARIO, Hands, agent, ticks

SPOTS = 60  # of the simulated grid, each rounded down
CAMERA = SCENARIO["camera"][0] | {"heat": True, "space_heat": True}


async def test_stored_once(tmp_path):
    """Of an hour there is one row a cell that somebody stood in; together they are the hour's person-seconds."""
    Hands.moment = [float(NOON)]
    clock = Hands()
    async with (
        open_store(Scenario.model_validate(SCENARIO | {"camera": [CAMERA]}), clock.now) as store,
        agent(tmp_path, store, clock) as (collector, _, buffer),
    ):
        await ticks(collector, clock, 64)
        rows = [row for row in await buffer.rows_since(0) if row.metric == "person_seconds" and row.value]
        books = [len(str(await buffer.state("poll:door")))]

    [hour] = [row for row in rows if row.place == "sensor" and row.origin is Origin.LOG]
    cells = [row for row in rows if row.place.startswith("cell:")]
    assert (hour.start, hour.end) == (NOON, NOON + HOUR)
    assert {(row.start, row.end, row.origin, row.quality) for row in cells} == {
        (NOON, NOON + HOUR, Origin.LOG, Quality.MEASURED)
    }
    assert len({row.place for row in cells}) == len(cells) > 20
    assert hour.value - SPOTS <= sum(row.value for row in cells) <= hour.value
    assert books[0] < 4000  # once stored, the cells are no longer remembered


@pytest.mark.parametrize("grids", [0, 1])
async def test_missing_is_told(tmp_path, monkeypatch, grids):
    """Where an hour's grid never comes in time, the hour's seconds are stored and the grid is lost, and said so."""
    read = milesight_space.Space._hour
    left = [grids]

    async def slow(self, row):
        left[0] -= row.start == NOON
        if left[0] < 0:
            raise TimeoutError
        return await read(self, row)

    monkeypatch.setattr(milesight_space.Space, "_hour", slow)
    Hands.moment = [float(NOON)]
    clock = Hands()
    async with (
        open_store(Scenario.model_validate(SCENARIO | {"camera": [CAMERA]}), clock.now) as store,
        agent(tmp_path, store, clock) as (collector, _, buffer),
    ):
        told = []
        append = buffer.append

        async def noted(rows=(), entries=(), *more, **named):
            told.extend(entry for entry in entries if "stood" in entry.reason)
            return await append(rows, entries, *more, **named)

        monkeypatch.setattr(buffer, "append", noted)
        await ticks(collector, clock, 64)
        rows = [
            row for row in await buffer.rows_since(0) if row.metric == "person_seconds" and row.origin is Origin.LOG
        ]

    lost = [(entry.start, entry.end, entry.state) for entry in told]
    assert lost == ([] if grids else [(NOON, NOON + HOUR, "lost")])
    assert {(row.start, row.end) for row in rows} == {(NOON, NOON + HOUR)}
    assert any(row.place.startswith("cell:") for row in rows) == bool(grids)
