"""What the command line asks of the running agent over its socket: who may open the file may also change things."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Wish = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

MOST_BODY = 64 * 1024  # bytes
WITHIN = 30.0  # seconds for an answer


def local_application(page: web.Application, wishes: Mapping[str, Wish]) -> web.Application:
    """The page's answers, and a POST route `/api/NAME` for each wish; a ValueError is told as what is wrong."""
    app = web.Application(client_max_size=MOST_BODY)
    for route in page.router.routes():
        if route.method == "GET" and route.resource is not None and "{" not in route.resource.canonical:
            app.router.add_get(route.resource.canonical, route.handler)
    for name, wish in wishes.items():
        app.router.add_post(f"/api/{name}", _answering(wish))
    return app


def _answering(wish: Wish) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.read())
            if not isinstance(asked, dict):
                raise ValueError("ask with a JSON object")  # noqa: TRY004, TRY301 - told like every other mistake
            async with asyncio.timeout(WITHIN):
                return web.json_response(await wish(asked))
        except (ValueError, TypeError, KeyError) as error:
            return web.json_response({"problem": str(error)}, status=400)
        except TimeoutError:
            return web.json_response({"problem": "the agent is too busy; try again"}, status=503)

    return answer
