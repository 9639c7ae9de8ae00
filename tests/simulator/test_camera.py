from __future__ import annotations

import aiohttp
import pytest

from tests.simulator.shops import (
    CAMERA,
    COUNTERS,
    HEAT,
    LINES,
    Hand,
    basic,
    between,
    column,
    day,
    digest,
    running,
    scenario,
)

TODAY = day(LINES, "2026-11-20")
NOON = between(LINES, "2026-11-20-12:00:00", "2026-11-20-12:59:59")


def camera(**changes):
    return {**CAMERA, **changes}


# ---- the door


@pytest.mark.parametrize(
    ("auth", "schemes"),
    [
        ("none", []),
        ("basic", ["Basic"]),
        ("digest", ["Digest"]),
        ("basic-then-digest", ["Basic", "Digest"]),
        ("digest-then-basic", ["Digest", "Basic"]),
    ],
)
async def test_a_camera_challenges_in_its_order(auth, schemes):
    """What is offered opens the door, what is not offered does not."""
    async with running(scenario(camera(auth=auth))) as store:
        refused = await store.get(NOON)
        challenges = refused.headers.getall("WWW-Authenticate", [])
        with_basic = await store.get(NOON, Authorization=basic())
        by_hand = next((digest(said, NOON) for said in challenges if said.startswith("Digest")), "")
        with_digest = await store.get(NOON, Authorization=by_hand)

    assert [challenge.partition(" ")[0] for challenge in challenges] == schemes
    assert refused.status == (401 if schemes else 200)
    assert with_basic.status == (200 if "Basic" in schemes or not schemes else 401)
    assert with_digest.status == (200 if "Digest" in schemes or not schemes else 401)


async def test_aiohttp_speaks_its_digest():
    """A client library that was written elsewhere gets in, again and again on one nonce."""
    async with running(scenario(camera(auth="digest"))) as store:
        middleware = aiohttp.DigestAuthMiddleware("counter", "example")
        async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
            for _ in range(3):
                async with session.get(f"http://{store.addresses['cameras']['door']}{TODAY}") as answer:
                    assert answer.status == 200


async def test_a_wrong_or_replayed_digest_stays_outside():
    """The password, the target and the count must be right, and a nonce it does not know is stale."""
    async with running(scenario(camera(auth="digest"))) as store:
        challenge = (await store.get(NOON)).headers["WWW-Authenticate"]
        good = digest(challenge, NOON)
        statuses = [
            (await store.get(NOON, Authorization=sent)).status
            for sent in (digest(challenge, NOON, "wrong"), digest(challenge, TODAY), good, good)
        ]
        again = await store.get(NOON, Authorization=digest(challenge, NOON, count=2))
        strange = await store.get(NOON, Authorization=digest(challenge.replace("nonce=", 'nonce="0", x='), NOON))

    assert statuses == [401, 401, 200, 401]
    assert again.status == 200
    assert strange.headers["WWW-Authenticate"].endswith("stale=true")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/snapshot.cgi", 401),
        ("/cgi-bin/operator/snapshot.cgi", 401),
        ("/cgi-bin/admin/admin.cgi?action=get.system.information", 401),
        ("/cgi-bin/operator/operator.cgi?action=get.vca.settings", 401),
        ("/dataloader.cgi?dw=spaceheatmap&sub_type=0&time_start=2026-11-20-00:00:00", 502),
        ("/dataloader.cgi?dw=nothing", 404),
        ("/elsewhere", 404),
    ],
)
async def test_a_counting_account_may_only_count(target, status):
    """The right password does not open the rest."""
    async with running(scenario(camera(auth="basic"))) as store:
        assert (await store.get(target, Authorization=basic())).status == status


async def test_a_camera_is_only_asked():
    """GET and nothing else."""
    async with (
        running(scenario()) as store,
        store.session.post(f"http://{store.addresses['cameras']['door']}/") as said,
    ):
        assert said.status == 405


# ---- what it answers


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
async def test_a_time_may_be_encoded_or_not(colon):
    """Both ways of writing a colon mean the same."""
    async with running(scenario()) as store:
        head, _, times = NOON.partition("&time_start")
        encoded = await store.get(f"{head}&time_start{times.replace(':', colon)}")

        assert encoded == (200, (await store.get(NOON)).body, encoded.headers)


async def test_heat_has_a_report_and_a_grid():
    """The JSON page tells the values of the CSV; a model with a grid shares them out over it."""
    asked = {"heat": True, "space_heat": True, "region": [{"number": 1, "watches": "zone:shoes"}]}
    async with running(scenario(camera(**asked))) as store:
        table = await store.get(day(HEAT, "2026-11-19"))
        page = "/vb.htm?page=timeheatmapreport&sub_type=0&time_start=2026-11-19-00:00:00"
        (report,) = [await answer.json() async for answer in _get(store, page)]
        grid = "/dataloader.cgi?dw=spaceheatmap&sub_type=0&time_start=2026-11-19-00:00:00"
        (space,) = [await answer.json() async for answer in _get(store, grid)]

    assert report == {"data": column(table.text, "Value(s)")}
    assert set(space) == {"max", "min", "map_w", "map_h", "data"}
    assert space["max"] == max(spot["value"] for spot in space["data"]) > 0


async def _get(store, target):
    async with store.session.get(f"http://{store.addresses['cameras']['door']}{target}") as answer:
        yield answer


# ---- what goes wrong


def broken(kind, **changes):
    return scenario(camera(fault=[{"kind": kind, "seconds": 0.2, **changes}]))


@pytest.mark.parametrize(
    ("kind", "status"), [("unauthorized", 401), ("not-found", 404), ("bad-gateway", 502), ("redirect", 302)]
)
async def test_a_status_instead_of_an_answer(kind, status):
    """And the right password does not help."""
    async with running(broken(kind)) as store:
        assert (await store.get(TODAY)).status == status
        assert (await store.truth())["rows"] == []


@pytest.mark.parametrize("kind", ["timeout", "reset", "drip"])
async def test_an_answer_that_breaks_off(kind):
    """The connection ends before the answer does."""
    async with running(broken(kind)) as store:
        with pytest.raises(aiohttp.ClientError):
            await store.get(TODAY)
        assert (await store.truth())["rows"] == []


async def test_a_camera_may_hang_up_on_nobody():
    """A client that gives up early costs the camera nothing, and a store with hanging answers closes at once."""
    async with running(broken("timeout", seconds=600)) as store:
        with pytest.raises(TimeoutError):
            async with store.session.get(
                f"http://{store.addresses['cameras']['door']}{TODAY}", timeout=aiohttp.ClientTimeout(total=0.1)
            ):
                pass
        assert await store.tell("fault", camera="door", kind="timeout", on=True) == 200


@pytest.mark.parametrize(
    ("kind", "looks"),
    [
        ("empty", lambda body, _: body == b""),
        ("header-only", lambda body, good: body == good.splitlines(keepends=True)[0]),
        ("html-200", lambda body, _: body.startswith(b"<!DOCTYPE html>")),
        ("truncated", lambda body, good: good.startswith(body) and body.splitlines()[:-1] == good.splitlines()[:-1]),
        ("huge", lambda body, good: len(body) > 4 * 1024 * 1024 and body.startswith(good.splitlines()[0])),
    ],
)
async def test_a_body_that_tells_nothing(kind, looks):
    """Status 200, and none of it counts as served."""
    async with running(broken(kind)) as store, running(scenario()) as right:
        answer = await store.get(TODAY)

        assert answer.status == 200
        assert looks(answer.body, (await right.get(TODAY)).body)
        assert (await store.truth())["rows"] == []


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("crlf", lambda good: good.replace(b"\n", b"\r\n")),
        ("bom", lambda good: b"\xef\xbb\xbf" + good),
        ("duplicate-row", lambda good: good + good.splitlines(keepends=True)[1]),
        ("sum-mismatch", lambda good: good[:-2] + b"1\n"),
    ],
)
async def test_a_body_that_is_odd_but_whole(kind, spoil):
    """Every count in it can be read, so it was served."""
    async with running(broken(kind)) as store, running(scenario()) as right:
        good = (await right.get(TODAY)).body

        assert (await store.get(TODAY)).body == spoil(good)
        assert (await store.truth())["rows"] == (await right.truth())["rows"] != []


async def test_truncated_counters_lose_names_not_digits():
    """A cut never leaves a smaller number that looks whole."""
    for target in (COUNTERS, f"{COUNTERS}&format=inf"):
        async with running(broken("truncated")) as store, running(scenario()) as right:
            body, good = (await store.get(target)).body, (await right.get(target)).body

            assert good.startswith(body)
            assert 0 < len(body) < len(good) - 20
            assert body[-1:].isalpha() or body[-1:] == b"_"


async def test_percent_encoding_can_be_refused():
    """Then only a bare colon is answered."""
    async with running(broken("refuse-percent-3a")) as store:
        assert (await store.get(NOON.replace(":", "%3A"))).status == 400
        assert (await store.get(NOON)).status == 200


async def test_a_fault_may_let_some_pass_and_strike_every_third():
    """`after` counts first, then `every`."""
    async with running(broken("bad-gateway", after=2, every=3)) as store:
        assert [(await store.get(NOON)).status for _ in range(8)] == [200, 200, 200, 200, 502, 200, 200, 502]


async def test_a_fault_has_its_time_its_kind_and_its_luck():
    """`from` and `until` by the store's clock, `on` by what was asked for, `probability` from the seed."""
    async with running(broken("not-found", **{"from": 60, "until": "2026-11-20T14:22:00Z", "on": ["lines"]})) as store:
        statuses = []
        for seconds in (59, 1, 59, 1):
            store.clock.move(seconds)
            statuses.append((await store.get(NOON)).status)
            assert (await store.get(COUNTERS)).status == 200
    lucky = []
    for _ in range(2):
        async with running(broken("not-found", probability=0.5)) as store:
            lucky.append([(await store.get(NOON)).status for _ in range(40)])

    assert statuses == [200, 404, 404, 200]
    assert lucky[0] == lucky[1]
    assert 8 < lucky[0].count(404) < 32


async def test_a_fault_is_switched_at_run_time():
    """On, and off again."""
    async with running(scenario()) as store:
        await store.tell("fault", camera="door", kind="empty", on=True)
        broken_body = (await store.get(NOON)).body
        await store.tell("fault", camera="*", kind="empty", on=False)

        assert broken_body == b""
        assert (await store.get(NOON)).body != b""


# ---- the cable


async def _refused(store):
    """Whether a new connection is refused."""
    try:
        await store.get(NOON)
    except aiohttp.ClientConnectorError as error:
        return error.os_error.errno == 111
    return False


async def test_an_unplugged_camera_refuses_and_goes_on_counting():
    """Only its network was cut: when it is back, at its old address, nothing is missing."""
    async with running(scenario()) as store, running(scenario(), store.clock) as never:
        await store.get(TODAY)  # leaves a connection open, which must break
        assert await store.tell("unplug", camera="door") == 200
        store.clock.move(1800)
        unplugged = await _refused(store)
        await store.tell("plug", camera="door")

        assert unplugged
        assert (await store.get(TODAY)).body == (await never.get(TODAY)).body


async def test_a_camera_without_power_counts_nothing():
    """What happened in the dark is missing, in hours and counters alike."""
    async with running(scenario()) as store, running(scenario(), store.clock) as never:
        before = (await store.get(TODAY)).body
        await store.tell("unplug", camera="*", power=True)
        store.clock.move(1800)
        await store.tell("plug")
        after = (await store.get(TODAY)).body

        assert before == after != (await never.get(TODAY)).body
        assert (await store.get(COUNTERS)).body != (await never.get(COUNTERS)).body


async def test_a_cable_is_pulled_by_plan():
    """From and until in the store's time."""
    async with running(broken("unplugged", **{"from": 60, "until": 120})) as store:
        for refused, seconds in ((False, 60), (True, 60), (False, 0)):
            while await _refused(store) != refused:  # the plan runs in a task of its own
                pass
            store.clock.move(seconds)

        assert (await store.get(NOON)).status == 200


async def test_a_taken_port_is_told():
    """A fixed port that somebody else has is an error with its number."""
    async with running(scenario()) as store:
        port = int(store.addresses["cameras"]["door"].rpartition(":")[2])
        with pytest.raises(OSError, match=f"{port}"):
            async with running(scenario(camera(port=port)), Hand()):
                pass
