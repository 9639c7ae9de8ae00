"""The local page over HTTP: what the store shows of itself to whoever stands in it, and to programs as JSON."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import hdrs, web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agent.web.chain import chain
from agent.web.guard import Guard, GuardedSite
from agent.web.live import Live
from agent.web.phrases import ago, anonymous, at, checked, counted, iso, number, stretch, zone_now
from agent.web.sparkline import sparkline
from agent.web.standing import COUNTING, Standing, crossings, standing, waiting_rows, zone_of
from agent.web.taking import ACKNOWLEDGE, STAFF
from agent.web.words import cards, clock_words, verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from agent.web.taking import Taking
    from agent.web.view import StoreView

FOLDER = Path(__file__).parent
ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"  # their names hold a hash of what is in them
LOOK_WITHIN = 5.0  # seconds for gathering what is shown
GZIP_ABOVE = 2000  # bytes; below, it saves less than a packet
KEEP_ALIVE = 15.0
MOST_ALERTS = 20  # shown; a store in which more is wrong needs no longer list

GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)


class Asset(NamedTuple):
    """A file of the page, under a name that changes with it."""

    name: str
    body: bytes
    type: str


def read_assets() -> dict[str, Asset]:
    """Every asset by its plain name."""
    found = {}
    for plain, kind in ASSETS.items():
        body = (FOLDER / "static" / plain).read_bytes()
        stem, _, suffix = plain.rpartition(".")
        found[plain] = Asset(f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{suffix}", body, kind)
    return found


def environment(assets: dict[str, Asset]) -> Environment:
    """The templates with the words they use; everything put into them is escaped."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(number=number, stretch=stretch, anonymous=anonymous)
    made.globals.update(
        ago=ago,
        at=at,
        checked=checked,
        counted=counted,
        crossings=crossings,
        sparkline=sparkline,
        standing=standing,
        zone_now=zone_now,
        COUNTING=COUNTING,
    )
    made.globals["clock_words"] = clock_words
    made.globals["assets"] = {plain: asset.name for plain, asset in assets.items()}
    return made


class Page:
    """The routes. `view` is asked anew for every answer."""

    def __init__(self, view: Callable[[], Awaitable[StoreView]], *, may_take: bool = False) -> None:
        self._view, self._may_take = view, may_take
        assets = read_assets()
        self._assets = {asset.name: asset for asset in assets.values()}
        templates = environment(assets)
        self._page, self._live = templates.get_template("page.html"), templates.get_template("live.html")
        self._take, self._staff = templates.get_template("take.html"), templates.get_template("staff.html")

    async def index(self, request: web.Request) -> web.Response:
        """The page itself."""
        text = self._page.render(told(await self._look(), may_take=self._may_take))
        return _answer(request, text.encode(), "text/html")

    async def live(self) -> dict[str, str]:
        """The part that changes, and the title."""
        words = told(await self._look(), may_take=self._may_take)
        return {"html": self._live.render(words), "title": f"{words['headline']} – {words['view'].store}"}  # noqa: RUF001 - as the page's title has it

    async def health(self, _request: web.Request) -> web.Response:
        """The same for programs."""
        view = await self._look()
        health = view.health.model_dump(mode="json")
        for sensor in health["sensors"]:
            sensor["problem"] = anonymous(sensor["problem"]) if sensor["problem"] else None
        running = view.backfill_done < view.backfill_total
        checks = [one._asdict() for one in view.checks]
        history = {"done": view.backfill_done, "total": view.backfill_total, "running": running}
        return web.json_response(health | {"history": history, "occupancy": view.occupancy, "accuracy": checks})

    async def alerts(self, _request: web.Request) -> web.Response:
        """The open alerts, for programs."""
        view = await self._look()
        since = {alert.id: iso(alert.since, zone_of(view)) for alert in view.alerts}
        shown = [alert._asdict() | {"since": since[alert.id]} for alert in view.alerts]
        return web.json_response({"alerts": shown, "problem": anonymous(view.rules_problem)})

    async def form(self, request: web.Request) -> web.Response:
        """A page of its own for taking an alert on: it stays as it is while somebody types."""
        view = await self._look()
        alert = next((one for one in view.alerts if one.id == request.query.get("alert")), None)
        if alert is None:
            raise web.HTTPNotFound(text="There is no such open alert; it may be over.\n")
        words = told(view, may_take=self._may_take)
        return _answer(request, self._take.render(words | {"alert": alert}).encode(), "text/html")

    async def staff(self, request: web.Request) -> web.Response:
        """A page of its own for saying where staff is."""
        view = await self._look()
        if not any(zone.enters for zone in view.zones):
            raise web.HTTPNotFound(text="In this store nobody enters where staff is.\n")
        return _answer(request, self._staff.render(told(view, may_take=self._may_take)).encode(), "text/html")

    async def healthz(self, _request: web.Request) -> web.Response:
        """Whether the agent answers at all; that cameras are silent is not its fault."""
        await self._look()
        return web.Response(text="ok\n")

    async def static(self, request: web.Request) -> web.Response:
        """An asset by its hashed name."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return _answer(request, asset.body, asset.type, {hdrs.CACHE_CONTROL: FOR_EVER})

    async def _look(self) -> StoreView:
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                return await self._view()
        except TimeoutError:
            raise web.HTTPServiceUnavailable(text="The agent is too busy to say.\n") from None


def told(view: StoreView, *, may_take: bool = False) -> dict[str, Any]:
    """Everything the templates put on the page."""
    said = verdict(view)
    entrances = [both for both in map(crossings, view.sensors) if both]
    return {
        "view": view,
        "zone": zone_of(view),
        "verdict": said,
        "headline": "".join(part if isinstance(part, str) else part.text for part in said.headline),
        "cards": cards(view),
        "chain": chain(view),
        "today": tuple(map(sum, zip(*entrances, strict=True))) or None,
        "incomplete": any(standing(view, sensor) is not Standing.ANSWERS for sensor in view.sensors),
        "waiting": waiting_rows(view),
        "may_take": may_take,
        "most_alerts": MOST_ALERTS,
    }


def _answer(request: web.Request, body: bytes, kind: str, headers: dict[str, str] | None = None) -> web.Response:
    made = web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
    made.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
    if len(body) > GZIP_ABOVE and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        made.body = gzip.compress(body, 5, mtime=0)
        made.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return made


def application(
    view: Callable[[], Awaitable[StoreView]],
    changed: Callable[[], Awaitable[None]],
    *,
    hosts: Collection[str] = (),
    taking: Taking | None = None,
) -> web.Application:
    """The page of one store. `changed` returns at the next change; `hosts` are further names it may be called by.

    Without `taking` nothing can be changed over it.
    """
    page = Page(view, may_take=taking is not None and taking.possible)
    guard = Guard(hosts, forms=[ACKNOWLEDGE, STAFF] if taking else [])
    live = Live(page.live, changed)
    app = web.Application(middlewares=[guard.admit])
    app[GUARD] = guard
    app.on_response_prepare.append(guard.dress)
    app.on_shutdown.append(live.hang_up)
    app.router.add_get("/", page.index)
    app.router.add_get("/events", live.events)
    app.router.add_get("/api/health", page.health)
    app.router.add_get("/api/alerts", page.alerts)
    app.router.add_get(ACKNOWLEDGE, page.form)
    app.router.add_get(STAFF, page.staff)
    if taking:
        app.router.add_post(STAFF, taking.staff)
        app.router.add_post(ACKNOWLEDGE, taking.acknowledge)
    app.router.add_get("/healthz", page.healthz)
    app.router.add_get("/static/{name}", page.static)
    return app


async def serve(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; the port that was taken, and what to `cleanup`. Further sites (a Unix socket) can be put on it.

    Raises:
        OSError: the address cannot be had.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=KEEP_ALIVE,
        max_line_size=2048,
        max_headers=64,
        lingering_time=0,
        shutdown_timeout=2.0,
    )
    await runner.setup()
    try:
        await GuardedSite(runner, app[GUARD], host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]
