"""The whole simulated store: its cameras and the control server, from one scenario and one clock."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypedDict

from agent.simulator.camera import HOST, NetworkCamera
from agent.simulator.control import Control
from agent.simulator.shop import Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from agent.simulator.scenario import Scenario


class Addresses(TypedDict):
    """Where everything listens: the control server's URL, and host:port of each camera by its id."""

    control: str
    cameras: dict[str, str]


@asynccontextmanager
async def open_store(
    scenario: Scenario, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
) -> AsyncIterator[Addresses]:
    """A store that answers until the block is left. `now` is in UTC seconds, `sleep` waits for such seconds.

    Raises:
        OSError: a port of the scenario is taken.
    """
    shop = Shop(scenario)
    async with AsyncExitStack() as open_parts, asyncio.TaskGroup() as tasks:
        cameras: dict[str, NetworkCamera] = {}
        for model in scenario.camera:
            camera = cameras[model.id] = NetworkCamera(model, shop, now)
            open_parts.push_async_callback(camera.close)
            await camera.plug()
        control = Control(cameras, now)
        open_parts.push_async_callback(control.close)
        url = await control.open()
        plans = [tasks.create_task(camera.follow_plan(sleep), name=name) for name, camera in cameras.items()]
        yield {"control": url, "cameras": {name: f"{HOST}:{camera.port}" for name, camera in cameras.items()}}
        for plan in plans:
            plan.cancel()


async def serve(
    scenario: Scenario,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    *,
    ready: Callable[[Addresses], None],
) -> None:
    """Run a store until cancelled; `ready` is called once everything answers.

    Raises:
        OSError: a port of the scenario is taken.
    """
    async with open_store(scenario, now, sleep) as addresses:
        ready(addresses)
        await asyncio.Event().wait()
