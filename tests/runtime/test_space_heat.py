"""The grid of the picture goes the way of every number: read when its hour is over, agreed on, stored once."""

from agent.contract.observation import Origin, Quality
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
