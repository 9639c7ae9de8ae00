"""Telling others of alerts: signed, in order, once; servers that fail, a restart in between, programs that hang."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from pydantic import ValidationError

from agent.alerts.state import Transition
from agent.buffer.buffer import Buffer
from agent.foundation.clock import Clock
from agent.runtime import outgoing
from agent.runtime.actions import Alerts, CommandTable, NotTaken, WebhookTable
from agent.runtime.outgoing import Delivery, Outgoing
from agent.runtime.program import Program
from agent.runtime.webhook import Webhook

SECRET = "an example of a secret"  # noqa: S105 - an example

FILE = "manager.secret"


def step(state="firing", *, number=1, rule="long-queue", severity="warning", incident="") -> Transition:
    id_ = f"alert-{number}"
    return Transition(
        id_,
        rule,
        "zone:checkout",
        state,
        severity,
        int(time.time()),
        9.0,
        "9 people wait",
        incident or id_,
        "Open a till",
    )


class Server:
    """Takes what is posted; answers as it is told to, 200 when told nothing more."""

    def __init__(self) -> None:
        self.port = 0
        self.answers: list[int] = []
        self.got: list[tuple[web.Request, bytes]] = []
        self.full = asyncio.Event()
        self.expected = 1

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request, await request.read()))
        status = self.answers.pop(0) if self.answers else 200
        if len(self.got) >= self.expected:
            self.full.set()
        return web.Response(status=status, headers={"Location": "http://192.0.2.1/"} if status == 302 else {})

    async def wait(self, count: int) -> None:
        self.expected = count
        if len(self.got) < count:
            self.full.clear()
            async with asyncio.timeout(20):
                await self.full.wait()

    def table(self, **more) -> WebhookTable:
        url = f"http://127.0.0.1:{self.port}/hook"
        return WebhookTable(name="manager", url=url, secret_file=FILE, this_machine=True, **more)


@pytest.fixture
async def server():
    made = Server()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@asynccontextmanager
async def telling(path, *actions):
    """A start of the agent's part that tells others."""
    buffer = await Buffer.open(path / "buffer.db", Clock(), 10**8)
    made = Outgoing(buffer, Clock(), "lisboa-01", actions)
    await made.load()
    task = asyncio.create_task(made.run())
    try:
        yield made, buffer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await buffer.close()


async def commit(made, buffer, *told):
    made.put(told)
    await buffer.append(state=made.document())
    made.go()


async def settled(made):
    async with asyncio.timeout(20):
        while made.waiting:  # noqa: ASYNC110 - it has no event for being done
            await asyncio.sleep(0.01)


async def test_a_post_is_signed_and_says_what_to_do(tmp_path, server):
    """Who has the secret can check body and time; the id is the same as the key that makes it come once."""
    async with telling(tmp_path, Webhook(server.table(), SECRET)) as (made, buffer):
        await commit(made, buffer, step())
        await server.wait(1)

    request, body = server.got[0]
    at, v1 = (part.partition("=")[2] for part in request.headers["Footfall-Signature"].split(","))
    assert v1 == hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert abs(time.time() - int(at)) < 60
    told = json.loads(body)
    assert told["id"] == request.headers["Idempotency-Key"]
    assert (told["rule"], told["state"], told["text"], told["advice"]) == (
        "long-queue",
        "firing",
        "9 people wait",
        "Open a till",
    )


async def test_what_fails_first_is_taken_in_the_end_in_order(tmp_path, server, monkeypatch):
    """Errors and a redirect, which is not followed, cost time and nothing else; each try has the same id."""
    monkeypatch.setattr(outgoing, "BACK_OFF_FIRST", 0.01)
    server.answers = [500, 302, 503]
    async with telling(tmp_path, Webhook(server.table(), SECRET)) as (made, buffer):
        await commit(made, buffer, step("firing"), step("resolved"))
        await server.wait(5)
        await settled(made)
        assert made.problems == {}

    ids = [request.headers["Idempotency-Key"] for request, _ in server.got]
    assert len(set(ids)) == 2
    assert ids[0] == ids[1] == ids[2] == ids[3]
    assert [json.loads(body)["state"] for _, body in server.got][3:] == ["firing", "resolved"]


async def test_a_restart_neither_loses_nor_doubles(tmp_path, server, monkeypatch):
    """What was committed and not taken is told after the restart; what was taken is not told again."""
    monkeypatch.setattr(outgoing, "BACK_OFF_FIRST", 30.0)
    async with telling(tmp_path, Webhook(server.table(), SECRET)) as (made, buffer):
        await commit(made, buffer, step(number=1))
        await server.wait(1)
        await settled(made)
        server.answers = [500]
        await commit(made, buffer, step(number=2))
        await server.wait(2)
    async with telling(tmp_path, Webhook(server.table(), SECRET)) as (made, _):
        await server.wait(3)
        await settled(made)
    async with telling(tmp_path, Webhook(server.table(), SECRET)) as (made, _):
        assert made.waiting == 0

    told = [json.loads(body) for _, body in server.got]
    assert [one["alert"] for one in told] == ["alert-1", "alert-2", "alert-2"]
    assert told[1]["id"] == told[2]["id"]


async def test_what_can_never_be_taken_does_not_hold_up_the_rest(tmp_path, server):
    """A server that says that the request is wrong is not asked again; the page says who was not told."""
    server.answers = [422]
    async with telling(tmp_path, Webhook(server.table(), SECRET)) as (made, buffer):
        await commit(made, buffer, step(number=1))
        await server.wait(1)
        await settled(made)
        assert list(made.problems) == ["manager"]
        await commit(made, buffer, step(number=2))
        await server.wait(2)
        await settled(made)

    assert len(server.got) == 2


async def test_who_is_told_of_what(tmp_path, server):
    """By rule, by severity, by step; never of what another alert explains."""
    table = server.table(rules=("long-queue",), severities=("critical",), states=("firing",))
    async with telling(tmp_path, Webhook(table, SECRET)) as (made, buffer):
        await commit(
            made,
            buffer,
            step(number=1),
            step(number=2, severity="critical", rule="overcrowding"),
            step("resolved", number=3, severity="critical"),
            step(number=4, severity="critical", incident="alert-1"),
            step(number=5, severity="critical"),
        )
        await server.wait(1)
        await settled(made)

    assert [json.loads(body)["alert"] for _, body in server.got] == ["alert-5"]


async def test_nothing_goes_to_this_machine_unless_it_is_said(server):
    """An address that turns out to be this machine's is not connected to; metadata and links neither, nor http."""
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254", "224.0.0.1"):
        table = WebhookTable(name="x", url=f"https://{host}:{server.port}/hook", secret_file=FILE)
        with pytest.raises(NotTaken, match="where none is sent"):
            await Webhook(table, SECRET).tell(Delivery("1", "x", 0.0, {}))
    assert server.got == []
    for url in ("http://192.0.2.1/", "ftp://192.0.2.1/", "https://me:secret@example.com/", "file:///etc/passwd", "x"):
        with pytest.raises(ValidationError):
            WebhookTable(name="x", url=url, secret_file=FILE)


async def test_the_queue_has_an_end(tmp_path, monkeypatch):
    """A server that is never there costs so many messages and no more, the oldest first."""
    monkeypatch.setattr(outgoing, "MOST", 3)
    table = WebhookTable(name="manager", url="http://127.0.0.1:9/", secret_file=FILE, this_machine=True)
    async with telling(tmp_path, Webhook(table, SECRET)) as (made, buffer):
        await commit(made, buffer, *(step(number=n) for n in range(10)))

        assert made.waiting == 3
        assert [one[3]["alert"] for one in made.document()[outgoing.STATE]] == ["alert-7", "alert-8", "alert-9"]


# ---- programs


def program(*argv, **more) -> Program:
    return Program(CommandTable(name="siren", argv=argv, **more))


BODY = {"rule": "overcrowding", "scope": "store", "state": "firing", "severity": "critical", "text": "; $(touch x)"}
TOLD = Delivery("1", "siren", 0.0, BODY)


async def test_a_program_gets_the_alert_and_no_shell(tmp_path):
    """JSON on standard input, words in the environment; what an alert says is never a command."""
    out = tmp_path / "out"
    await program("/bin/sh", "-c", f'cat > {out}; echo " $FOOTFALL_RULE $FOOTFALL_STATE" >> {out}').tell(TOLD)

    said, _, rest = out.read_text().partition("} ")
    assert json.loads(said + "}") == BODY
    assert rest == "overcrowding firing\n"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("/bin/sh", "-c", "echo broken; exit 3"), "ended with status 3: broken"),
        (("/nowhere/at/all",), "No such file"),
        (("/bin/sh", "-c", "sleep 60 & sleep 60"), "did not end within 0.2 s"),
        (("/bin/sh", "-c", "yes"), "did not end within 0.2 s"),
    ],
)
async def test_a_bad_program_is_told_and_ended(argv, why):
    """It fails, is not there, hangs with its children, or never stops talking: the agent goes on."""
    with pytest.raises(NotTaken, match=why):
        await program(*argv, timeout_s=0.2 if "within" in why else 10).tell(TOLD)


async def test_a_sound_is_played_once_and_not_late(tmp_path):
    """It is forgotten before it is tried, and one that comes after minutes is left out."""
    heard = tmp_path / "heard"
    siren = program("/bin/sh", "-c", f"echo x >> {heard}; exit 1")
    async with telling(tmp_path, siren) as (made, buffer):
        await commit(made, buffer, step(number=1), step(number=2)._replace(at=int(time.time()) - 3600))
        await settled(made)
        async with asyncio.timeout(10):
            while "siren" not in made.problems:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)

    assert heard.read_text() == "x\n"


def test_a_table_that_would_fail_later_is_refused_now():
    """No relative program, no shell's line, no two of one name."""
    with pytest.raises(ValidationError, match="write the whole path"):
        CommandTable(name="siren", argv=("aplay", "x.wav"))
    siren = {"name": "siren", "argv": ["/usr/bin/aplay"]}
    with pytest.raises(ValidationError, match="more than one action is called siren"):
        Alerts.model_validate({"command": [siren, siren]})
