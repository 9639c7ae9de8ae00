"""A certificate is renewed by the key it speaks for and by nobody else; the old one goes only when the new works."""

from __future__ import annotations

import base64
import os
import time

import asyncpg
import pytest

from agent.contract.enrolment import LIFE_DAYS, RENEW, Issued, Renew
from agent.contract.topics import Branch
from agent.enrol import identity, joining, keys
from agent.enrol.joining import Denied, EnrolmentError
from agent.enrol.renewal import HOUR, Renewal, due
from agent.enrol.trial import NO_RIGHTS, try_broker
from agent.foundation.mqtt import LinkSettings
from cloud_receiver.devices.authority import Authority

pytestmark = pytest.mark.timeout(120)

YEAR = 365 * 86400


class Device:
    """An enrolled device in this process."""

    def __init__(self, network, name: str) -> None:
        self.network, self.name = network, name
        self.store = network.store(name)
        self.folder = self.store.identity
        ended = self.store.enrol(network.url, "--code", network.code(name))
        assert ended.returncode == 0, ended.stderr

    @property
    def pair(self) -> tuple[str, str]:
        return identity.read_pair(self.folder)

    @property
    def authority(self) -> str:
        return identity.authority(self.folder).read_text()

    async def accepts(self, tls) -> str:
        broker = LinkSettings("127.0.0.1", self.network.mqtt, f"{self.name}-trial", tls=tls)
        return await try_broker(broker, Branch("acme", "s1", self.name))

    def renewal(self, accepts=None, ahead: float = 0.0) -> Renewal:
        return Renewal(self.folder, accepts or self.accepts, lambda: time.time() + ahead)

    async def renew(self, accepts=None) -> bool:
        held = identity.read_identity(self.folder)
        assert held
        return await self.renewal(accepts).once(held)

    async def age(self, seconds: float) -> None:
        """Make the certificate so much older, as headquarters would have given it then."""
        authority = Authority(self.network.folder / "authority", time.time())
        asked = keys.ask(self.name)
        signed = authority.sign_device(self.name, asked.csr, time.time() - seconds)
        await execute(
            self.network,
            "INSERT INTO certificates VALUES ($1, $2, $3, $4, $5)",
            *(signed.serial, self.name, signed.begins, signed.ends, signed.begins),
        )
        issued = Issued(
            device=self.name,
            certificate=signed.pem,
            authority=authority.pem,
            begins=signed.begins,
            ends=signed.ends,
        )
        identity.lay_beside(self.folder, issued, asked.key, self.network.url)
        identity.adopt(self.folder)


async def execute(network, statement: str, *values) -> None:
    connection = await asyncpg.connect(network.hq.url, timeout=10)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def device(network):
    return Device(network, "dev-r")


async def test_a_certificate_is_renewed_and_works(device):
    """Key and certificate are new, the broker takes them, and nothing of the old ones is left."""
    before = device.pair
    assert await device.renew()

    assert device.pair[0] != before[0]
    assert device.pair[1] != before[1]
    assert await device.accepts(identity.tls_of(device.folder)) == ""
    assert sorted(path.name for path in device.folder.iterdir() if path.is_dir() and not path.is_symlink()) == [
        (device.folder / "current").readlink().name
    ]


async def test_it_is_due_from_a_third_of_its_life(device):
    """Two years: after eight months."""
    held = identity.read_identity(device.folder)

    assert due(held) - held.begins == pytest.approx((LIFE_DAYS + 1) * 86400 / 3)


async def test_an_expired_certificate_is_renewed_all_the_same(device):
    """A store that was closed for years comes back by itself: the broker refuses it, and says why; HTTPS does not."""
    await device.age(3 * YEAR)
    assert "our own certificate has expired" in await device.accepts(identity.tls_of(device.folder))
    assert await device.renew()
    assert await device.accepts(identity.tls_of(device.folder)) == ""


async def test_the_old_one_stays_until_the_broker_took_the_new(device):
    """A broker that is away: the new one waits, is not asked for twice, and is used once it was tried."""
    before = device.pair

    async def away(_tls) -> str:
        return "[Errno 111] Connect call failed"

    assert not await device.renew(away)
    assert device.pair == before
    waiting = (device.folder / "next").readlink()
    assert not await device.renew(away)
    assert (device.folder / "next").readlink() == waiting
    assert await device.renew()
    assert (device.folder / "current").readlink() == waiting
    assert device.pair != before


async def test_one_that_the_broker_refuses_is_dropped(device):
    """The next attempt asks for another."""

    async def refuses(_tls) -> str:
        return "refused: not authorised"

    before = device.pair
    assert not await device.renew(refuses)
    assert device.pair == before
    assert not (device.folder / "next").is_symlink()


async def test_at_most_one_try_an_hour_also_across_restarts(device):
    """And each device at a minute of its own."""
    await device.renew()

    rests = {device.renewal()._rest() for _ in range(20)}
    assert HOUR - 5 < min(rests) < max(rests) <= 2 * HOUR
    assert len(rests) == 20
    assert device.renewal(ahead=-YEAR)._rest() > HOUR  # the clock went back: not at once, and not in a year
    assert device.renewal(ahead=-YEAR)._rest() <= 2 * HOUR
    assert device.renewal(ahead=YEAR)._rest() == 1.0


async def test_nobody_renews_for_another(network, device):
    """A device with a good key of its own shows another's certificate: certificates are public, keys are not."""
    other = Device(network, "dev-s")
    certificate = (device.pair[0], other.pair[1])

    with pytest.raises(EnrolmentError, match="not signed by the key of the certificate it shows"):
        await joining.renew(network.url, "dev-r", device.authority, certificate)
    issued, _ = await joining.renew(network.url, "dev-s", device.authority, other.pair)
    assert issued.device == "dev-s"


async def test_a_name_in_the_request_is_not_read(network, device):
    """Who asks in another's name with an own certificate gets one for the own name, which the agent then refuses."""
    with pytest.raises(EnrolmentError, match="the certificate is for dev-r, and this device is dev-s"):
        await joining.renew(network.url, "dev-s", device.authority, device.pair)


async def test_a_signature_is_for_one_request(network, device):
    """What was signed for one key does not certify another."""
    certificate, key = device.pair
    signature = keys.prove(key, keys.ask("dev-r").csr)
    request = Renew(certificate=certificate, csr=keys.ask("dev-r").csr, signature=signature)

    with pytest.raises(EnrolmentError, match="not signed by the key"):
        await joining._post(network.url + RENEW, request, joining._trusting(device.authority))


async def test_a_certificate_of_another_authority_is_nothing(network, device, tmp_path):
    """However well it is signed."""
    asked = keys.ask("dev-r")
    signed = Authority(tmp_path / "foreign", time.time()).sign_device("dev-r", asked.csr, time.time())

    with pytest.raises(EnrolmentError, match="this is no certificate of this headquarters"):
        await joining.renew(network.url, "dev-r", device.authority, (signed.pem, asked.key))


async def test_a_certificate_that_headquarters_never_gave(network, device):
    """Signed by the right key and not in the registry: somebody copied the authority. It is not renewed."""
    asked = keys.ask("dev-r")
    signed = Authority(network.folder / "authority", time.time()).sign_device("dev-r", asked.csr, time.time())

    with pytest.raises(Denied, match="it was revoked, or headquarters does not know the certificate"):
        await joining.renew(network.url, "dev-r", device.authority, (signed.pem, asked.key))


async def test_another_server_is_not_asked(device, network, tmp_path):
    """With another authority in the device's memory, headquarters is a stranger."""
    stranger = Authority(tmp_path / "foreign", time.time()).pem

    with pytest.raises(EnrolmentError, match="is not from our certificate authority"):
        await joining.renew(network.url, "dev-r", stranger, device.pair)


async def test_a_device_that_was_revoked(network):
    """No new certificate, no topic of the broker, and no batch; it is told so."""
    lost = Device(network, "dev-t")
    assert network.hq.command("device", "revoke", "dev-t").returncode == 0
    before = lost.pair
    with pytest.raises(Denied, match="may not renew its certificate: it was revoked"):
        await joining.renew(network.url, "dev-t", lost.authority, lost.pair)
    assert not await lost.renew()
    assert lost.pair == before
    while await lost.accepts(identity.tls_of(lost.folder)) != NO_RIGHTS:  # until the broker has read it again
        pass


async def test_a_device_that_looks_for_the_answer_it_lost(network):
    """The code was used and the answer did not arrive: the same key may ask again, another may not."""
    code = network.code("dev-u")
    asked = keys.ask("dev-u")
    request = joining.Enrol(device="dev-u", code=code, csr=asked.csr)
    context = joining._trusting((network.folder / "authority/root.crt").read_text())

    first = await joining._post(network.url + joining.ENROL, request, context)
    again = await joining._post(network.url + joining.ENROL, request, context)
    assert keys.problem_with(first, asked.key, "dev-u") == keys.problem_with(again, asked.key, "dev-u") == ""
    with pytest.raises(Denied, match="was used"):
        await joining._post(
            network.url + joining.ENROL, request.model_copy(update={"csr": keys.ask("dev-u").csr}), context
        )


async def test_a_code_expires(network):
    """After a week nobody can use what is written on a forgotten note."""
    code = network.code("dev-v")
    await execute(network, "UPDATE enrolments SET expires = $1 WHERE device = 'dev-v'", int(time.time()))
    ended = network.store("dev-v").enrol(network.url, "--code", code)

    assert "has expired" in ended.stderr
    assert ended.returncode == 1


async def test_the_database_knows_no_code(network):
    """A copy of it lets nobody in: it holds hashes."""
    code = network.code("dev-w")
    secret = code.partition(".")[0].replace("-", "").encode()
    found = await network.hq.ask("SELECT code FROM enrolments")

    assert not [row for row in found if secret in row[0] or base64.b64encode(secret) in row[0]]


async def test_a_kill_between_any_two_steps_leaves_an_identity(device, monkeypatch):
    """Each write, link and rename of the swap may be the last one: what is there works, old or new."""
    steps = ("symlink", "replace", "fsync", "unlink", "mkdir")
    for stop in range(1, 60):
        left = iter(range(stop))

        def step(real, left=left):
            def called(*arguments, **options):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return real(*arguments, **options)

            return called

        with monkeypatch.context() as patched:
            for name in steps:
                patched.setattr(os, name, step(getattr(os, name)))
            try:
                await device.age(YEAR / 2)
                finished = True
            except KeyboardInterrupt:
                finished = False
        assert await device.accepts(identity.tls_of(device.folder)) == ""
        if finished:
            break
    assert finished
    assert stop > 15
