"""The control server: asks for the truth, pulls cables and switches faults, on a loopback port of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.contract.times import rfc3339
from agent.simulator.camera import HOST, NetworkCamera
from agent.simulator.installation import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MOST_BYTES = 16 * 1024  # of a command; all are a few dozen


class Command(BaseModel):
    """What to do with one camera, or with all of them (`*`)."""

    model_config = ConfigDict(extra="forbid")
    camera: str = "*"


class Unplug(Command):
    power: bool = False


class Switch(Command):
    kind: FaultKind
    on: bool = True


C = TypeVar("C", bound=Command)


class Control:
    """`GET /truth` and `POST /unplug`, `/plug`, `/fault`, `/clear`."""

    def __init__(self, cameras: Mapping[str, NetworkCamera], now: Callable[[], float]) -> None:
        self._cameras = cameras
        self._now = now
        application = web.Application(client_max_size=MOST_BYTES)
        application.add_routes(
            [
                web.get("/truth", self._truth),
                web.post("/unplug", self._unplug),
                web.post("/plug", self._plug),
                web.post("/fault", self._fault),
                web.post("/clear", self._clear),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)

    async def open(self) -> str:
        """Listen; the URL."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        return f"http://{HOST}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _truth(self, request: web.Request) -> web.Response:
        happened = request.query.get("happened") == "1"
        cameras = {name: self._of(name, happened=happened) for name in self._chosen(request.query.get("camera", "*"))}
        return web.json_response({"now": rfc3339(self._now()), "cameras": cameras})

    def _of(self, name: str, *, happened: bool) -> dict[str, object]:
        camera = self._cameras[name]
        found: dict[str, object] = {
            "url": f"http://{HOST}:{camera.port}",
            "rows": camera.served.rows(),
            "counters": dict(camera.served.counters),
        }
        if happened:
            found["happened"] = _happened(camera)
        return found

    async def _unplug(self, request: web.Request) -> web.Response:
        command = await self._read(Unplug, request)
        for name in self._chosen(command.camera):
            await self._cameras[name].unplug(power=command.power)
        return web.json_response({})

    async def _plug(self, request: web.Request) -> web.Response:
        command = await self._read(Command, request)
        for name in self._chosen(command.camera):
            await self._cameras[name].plug()
        return web.json_response({})

    async def _fault(self, request: web.Request) -> web.Response:
        command = await self._read(Switch, request)
        for name in self._chosen(command.camera):
            if command.kind is not FaultKind.UNPLUGGED:
                self._cameras[name].faults.switch(command.kind, on=command.on)
            elif command.on:
                await self._cameras[name].unplug()
            else:
                await self._cameras[name].plug()
        return web.json_response({})

    async def _clear(self, request: web.Request) -> web.Response:
        command = await self._read(Command, request)
        for name in self._chosen(command.camera):
            self._cameras[name].memory.clear_counters()
        return web.json_response({})

    async def _read(self, model: type[C], request: web.Request) -> C:
        try:
            return model.model_validate_json(await request.read())
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"]) or "command"
            raise web.HTTPBadRequest(text=f"{where}: {problem['msg']}\n") from None

    def _chosen(self, camera: str) -> Iterable[str]:
        if camera == "*":
            return self._cameras
        if camera not in self._cameras:
            raise web.HTTPNotFound(text=f"camera {camera!r} is none of {', '.join(self._cameras)}\n")
        return (camera,)


def _happened(camera: NetworkCamera) -> list[list[object]]:
    """[place, metric, start, end, value] of each drawn line and each hour of the memory until now."""
    memory = camera.memory
    shown = memory.local()
    hours = memory.hours(shown - timedelta(days=memory.history_days + 1), shown, memory.history_days)
    return [
        [place, metric, hour.start, hour.end, value] for hour in hours for place, metric, value in memory.happened(hour)
    ]
