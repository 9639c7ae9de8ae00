"""The page over HTTP: what it shows, that it is small, and that everything in it is ours."""

from __future__ import annotations

import gzip
import json
import re
from itertools import pairwise

import aiohttp
import pytest

from agent.contract.messages import Health
from agent.web import page
from agent.web.view import LineCheck, ZoneView
from tests.web.samples import CUT, NAMES, SILENT, STATES, health, sensor, tally, view
from tests.web.shop_window import Read, window

MANY = tuple(sensor(i, id=f"cam-{i}", name=f"{NAMES[i % 4]} {i}", today=(17.0, 211.0) * 12) for i in range(16))
CAP = 60_000  # bytes of the whole page, uncompressed


def assets(text: str) -> list[str]:
    return sorted(set(re.findall(r'"(/static/[^"]+)"', text)))


# ---- what it shows


@pytest.mark.parametrize("state", STATES)
async def test_every_state_has_its_page(state):
    """The verdict comes first, in the title and in the bar."""
    async with window(STATES[state]) as shop:
        answer, text = await shop.get()
    read = Read(text)

    assert answer.status == 200
    title = re.search(r"<title>(.*) – Lisboa Chiado</title>", text)[1]  # noqa: RUF001 - as the title has it
    assert title == "".join(read.text).split("Lisboa Chiado", 2)[1].strip().split("\n")[0].strip()


@pytest.mark.parametrize("state", STATES)
async def test_nobody_learns_an_address(state):
    """Neither the page nor its JSON says where the cameras and the broker are."""
    shown = STATES[state]
    told = "no connection to 192.0.2.9:80 or cam.example.com:80, see /etc/footfall/agent.toml"
    ill = tuple(one._replace(problem=told) for one in shown.sensors)
    async with window(shown._replace(sensors=ill, health=health(ill))) as shop:
        text = (await shop.get())[1] + (await shop.get("/api/health"))[1]

    assert "192.0.2" not in text
    assert "example" not in text
    assert "/etc" not in text


async def test_headings_are_in_order():
    """One h1, and no level is left out."""
    for shown in STATES.values():
        async with window(shown) as shop:
            levels = [int(tag[1]) for tag, _ in Read((await shop.get())[1]).tags if re.fullmatch(r"h[1-6]", tag)]

        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


async def test_only_the_verdicts_words_are_a_live_region():
    """A screen reader hears of a change of state, not of every second that passes."""
    async with window() as shop:
        text = (await shop.get())[1]

    assert re.findall(r'<(\w+)[^>]* aria-live="(\w+)">([^<]*)', text) == [("p", "polite", "Working")]


async def test_times_are_for_people_and_programs():
    """Every moment is RFC 3339 with the store's zone and reads as words."""
    async with window() as shop:
        times = re.findall(r'<time datetime="([^"]+)">([^<]+)</time>', (await shop.get())[1])

    assert ("2026-11-20T15:41:58+00:00", "12 s ago") in times
    assert all(re.fullmatch(r"2026-11-\d\dT\d\d:\d\d:\d\d\+00:00", iso) for iso, _ in times)


async def test_a_fast_clock_is_admitted():
    """A demo's store says that its time is not ours."""
    async with window(view(speed=60.0)) as fast, window() as real:
        assert "clock runs 60 times as fast" in (await fast.get())[1]
        assert "times as fast" not in (await real.get())[1]


async def test_backfill_is_a_bar_with_words():
    """How far, for eyes and for ears."""
    async with window(STATES["backfilling"]) as shop:
        text = (await shop.get())[1]

    assert '<progress id="history" max="1344" value="833">61 %</progress>' in text
    assert "What the cameras remember is being fetched: 61 %" in text


async def test_health_for_programs():
    """The same model that goes to headquarters, and what only the page knows."""
    async with window(view(backfill_done=10, sensors=(SILENT,))) as shop:
        answer, text = await shop.get("/api/health")
    told = json.loads(text)

    assert answer.content_type == "application/json"
    assert told["history"] == {"done": 10, "total": 1344, "running": True}
    assert told["occupancy"] == 87
    assert Health.model_validate(told) == health((SILENT,))


async def test_liveness():
    """Silent cameras are no reason to restart the agent."""
    async with window(STATES["all silent"]) as shop:
        answer, text = await shop.get("/healthz")

    assert (answer.status, text) == (200, "ok\n")


# ---- small, whole, ours


async def test_the_whole_page_is_small():
    """Sixteen cameras, a full day, an outage; with style, script and icon below 60 kB before compression."""
    rows = tally(unsent_backlog=99_999)
    async with window(view(sensors=MANY, uplink=CUT, tally=rows)) as shop:
        text = (await shop.get())[1]
        others = [(await shop.get(path))[1] for path in assets(text)]

    assert len(others) == 3
    assert sum(len(part.encode()) for part in (text, *others)) < CAP


async def test_everything_comes_from_here():
    """No other host is named in the page, its style or its script, and nothing forbidden stands inline."""
    async with window(STATES["refused"]) as shop:
        text = (await shop.get())[1]
        others = {path: (await shop.get(path))[1] for path in assets(text)}
    icon = next(path for path in others if path.endswith(".svg"))
    others[icon] = others[icon].replace('xmlns="http://www.w3.org/2000/svg"', "")

    assert "//" not in text
    assert not any(re.search(r"[a-z]:/{2}|url\(|@import", other) for other in others.values())
    assert not any(name == "style" or name.startswith("on") for name, _ in Read(text).attributes)
    assert ("script", ("src", "defer")) in Read(text).tags
    assert not [tag for tag, names in Read(text).tags if tag == "style" or (tag == "script" and "src" not in names)]


async def test_assets_stay_and_pages_do_not():
    """What has a hash in its name may be kept for ever; what says how things stand may not be kept at all."""
    async with window() as shop:
        text = (await shop.get())[1]
        kept = [(await shop.get(path))[0].headers["Cache-Control"] for path in assets(text)]
        fresh = [(await shop.get(path))[0].headers["Cache-Control"] for path in ("/", "/api/health", "/healthz", "/no")]

    assert set(kept) == {page.FOR_EVER}
    assert set(fresh) == {"no-store"}


async def test_compressed_where_it_is_understood():
    """A metered line pays less, and who cannot unpack gets it plain."""
    async with window() as shop, aiohttp.ClientSession(auto_decompress=False) as raw:
        async with raw.get(shop.url, headers={"Accept-Encoding": "gzip"}) as answer:
            packed = await answer.read()
        async with raw.get(shop.url, headers={"Accept-Encoding": "identity"}) as answer:
            plain = await answer.read()

    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 3


async def test_without_script_it_reloads():
    """The page works with JavaScript off."""
    async with window() as shop:
        assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in (await shop.get())[1]


async def test_no_room_is_said_plainly():
    """Not "room for 0 s more"."""
    async with window(STATES["losing"]) as shop:
        assert "There is no room left." in (await shop.get())[1]


async def test_counts_by_hand_stand_beside_their_camera():
    """On the page in words, and the same for programs."""
    ours = view()
    check = LineCheck(ours.sensors[0].id, "line:1", "in", 53, 51, 0.962, 0.872, 0.99, 900)
    async with window(ours._replace(checks=(check,))) as shop:
        text, told = (await shop.get())[1], json.loads((await shop.get("/api/health"))[1])

    assert text.count("Checked by hand: line 1 counts 96 % of those who come in (87 to 99 %; 53 seen).") == 1
    assert told["accuracy"] == [check._asdict()]


async def test_what_is_written_to_the_card_is_told():
    """By the day, for people and for programs; in the first minutes nothing is claimed."""
    state = view()
    told = state._replace(health=state.health.model_copy(update={"bytes_written_day": 21_640_000}))
    async with window(told) as shop:
        assert "Written to the card 21.6 MB a day" in " ".join(" ".join(Read((await shop.get())[1]).text).split())
        assert (await (await shop.session.get(f"{shop.url}/api/health")).json())["bytes_written_day"] == 21_640_000
    async with window(state) as shop:
        assert "Written to the card" not in (await shop.get())[1]


@pytest.mark.parametrize(("days", "words"), [(598.2, "Certificate ends in 598 days"), (-2.0, "Certificate expired")])
async def test_how_long_the_certificate_lasts_is_told(days, words):
    """Among the facts about the device; without one there is no line."""
    state = view()
    async with window(state._replace(health=state.health.model_copy(update={"certificate_days": days}))) as shop:
        assert words in " ".join(" ".join(Read((await shop.get())[1]).text).split())
    async with window(state) as shop:
        assert "<dt>Certificate</dt>" not in (await shop.get())[1]


async def test_zones_are_there_by_their_names():
    """Each zone of the layout has its line, escaped like everything else, and no zone means no list."""
    zones = (ZoneView("manned-tills", waiting=4.0, wait_s=240.0), ZoneView("bar"))
    async with window(view(zones=zones)) as shop:
        _, text = await shop.get()
    async with window(view()) as shop:
        _, without = await shop.get()

    assert "Manned tills" in text
    assert "4 waiting, about 4 minutes" in text
    assert "no numbers yet" in text
    assert "no numbers yet" not in without
