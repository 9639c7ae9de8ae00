"""The whole simulated store: its cameras and the control server, from one scenario and one clock."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from agent.simulator.camera import HOST, NetworkCamera
from agent.simulator.control import Control
from agent.simulator.shop import Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from agent.simulator.scenario import Scenario
    from agent.simulator.sender import Publish


class Addresses(TypedDict):
    """Where everything listens: the control server's URL, and host:port of each camera by its id."""

    control: str
    cameras: dict[str, str]


class SimulatedStore(NamedTuple):
    """What answers, and where."""

    addresses: Addresses
    cameras: dict[str, NetworkCamera]

    async def follow_plans(self, sleep: Callable[[float], Awaitable[None]], publish: Publish | None = None) -> None:
        """Unplug and plug in the cameras at the times of the scenario, and let those send that send.

        It is over when there is nothing left to do. `publish` takes what cameras tell over MQTT.
        """
        async with asyncio.TaskGroup() as plans:
            for name, camera in self.cameras.items():
                plans.create_task(camera.follow_plan(sleep), name=f"cable of {name}")
                plans.create_task(camera.sender.follow(sleep, publish), name=f"messages of {name}")


@asynccontextmanager
async def open_store(scenario: Scenario, now: Callable[[], float]) -> AsyncIterator[SimulatedStore]:
    """A store that answers until the block is left; `now` is in UTC seconds.

    Raises:
        OSError: a port of the scenario is taken.
    """
    shop = Shop(scenario)
    cameras: dict[str, NetworkCamera] = {}
    async with AsyncExitStack() as open_parts:
        for model in scenario.camera:
            camera = cameras[model.id] = NetworkCamera(model, shop, now)
            open_parts.push_async_callback(camera.close)
            await camera.plug()
        control = Control(cameras, now)
        open_parts.push_async_callback(control.close)
        where = {name: f"{HOST}:{camera.port}" for name, camera in cameras.items()}
        yield SimulatedStore({"control": await control.open(), "cameras": where}, cameras)


async def serve(
    scenario: Scenario,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    *,
    ready: Callable[[Addresses], None],
    publish: Publish | None = None,
) -> None:
    """Run a store until cancelled; `ready` is called once everything answers.

    `now` is in UTC seconds and `sleep` waits for such seconds: both are the store's, at whatever speed.

    Raises:
        OSError: a port of the scenario is taken.
    """
    async with open_store(scenario, now) as store:
        ready(store.addresses)
        await store.follow_plans(sleep, publish)
        await asyncio.Event().wait()
