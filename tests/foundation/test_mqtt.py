"""The link against a real broker: what breaks it, and that it mends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import replace

import pytest

from agent.foundation.dial import TlsSettings
from agent.foundation.mqtt import NO_SUBSCRIBERS, Link, LinkDown, LinkSettings, Message
from tests.receiver.mosquitto import Mosquitto


@pytest.fixture
def broker(tmp_path):
    made = Mosquitto(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture(params=[5, 4], ids=["mqtt5", "mqtt311"])
def settings(broker, request):
    return LinkSettings("127.0.0.1", broker.port, "one", version=request.param, reconnect_first=0.05, reconnect_cap=0.2)


class Probe:
    """A running link whose life and messages can be waited for."""

    def __init__(self, settings, *topics, **options) -> None:
        self.events: asyncio.Queue = asyncio.Queue()
        self.messages: asyncio.Queue = asyncio.Queue()
        self.link = Link(
            settings,
            subscriptions=[(topic, 1) for topic in topics],
            on_message=self.messages.put_nowait,
            on_up=lambda: self.events.put_nowait("up"),
            on_down=self.events.put_nowait,
            **options,
        )

    async def __aenter__(self):
        self.task = asyncio.create_task(self.link.run())
        assert await self.events.get() == "up"
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def until_up(self) -> None:
        while await self.events.get() != "up":
            pass


async def test_a_message_arrives_as_it_was_sent(settings):
    """Payload, content type and properties survive; 3.1.1 carries the payload alone."""
    sent = Message("a/b", b"\x00\xff", content_type="text/x", properties=(("id", "7"), ("id", "8")), expiry=60)
    async with Probe(settings, "a/+") as probe:
        assert await probe.link.publish(sent) == 0
        got = await probe.messages.get()

    assert (got.topic, got.payload, got.qos, got.retain) == ("a/b", b"\x00\xff", 1, False)
    five = settings.version == 5
    assert got.content_type == ("text/x" if five else "")
    assert got.properties == ((("id", "7"), ("id", "8")) if five else ())


async def test_nobody_there_is_told(settings):
    """PUBACK 16 says that nobody subscribes; 3.1.1 has no way to say so."""
    async with Probe(settings) as probe:
        assert await probe.link.publish(Message("x", b"1")) == (NO_SUBSCRIBERS if settings.version == 5 else 0)
        assert await probe.link.publish(Message("x", b"1", qos=0)) == 0


async def test_a_killed_broker_fails_what_is_pending_and_the_link_mends(settings, broker):
    """Broken: LinkDown for the pending and the next publish. Mended: up again, the subscription works."""
    async with Probe(settings, "a") as probe:
        broker.signal(signal.SIGSTOP)  # takes bytes, answers nothing
        pending = asyncio.create_task(probe.link.publish(Message("a", b"lost")))
        await asyncio.sleep(0)
        broker.kill()
        with pytest.raises(LinkDown):
            await pending
        assert await probe.events.get() != "up"
        assert not probe.link.is_up
        with pytest.raises(LinkDown):
            await probe.link.publish(Message("a", b"down"))

        broker.start()
        await probe.until_up()
        assert await probe.link.publish(Message("a", b"again")) == 0
        assert (await probe.messages.get()).payload == b"again"
        assert probe.messages.empty()


async def test_a_silent_broker_is_noticed_within_one_and_a_half_keepalives(settings, broker):
    """A link that died without a word ends by itself."""
    async with Probe(replace(settings, keepalive=2)) as probe:
        broker.signal(signal.SIGSTOP)
        reason = await probe.events.get()
        broker.signal(signal.SIGCONT)

    assert reason.startswith("nothing heard for")


async def test_the_window_holds_back_what_is_not_acknowledged(broker):
    """A broker does not deliver more than the Receive Maximum of unacknowledged messages."""
    settings = LinkSettings("127.0.0.1", broker.port, "one")
    narrow = replace(settings, client_id="narrow", receive_maximum=2)
    async with Probe(settings) as sender, Probe(narrow, "a", manual_ack=True) as probe:
        for number in range(4):
            await sender.link.publish(Message("a", b"%d" % number))
        first, second = await probe.messages.get(), await probe.messages.get()
        await sender.link.publish(Message("nobody", b""))
        assert probe.messages.empty()
        first.ack()
        second.ack()
        assert [(await probe.messages.get()).payload for _ in range(2)] == [b"2", b"3"]


async def test_the_will_speaks_for_the_dead_and_the_farewell_for_those_who_leave(settings):
    """Killed: the will. Cancelled: the farewell, and no will."""
    will = Message("state", b"offline", retain=True)
    options = {"will": will, "will_delay": 0}
    async with Probe(replace(settings, client_id="watch"), "state") as watch:
        async with Probe(settings, **options, farewell=lambda: Message("state", b"bye", retain=True)):
            pass
        assert (await watch.messages.get()).payload == b"bye"

        dying = Probe(settings, **options)
        async with dying:
            dying.link._connection._client.drop()
            assert (await watch.messages.get()).payload == b"offline"


async def test_an_exception_in_a_callback_ends_the_run(settings):
    """It is raised by run(), not logged and forgotten."""
    probe = Probe(settings, "a")
    probe.link.on_message = lambda _: 1 / 0
    task = asyncio.create_task(probe.link.run())
    await probe.until_up()
    with contextlib.suppress(LinkDown):  # the link may end before the PUBACK
        await probe.link.publish(Message("a", b""))
    with pytest.raises(RuntimeError) as caught:
        await task
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_nobody_at_the_address_is_told_and_tried_again(tmp_path):
    """A refused connection is a reason, then another attempt; the broker that comes up is found."""
    broker = Mosquitto(tmp_path)
    events: asyncio.Queue = asyncio.Queue()
    link = Link(
        LinkSettings("127.0.0.1", broker.port, "one", reconnect_first=0.05, reconnect_cap=0.2),
        on_up=lambda: events.put_nowait("up"),
        on_down=events.put_nowait,
    )
    task = asyncio.create_task(link.run())
    try:
        assert "Connect call failed" in await events.get()
        broker.start()
        while await events.get() != "up":
            pass
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        broker.kill()


async def test_large_messages_and_many_at_once(settings):
    """A thousand in a row and one of 200 kB all arrive and are all acknowledged."""
    async with Probe(replace(settings, client_id="take"), "a") as take, Probe(settings) as give:
        codes = await asyncio.gather(
            *(give.link.publish(Message("a", b"%d" % n)) for n in range(1000)),
            give.link.publish(Message("a", bytes(200_000))),
        )
        got = [await take.messages.get() for _ in range(1001)]

    assert set(codes) == {0}
    assert len(got[-1].payload) == 200_000


@pytest.fixture
def certified(tmp_path):
    """A broker that speaks TLS only, with a certificate for 127.0.0.1 that signs itself."""
    if not shutil.which("openssl"):
        (pytest.fail if os.environ.get("FOOTFALL_REQUIRE_ALL") else pytest.skip)("openssl is missing")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o644)
    made = Mosquitto(tmp_path, f"certfile {certificate}\nkeyfile {key}\nuser root")
    made.start()
    yield made, certificate
    made.kill()


async def test_tls_carries_small_and_large_messages(certified):
    """Nothing that TLS holds decrypted is left lying: a burst and a large message arrive without another byte."""
    broker, certificate = certified
    settings = LinkSettings("127.0.0.1", broker.port, "one", tls=TlsSettings(certificate))
    async with Probe(settings, "a") as probe:
        sent = [b"%d" % n for n in range(200)] + [bytes(300_000)]
        await asyncio.gather(*(probe.link.publish(Message("a", payload)) for payload in sent))
        assert [(await probe.messages.get()).payload for _ in sent] == sent


async def test_a_certificate_of_nobody_we_trust_is_refused(certified):
    """The system's authorities do not know this broker; the link says so and does not come up."""
    broker, _ = certified
    events: asyncio.Queue = asyncio.Queue()
    link = Link(LinkSettings("127.0.0.1", broker.port, "one", tls=TlsSettings()), on_down=events.put_nowait)
    task = asyncio.create_task(link.run())
    assert "is not from our certificate authority" in await events.get()
    assert not link.is_up
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
