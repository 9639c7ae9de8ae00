"""The door that is open to strangers: whatever comes, the answer is short, in words, and nothing of ours breaks."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import shutil
import ssl
import subprocess
import time

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.contract.enrolment import AUTHORITY, ENROL, MAX_BYTES, RENEW, Issued, fingerprint
from agent.enrol import keys
from agent.foundation.toml import ConfigurationError
from cloud_receiver.devices import listener
from cloud_receiver.devices.authority import Authority, BadRequest, new_key, requested_by
from cloud_receiver.devices.enrolment import Enrolment
from cloud_receiver.devices.listener import Allowance, Listener, Rates

PLENTY = Allowance(1e6, 1e6)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca") / "authority", time.time())


@contextlib.asynccontextmanager
async def listening(authority, rates=None):
    """The real listener on a free port. It has no database: what is malformed must not come so far."""
    enrolment = Enrolment(None, authority, time.time)
    made = Listener(enrolment, authority.folder, ("127.0.0.1",), rates or Rates(PLENTY, PLENTY))
    started = asyncio.Event()
    running = asyncio.create_task(made.run("127.0.0.1", 0, started.set))
    await started.wait()
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def trusting(authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem)


async def ask(made, authority, path: str, **request) -> tuple[int, dict]:
    method = request.pop("method", "POST")
    url = f"https://127.0.0.1:{made.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, ssl=trusting(authority), **request) as answer,
    ):
        return answer.status, json.loads(await answer.read())


CSR = requested_by(new_key())
GOOD = {"device": "dev", "code": "01234-56789-ABCDE-FGHJK." + "0" * 26, "csr": CSR}


def enrolling(**other) -> bytes:
    return json.dumps(GOOD | other).encode()


BAD = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "a list": b"[]",
    "deep": b"[" * 8000 + b"]" * 8000,
    "a huge number": b'{"device":' + b"9" * 10_000 + b"}",
    "NaN": enrolling(csr=float("nan")),
    "bad UTF-8": b'{"device":"\xc3\x28"}',
    "a key twice": b'{"device":"a","device":"b"}',
    "a name with a slash": enrolling(device="a/b"),
    "a name that is long": enrolling(device="a" * 64),
    "headquarters' own name": enrolling(device="_hq"),
    "no request": enrolling(csr="hello"),
    "an empty request": enrolling(csr=CSR.splitlines()[0] + "\n" + CSR.splitlines()[-1]),
    "a request that was changed": enrolling(csr=CSR.replace(CSR[200:204], "AAAA")),
    "a certificate for a request": enrolling(csr=CSR.replace("CERTIFICATE REQUEST", "CERTIFICATE")),
    "no code": enrolling(code="hello"),
    "a gzip bomb": gzip.compress(b" " * 10_000_000),
}


@pytest.mark.parametrize("path", [ENROL, RENEW])
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
async def test_what_is_malformed_is_told_so(authority, path, body):
    """Status 400, a sentence, and the next one is served."""
    async with listening(authority) as made:
        status, said = await ask(made, authority, path, data=body)
        assert status == 400
        assert set(said) == {"error"}
        assert len(said["error"]) <= 500
        assert (await ask_plainly(made, authority)).startswith("-----BEGIN CERTIFICATE-----")


async def ask_plainly(made, authority) -> str:
    url = f"https://127.0.0.1:{made.port}{AUTHORITY}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=trusting(authority)) as answer:
        return await answer.text()


async def test_a_compressed_body_is_not_unpacked(authority):
    """10 MB in 10 kB stay 10 kB, and are no JSON."""
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < MAX_BYTES
    async with listening(authority) as made:
        status, _ = await ask(made, authority, ENROL, data=bomb, headers={"Content-Encoding": "gzip"})
    assert status == 400


async def test_a_body_beyond_the_cap_is_not_read(authority):
    """One that says its length and one that does not."""

    async def endless():
        while True:
            yield b" " * 65536

    async with listening(authority) as made:
        assert (await ask(made, authority, ENROL, data=b" " * (MAX_BYTES + 1)))[0] == 413
        with contextlib.suppress(aiohttp.ClientError):  # hung up while we still wrote
            assert (await ask(made, authority, ENROL, data=endless()))[0] == 413
        assert await ask_plainly(made, authority)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("GET", ENROL, 405), ("PUT", RENEW, 405)])
async def test_there_is_nothing_else(authority, method, path, status):
    """Three addresses and no more."""
    async with listening(authority) as made:
        assert (await ask(made, authority, path, method=method))[0] == status


async def test_who_asks_too_often_waits(authority):
    """Thirty at once from one address, then one in two seconds; guessing 100 bits takes for ever anyway."""
    async with listening(authority, Rates(Allowance(5, 0), PLENTY)) as made:
        said = [await ask(made, authority, ENROL, data=enrolling(csr="x")) for _ in range(6)]

    assert [status for status, _ in said] == [400] * 5 + [429]
    assert said[5][1] == {"error": "too many requests: try again in a minute"}


def test_the_allowance_comes_back_and_is_not_shared():
    """One noisy address leaves the others theirs; a house's IPv6 addresses are one."""
    rates = Rates(Allowance(2, 0.5), PLENTY)
    assert [rates.allows("192.0.2.1", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.allows("192.0.2.2", 0.0)
    assert not rates.allows("192.0.2.1", 1.9)
    assert rates.allows("192.0.2.1", 4.0)
    assert [rates.allows(f"2001:db8::{k}", 5.0) for k in range(3)] == [True, True, False]
    assert rates.allows("2001:db8:0:1::1", 5.0)


def test_all_together_have_an_allowance_too():
    """And what is remembered of addresses is bounded."""
    rates = Rates(PLENTY, Allowance(3, 1))
    assert [rates.allows(f"192.0.2.{k}", 0.0) for k in range(5)] == [True] * 3 + [False] * 2
    rates = Rates(PLENTY, PLENTY)
    for k in range(listener.ADDRESSES + 100):
        rates.allows(f"10.{k >> 16}.{k >> 8 & 255}.{k & 255}", 0.0)
    assert len(rates._buckets) == listener.ADDRESSES


async def test_who_is_slow_is_hung_up_on(authority, monkeypatch):
    """A connection that sends nothing, half a header or half a body ends by itself."""
    monkeypatch.setattr(listener, "LONGEST", 0.3)
    async with listening(authority) as made:
        for begun in (b"", b"POST /v1/enrol HTT", b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port, ssl=trusting(authority))
            writer.write(begun)
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()


async def test_one_too_many_is_hung_up_on(authority, monkeypatch):
    """So many at a time; the place comes back."""
    monkeypatch.setattr(listener, "CONNECTIONS", 2)
    monkeypatch.setattr(listener, "LONGEST", 2.0)
    async with listening(authority) as made:
        first = [await asyncio.open_connection("127.0.0.1", made.port, ssl=trusting(authority)) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port, ssl=trusting(authority))
        with contextlib.suppress(OSError):
            assert await reader.read() == b""
        writer.close()
        for _, writer in first:
            writer.close()
        while not await reached(made, authority):
            pass


async def reached(made, authority) -> bool:
    try:
        return bool(await ask_plainly(made, authority))
    except aiohttp.ClientError:
        return False


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_tls_below_1_2_is_not_spoken(authority):
    """Not with any cipher."""
    old = trusting(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(authority) as made:
        with pytest.raises(OSError):  # noqa: PT011 - which of OpenSSL's words is not ours to choose
            await asyncio.open_connection("127.0.0.1", made.port, ssl=old)


@pytest.mark.skipif(not shutil.which("sslscan"), reason="sslscan is an extra check, not a promise's only proof")
async def test_sslscan_finds_nothing_weak(authority):
    """An independent tool's view: TLS 1.2 and 1.3, forward secrecy, authenticated ciphers."""
    async with listening(authority) as made:
        command = ["sslscan", "--no-colour", f"127.0.0.1:{made.port}"]
        said = (await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)).stdout

    accepted = [line.split() for line in said.splitlines() if line.startswith(("Accepted", "Preferred"))]
    assert {line[1] for line in accepted} <= {"TLSv1.2", "TLSv1.3"}
    assert accepted
    assert not [line for line in accepted if not any(good in line[4] for good in ("GCM", "CHACHA20"))]
    assert "vulnerable to heartbleed" not in said.replace("not vulnerable", "")


# ---- what the authority is fed


def mutated(text: str, seed: int) -> str:
    """The text with some bytes changed, dropped or doubled."""
    chance = random.Random(seed)  # noqa: S311 - to be replayed, not to be secret
    body = bytearray(text.encode())
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(body))
        what = chance.randrange(3)
        body[at : at + 1] = (bytes([chance.randrange(128)]), b"", bytes(body[at : at + 1]) * 2)[what]
    return body.decode()


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32))
@example(seed=35499)  # a version that there is not, which cryptography says by an error of its own
def test_a_mutated_request_is_refused_or_means_the_same(authority, seed):
    """Never another error than ours; what is still accepted certifies the key that signed it."""
    text = mutated(CSR, seed)
    try:
        made = authority.sign_device("dev", text, time.time())
    except BadRequest:
        return
    assert authority.read(made.pem).device == "dev"


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=300), seed=st.integers(0, 2**32))
def test_anything_in_place_of_a_certificate_is_refused(authority, text, seed):
    """Text, and certificates of ours with something changed: a signature that holds says what we signed."""
    pem = authority.sign_device("dev", CSR, time.time()).pem
    for shown in (text, mutated(pem, seed), authority.pem):
        try:
            assert authority.read(shown).device == "dev"
        except BadRequest:
            continue


def test_a_certificate_of_a_server_is_none_of_a_device(authority):
    """What the broker shows cannot be used to renew."""
    server = authority.sign_server(new_key().public_key(), ("mqtt.example.com",), time.time())
    with pytest.raises(BadRequest, match="no certificate of a device"):
        authority.read(server.pem)


def test_only_p_256_is_certified(authority):
    """Neither RSA nor another curve, however strong."""
    for key in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        csr = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, SHA256()).public_bytes(Encoding.PEM)
        with pytest.raises(BadRequest, match="is not EC P-256"):
            authority.sign_device("dev", csr.decode(), time.time())


def test_the_root_is_kept_from_others(authority):
    """0600 in a folder 0700; and the code's fingerprint is of this root."""
    assert authority.folder.stat().st_mode & 0o777 == 0o700
    assert (authority.folder / "root.key").stat().st_mode & 0o777 == 0o600
    assert len(fingerprint(authority.der)) == 26
    assert Authority(authority.folder, time.time()).der == authority.der


def test_half_an_authority_is_told(tmp_path):
    """A lost key is not replaced in silence: every device would have to enrol anew."""
    folder = tmp_path / "authority"
    Authority(folder, time.time())
    (folder / "root.key").unlink()
    with pytest.raises(ConfigurationError, match="bring both back from a backup"):
        Authority(folder, time.time())


def test_the_agents_own_request_is_one(authority):
    """Both sides mean the same by a request."""
    asked = keys.ask("dev")
    signed = authority.sign_device("dev", asked.csr, time.time())
    issued = Issued(device="dev", certificate=signed.pem, authority=authority.pem, begins=1, ends=2)
    assert keys.problem_with(issued, asked.key, "dev") == ""
    assert "for another key" in keys.problem_with(issued, keys.ask("dev").key, "dev")
