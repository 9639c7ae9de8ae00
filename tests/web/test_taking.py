"""Taking on an alert over the page: with the PIN, from the page itself, without JavaScript; and by nobody else."""

from __future__ import annotations

import asyncio
import json

import pytest

from agent.web import taking
from agent.web.taking import ACKNOWLEDGE, STAFF, Taking
from agent.web.view import AlertView, ZoneView
from tests.web.samples import NOW, view
from tests.web.shop_window import Read, window

PIN = "493817"
ALERT = AlertView(
    "5f0c2a", "long-queue", "checkout", "warning", "firing", NOW - 700, "9 people wait at <checkout>", "Open a till."
)
SHOWN = view(
    alerts=(ALERT, ALERT._replace(id="77", severity="critical", text="The store is 95% full", state="unknown"))
)


class Store:
    """Notes what was taken on."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.entered: list[dict[str, object]] = []

    async def take(self, alert: str, by: str) -> bool:
        self.taken.append((alert, by))
        return alert == ALERT.id

    async def enter(self, asked: dict[str, object]) -> dict[str, object]:
        if asked["zone"] != "watches":
            raise ValueError(f"there is no zone {asked['zone']}")
        self.entered.append(asked)
        return asked


@pytest.fixture
def store():
    return Store()


async def post(shop, *, pin=PIN, alert=ALERT.id, origin="", **headers):
    given = {"Origin": origin or shop.url} | headers
    data = {"pin": pin, "alert": alert, "by": "shift lead\n"}
    async with shop.session.post(f"{shop.url}{ACKNOWLEDGE}", data=data, headers=given, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location")


async def test_the_page_says_what_is_open_and_what_to_do(store):
    """Severity, state and the next step are words; what an alert says is text and never markup."""
    async with window(SHOWN, taking=Taking(store.take, PIN)) as shop:
        _, text = await shop.get()
        read = " ".join(Read(text).text)

    assert "Warning: 9 people wait at <checkout>" in read
    assert "Critical: The store is 95% full" in read
    assert "Not known whether it still holds: no fresh numbers" in read
    assert "Open a till." in read
    assert f"{ACKNOWLEDGE}?alert={ALERT.id}" in text


async def test_a_form_takes_it_on(store):
    """The link's page has a form that needs no JavaScript; sent, it leads back to the page."""
    async with window(SHOWN, taking=Taking(store.take, PIN)) as shop:
        answer, text = await shop.get(f"{ACKNOWLEDGE}?alert={ALERT.id}")
        form = Read(text)

        assert answer.status == 200
        assert ("action", ACKNOWLEDGE) in form.attributes
        assert ("name", "pin") in form.attributes
        assert "script" not in {tag for tag, _ in form.tags}
        assert await post(shop) == (303, "/#alerts")
    assert store.taken == [(ALERT.id, "shift lead")]


async def test_the_browser_says_where_the_form_came_from():
    """Without a referrer policy that allows it, browsers say that our own form comes from nowhere."""
    async with window(SHOWN) as shop:
        headers = (await shop.get())[0].headers

    assert headers["Referrer-Policy"] == "same-origin"
    assert "form-action 'self'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_no_other_site_can_send_it(store, headers):
    """Also with the right PIN, which it cannot know."""
    async with window(SHOWN, taking=Taking(store.take, PIN)) as shop:
        assert (await post(shop, **headers))[0] == 403
    assert store.taken == []


async def test_who_says_nothing_of_where_it_comes_from_is_refused(store):
    """A browser always says; a program can use the socket."""
    async with window(SHOWN, taking=Taking(store.take, PIN)) as shop:
        data = {"pin": PIN, "alert": ALERT.id}
        async with shop.session.post(f"{shop.url}{ACKNOWLEDGE}", data=data) as answer:
            assert answer.status == 403
    assert store.taken == []


async def test_guessing_costs_time(store, monkeypatch):
    """After a few wrong PINs each further one closes the door for longer, for the right one too."""
    monkeypatch.setattr(taking, "FREE_TRIES", 3)
    async with window(SHOWN, taking=Taking(store.take, PIN)) as shop:
        said = [(await post(shop, pin=f"{n:06}"))[0] for n in range(4)]
        assert said == [403, 403, 403, 429]
        assert (await post(shop))[0] == 429
        await asyncio.sleep(1.1)
        assert (await post(shop))[0] == 303


async def test_without_a_pin_nothing_can_be_changed(store):
    """The page says how to get one, and the form is refused, whatever it says."""
    async with window(SHOWN, taking=Taking(store.take, "")) as shop:
        assert (await post(shop, pin=""))[0] == 403
        _, text = await shop.get()
        assert "I take care of it" not in text
        assert "pin_file" in (await shop.get(f"{ACKNOWLEDGE}?alert={ALERT.id}"))[1]
    async with window(SHOWN) as shop:
        assert (await post(shop))[0] == 405


async def test_a_form_has_its_caps(store):
    """Too large, no form, no such alert."""
    async with window(SHOWN, taking=Taking(store.take, PIN)) as shop:
        assert (await post(shop, pin="9" * 5000))[0] == 413
        assert (await post(shop, alert="gone"))[0] == 404
        headers = {"Origin": shop.url, "Content-Type": "application/json"}
        async with shop.session.post(f"{shop.url}{ACKNOWLEDGE}", data=b"{}", headers=headers) as answer:
            assert answer.status == 415
        assert (await shop.get(f"{ACKNOWLEDGE}?alert=gone"))[0].status == 404


async def test_programs_read_what_is_open(store):
    """As JSON, without addresses; over the socket as well."""
    async with window(SHOWN, taking=Taking(store.take, PIN)) as shop:
        _, text = await shop.get("/api/alerts")
        listed = json.loads(text)["alerts"]

    assert [(one["id"], one["state"]) for one in listed] == [(ALERT.id, "firing"), ("77", "unknown")]
    assert listed[0]["since"].endswith("+00:00")


ZONES = (ZoneView("watches", present=2.0, staff=1.0, enters=True), ZoneView("browsing", present=4.0))


async def tell_staff(shop, **fields):
    data = {"pin": PIN, "zone": "watches", "staff": "2"} | fields
    async with shop.session.post(
        f"{shop.url}{STAFF}", data=data, headers={"Origin": shop.url}, allow_redirects=False
    ) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


async def test_where_staff_is_can_be_said(store):
    """With the PIN, by a form that needs no JavaScript; of the zones alone where people say it."""
    async with window(view(zones=ZONES), taking=Taking(store.take, PIN, store.enter)) as shop:
        assert f'href="{STAFF}"' in (await shop.get())[1]
        form = Read((await shop.get(STAFF))[1])
        assert "2 people, 1 of the staff" in " ".join(form.text)
        assert {value for name, value in form.attributes if name == "value"} == {"watches"}
        assert await tell_staff(shop) == (303, "/#now")
        assert (await tell_staff(shop, pin="000000"))[0] == 403
        assert await tell_staff(shop, staff="many") == (400, "staff is a whole number of persons\n")
        assert await tell_staff(shop, zone="gone") == (400, "there is no zone gone\n")
    assert store.entered == [{"zone": "watches", "staff": 2}]


async def test_where_nobody_says_it_there_is_no_form(store):
    """Devices tag staff there, or nothing does."""
    async with window(view(zones=ZONES[1:]), taking=Taking(store.take, PIN)) as shop:
        assert STAFF not in (await shop.get())[1]
        assert (await shop.get(STAFF))[0].status == 404
        assert (await tell_staff(shop))[0] == 400
