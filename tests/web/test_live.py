"""Live updates, and names of cameras that are traps."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.web import live
from tests.web.samples import SILENT, STATES, health, sensor, view
from tests.web.shop_window import Read, window

if TYPE_CHECKING:
    import aiohttp


async def events(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """The next event of a stream."""
    line = await answer.content.readuntil(b"\n\n")
    return json.loads(line.removeprefix(b"data: "))


# ---- names that are traps

TRAPS = st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "'-alert(1)-'",
        "</title></time></svg><script>",
        "{{ 7*7 }}{% raw %}",
        "javascript:alert(1)",
        "\r\ndata: {}\r\n\r\n",
        "&lt;b&gt;",
    ]
)
NAME = TRAPS | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAME, NAME, NAME)
async def test_names_stay_names(name, problem, store):
    """Whatever a camera or a configuration is called, the page's elements are the same and the name is only text."""
    plain = view(sensors=(sensor(name="n", problem="p"), SILENT._replace(name="m", problem="q")), store="s")
    ill = (sensor(name=name, problem=problem), SILENT._replace(name=name, problem=problem))
    trapped = plain._replace(sensors=ill, store=store, configuration_problem="", health=health(ill))
    with patch.object(live, "AT_MOST_EVERY", 0):
        async with window(plain) as shop:
            expected = Read((await shop.get())[1])
            shop.show(trapped)
            text = (await shop.get())[1]
            async with shop.session.get(f"{shop.url}/events") as stream:
                streamed = (await events(stream))["html"]
            answer, _ = await shop.get("/api/health")
    found = Read(text)

    assert found.tags == expected.tags
    assert normal(name) in normal("".join(found.text))
    assert text.partition('<div id="live">\n')[2].partition("</div>\n<footer>")[0] == streamed
    assert answer.content_type == "application/json"


def normal(text: str) -> str:
    return "".join(text.split())


# ---- live


async def test_a_change_is_told_at_once():
    """The stream begins with how things stand, and goes on when they change."""
    async with window() as shop, shop.session.get(f"{shop.url}/events") as stream:
        assert stream.content_type == "text/event-stream"
        assert (await events(stream))["title"] == "Working – Lisboa Chiado"  # noqa: RUF001 - as the title has it
        shop.show(STATES["silent"])
        told = await events(stream)
        shop.show(view())
        mended = await events(stream)

    assert told["title"].startswith("1 camera needs attention")
    assert "Car park does not answer" in told["html"]
    assert "Car park does not answer" not in mended["html"]


async def test_listeners_share_a_rendering(monkeypatch):
    """However often things change and however many listen, the store is looked at at most once a second."""
    monkeypatch.setattr(live, "AT_MOST_EVERY", 0.2)
    async with window() as shop:
        streams = [await shop.session.get(f"{shop.url}/events") for _ in range(3)]
        for stream in streams:
            await events(stream)
        before = shop.looks
        for room in range(20):
            shop.show(view(room_s=86400.0 * room))
        last = [await events(stream) for stream in streams]
        for stream in streams:
            stream.close()

    assert len({text["html"] for text in last}) == 1
    assert "<b>19 days</b>" in last[0]["html"]
    assert shop.looks - before == 1


async def test_too_many_listeners_are_sent_away(monkeypatch):
    """Who leaves makes room."""
    monkeypatch.setattr(live, "MOST_LISTENERS", 1)
    async with window() as shop:
        first = await shop.session.get(f"{shop.url}/events")
        await events(first)
        refused, _ = await shop.get("/events")
        first.close()
        while (again := await shop.session.get(f"{shop.url}/events")).status == 503:  # noqa: ASYNC110 - only the server knows when the first has left
            await asyncio.sleep(0.02)
        again.close()

    assert refused.status == 503
    assert again.status == 200


async def test_the_agent_stops_although_somebody_listens():
    """An open page does not keep the agent from ending."""
    async with window() as shop:
        stream = await shop.session.get(f"{shop.url}/events")
        await events(stream)
    stream.close()

    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection("127.0.0.1", shop.port)
