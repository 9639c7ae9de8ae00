"""Whom the page answers, and what it can be made to do: nothing."""

from __future__ import annotations

import asyncio

import pytest

from agent.web import guard, page
from tests.web.shop_window import window

ROUTES = ("/", "/events", "/api/health", "/healthz", "/static/page.css", "/static/../page.py", "/nothing")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "u@localhost",
        "localhost:x",
        "",
        "[::1",
        "a b",
    ],
)
async def test_other_names_are_misdirected(path, host):
    """A name that an attacker's DNS lets point here gets nothing, on no route."""
    async with window() as shop:
        answer, text = await shop.get(path, headers={"Host": host})

    assert answer.status == 421
    assert "Lisboa" not in text


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "192.0.2.10:8080", "[2001:db8::1]:8080", "store-7.local.", "page.example.com"],
)
async def test_own_names_are_answered(host):
    """Any address, this machine, and what the configuration adds."""
    async with window(hosts=("store-7.local", "Page.example.com")) as shop:
        assert (await shop.get(headers={"Host": host}))[0].status == 200


async def test_no_host_and_two_hosts_are_misdirected():
    """HTTP/1.0 without a Host, or with one for the proxy and one for us."""
    async with window() as shop:
        for lines in (b"GET / HTTP/1.0", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example"):
            reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
            writer.write(lines + b"\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()

            assert status.split()[1] in {b"421", b"400"}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_nothing_can_be_changed(path, method):
    """Only GET and HEAD, whatever the route."""
    async with window() as shop, shop.session.request(method, f"{shop.url}{path}") as answer:
        assert answer.status == 405
        assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", "/events", "/api/health", "/healthz"])
async def test_head_is_get_without_a_body(path):
    """Also of the stream, which ends at once."""
    async with window() as shop, shop.session.head(f"{shop.url}{path}") as answer:
        assert answer.status == 200
        assert await answer.read() == b""


@pytest.mark.parametrize("path", ROUTES)
async def test_every_answer_carries_its_headers(path):
    """Errors too; no other site may read or frame it, and which software answers is nobody's business."""
    async with (
        window() as shop,
        shop.session.get(f"{shop.url}{path}", headers={"Origin": "http://evil.example"}) as got,
    ):
        headers = got.headers

    assert headers["Content-Security-Policy"].startswith("default-src 'self'; frame-ancestors 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "footfall"
    assert not [name for name in headers if name.lower().startswith("access-control-")]


async def test_a_method_nobody_knows_is_no_question():
    """The parser itself refuses it."""
    async with window() as shop, shop.session.request("FOOTFALL", shop.url) as answer:
        assert answer.status in {400, 405}


async def test_questions_have_no_body_and_no_end():
    """A body, a long line, and headers without end are refused, and the next visitor is answered."""
    async with window() as shop:
        assert (await shop.get(data=b"x"))[0].status == 413
        assert (await shop.get(f"/?{'x' * 9000}"))[0].status == 400
        assert (await shop.get(headers={f"X-{i}": "x" for i in range(200)}))[0].status == 400
        assert (await shop.get())[0].status == 200


async def test_who_asks_nothing_is_cut(monkeypatch):
    """A connection that never finishes its first question does not stay."""
    monkeypatch.setattr(guard, "FIRST_REQUEST", 0.05)
    async with window() as shop:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")

        assert await reader.read() == b""
        writer.close()


async def test_a_crowd_is_cut(monkeypatch):
    """Connections beyond the cap are closed, those within it are answered."""
    monkeypatch.setattr(guard, "MOST_CONNECTIONS", 1)
    async with window() as shop:
        assert (await shop.get())[0].status == 200  # and stays open
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)

        assert await reader.read() == b""
        assert (await shop.get())[0].status == 200
        writer.close()


async def test_an_agent_that_cannot_say_says_so(monkeypatch):
    """A question that takes too long is answered, not kept."""
    monkeypatch.setattr(page, "LOOK_WITHIN", 0.05)
    async with window() as shop:
        shop.slow = True

        assert (await shop.get())[0].status == 503


async def test_a_taken_port_is_told():
    """The caller learns it, and nothing is left open."""
    async with window() as shop:
        with pytest.raises(OSError, match="in use"):
            await page.serve(page.application(shop.view, shop.changed), "127.0.0.1", shop.port)
