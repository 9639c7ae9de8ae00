"""Logging in: Digest where it is offered, one wrong password a call at most, and the password in no text."""

import base64
import hashlib
import re

import pytest
from aiohttp import web

from agent.drivers.base import Refused, Unreachable
from agent.drivers.reading.fetch import Access

CANARY = "canary of a password"
ANOTHER = "another password"


class Camera:
    """Asks for a log-in in the ways given, checks the answer by the RFC's formula, and keeps what it was sent."""

    def __init__(self, *offers, password=CANARY):
        self.offers = offers
        self.password = password
        self.nonce = "nonce-1"
        self.seen = []

    async def answer(self, request):
        sent = request.headers.get("Authorization")
        self.seen.append(sent)
        if sent and self.accepts(request, sent):
            return web.Response(text="counts")
        response = web.Response(status=401)
        for offer in self.offers:
            response.headers.add("WWW-Authenticate", offer.replace("NONCE", self.nonce))
        return response

    def accepts(self, request, sent):
        if sent.startswith("Basic "):
            return sent == "Basic " + base64.b64encode(f"counter:{self.password}".encode()).decode()
        said = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', sent)}
        algorithm = said.get("algorithm", "MD5")
        digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm.removesuffix("-sess")]

        def h(*parts):
            return digest(":".join(parts).encode()).hexdigest()

        secret = h("counter", said["realm"], self.password)
        if algorithm.endswith("-sess"):
            secret = h(secret, said["nonce"], said["cnonce"])
        middle = [said["nc"], said["cnonce"], said["qop"]] if "qop" in said else []
        expected = h(secret, said["nonce"], *middle, h(request.method, request.raw_path))
        return said["nonce"] == self.nonce and said["uri"] == request.raw_path and said["response"] == expected


BASIC = 'Basic realm="camera"'
DIGEST = 'Digest realm="camera, front", nonce="NONCE", qop="auth,auth-int", opaque="x", algorithm=MD5'
TARGET = "/dataloader.cgi?dw=vcalogcsv&time_start=2025-11-20-10:00:00"


@pytest.mark.parametrize(
    ("offers", "scheme"),
    [
        ([BASIC], "Basic"),
        ([DIGEST], "Digest"),
        ([BASIC, DIGEST], "Digest"),
        ([DIGEST, BASIC], "Digest"),
        ([f"{BASIC}, {DIGEST}"], "Digest"),
        ([f"{DIGEST}, {BASIC}"], "Digest"),
        (['Digest realm="r", nonce="NONCE"'], "Digest"),
        (['Digest realm="r", nonce="NONCE", algorithm=MD5-sess, qop="auth"'], "Digest"),
        (['DIGEST realm="r",nonce="NONCE",algorithm="SHA-256",qop=auth'], "Digest"),
        (['Digest realm="r", nonce="NONCE", algorithm=SHA-512-256, qop="auth"', BASIC], "Basic"),
        (['Digest realm="r", nonce="NONCE", qop="auth-int"', BASIC], "Basic"),
        (["Negotiate", "NTLM", BASIC], "Basic"),
    ],
)
async def test_log_in(rig, offers, scheme):
    """Whatever order the ways come in, Digest goes before Basic, and the second call needs no second question."""

    camera = Camera(*offers)
    device = await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY)
    access = Access(device)

    assert [await access.get(TARGET), await access.get(TARGET)] == [b"counts"] * 2
    assert camera.seen[0] is None
    assert [sent.split()[0] for sent in camera.seen[1:]] == [scheme] * 2
    if "qop" in camera.seen[1]:
        assert "nc=00000001" in camera.seen[1]
        assert "nc=00000002" in camera.seen[2]


async def test_sha256_before_md5(rig):
    """Of two Digests the stronger is taken."""

    camera = Camera(DIGEST, 'Digest realm="r", nonce="NONCE", algorithm=SHA-256, qop="auth"')
    device = await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY)

    await Access(device).get(TARGET)

    assert "algorithm=SHA-256" in camera.seen[1]


@pytest.mark.parametrize("offers", [[BASIC], [DIGEST], [BASIC, DIGEST]])
async def test_wrong_password(rig, offers):
    """A wrong password is sent once a call, since cameras lock accounts, and is in no text."""

    camera = Camera(*offers, password=ANOTHER)
    device = await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY)
    access = Access(device)

    for calls in (1, 2):
        with pytest.raises(Refused) as caught:
            await access.get(TARGET)
        assert len([sent for sent in camera.seen if sent]) == calls
        assert CANARY not in f"{caught.value!r} {caught.value} {device!r}"


@pytest.mark.parametrize("offers", [[BASIC], [DIGEST]])
async def test_password_changed(rig, offers):
    """A password that was right once and is no more is refused; when it is right again, so is the call."""

    camera = Camera(*offers)
    access = Access(await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY))
    await access.get(TARGET)
    camera.password = ANOTHER

    with pytest.raises(Refused):
        await access.get(TARGET)
    with pytest.raises(Refused):
        await access.get(TARGET)
    camera.password = CANARY
    assert await access.get(TARGET) == b"counts"


async def test_nonce_runs_out(rig):
    """A nonce that the camera says has run out is no wrong password: the new one is answered in the same call."""

    camera = Camera(DIGEST)
    access = Access(await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY))
    await access.get(TARGET)
    camera.nonce, camera.offers = "nonce-2", [DIGEST + ", stale=TRUE"]

    assert await access.get(TARGET) == b"counts"
    assert len(camera.seen) == 4


async def test_nonce_runs_out_without_a_word(rig):
    """It may have been the password, which is not tried again at once; a camera that does so is known from then on."""

    camera = Camera(DIGEST)
    access = Access(await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY))
    await access.get(TARGET)
    camera.nonce = "nonce-2"
    camera.seen.clear()

    with pytest.raises(Unreachable, match="anew"):
        await access.get(TARGET)
    assert len([sent for sent in camera.seen if sent]) == 1
    assert await access.get(TARGET) == b"counts"
    camera.nonce = "nonce-3"
    assert await access.get(TARGET) == b"counts"


async def test_password_changed_under_a_new_nonce(rig):
    """A call sends at most one credential that may be wrong, also to a camera that offers another nonce each time."""

    camera = Camera(DIGEST)
    access = Access(await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY))
    await access.get(TARGET)
    camera.password = ANOTHER
    for number, error in enumerate([Unreachable, Refused, Refused]):
        camera.nonce = f"another-{number}"
        camera.seen.clear()

        with pytest.raises(error):
            await access.get(TARGET)
        assert len([sent for sent in camera.seen if sent]) == 1


@pytest.mark.parametrize(
    ("username", "offers", "words"),
    [
        ("", [BASIC], "none is configured"),
        ("counter", [], "neither Basic nor Digest"),
        ("counter", ['Digest realm="r", nonce=""'], "neither Basic nor Digest"),
        ("counter", ["Negotiate"], "neither Basic nor Digest"),
    ],
)
async def test_no_way_in(rig, username, offers, words):
    """Where there is nothing to log in with, no credential is sent and the text says what is missing."""

    camera = Camera(*offers)
    device = await rig.device(await rig.serve(camera.answer), username=username, password=CANARY)

    with pytest.raises(Refused, match=words):
        await Access(device).get(TARGET)
    assert camera.seen == [None]


@pytest.mark.parametrize("offers", [(DIGEST,), (BASIC, DIGEST)])
async def test_trap_28_post(rig, offers):
    """A question that is posted is logged in to like one that is got, also where Basic is offered first."""

    camera = Camera(*offers)
    access = Access(await rig.device(await rig.serve(camera.answer), username="counter", password=CANARY))

    assert await access.post("/ISAPI/search", b"<question/>", "application/xml") == b"counts"
    assert await access.post("/ISAPI/search", b"<question/>", "application/xml") == b"counts"
    assert [(sent or "none").split(" ")[0] for sent in camera.seen] == ["none", "Digest", "Digest"]
