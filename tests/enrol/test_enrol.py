"""From the code that headquarters prints to a device that the broker accepts; and what is told where it goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess

import pytest

from agent.contract.enrolment import read_code
from tests.devices.mosquitto import program

pytestmark = pytest.mark.timeout(120)


def modes(folder) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def test_a_code_makes_a_device(network):
    """One line at headquarters, one line in the store; nobody else can read what it leaves behind."""
    store = network.store("dev-a")
    ended = store.enrol(network.url, "--code", network.code("dev-a"))

    assert ended.returncode == 0, ended.stderr
    assert "dev-a is enrolled until 2" in ended.stdout
    assert "The broker 127.0.0.1 accepts them. Now restart the agent." in ended.stdout
    assert modes(store.identity) == {0o600}
    assert stat.S_IMODE(store.identity.stat().st_mode) == 0o700
    assert json.loads((store.identity / "current/identity.json").read_text())["url"] == network.url
    listed = network.hq.command("device", "list").stdout
    assert "certificate until 2" in next(line for line in listed.splitlines() if " dev-a " in line)


def test_a_code_works_once(network):
    """Who reads it afterwards from a screen or a shell's history has nothing."""
    code = network.code("dev-b")
    assert network.store("dev-b").enrol(network.url, "--code", code).returncode == 0
    before = sorted((network.store("dev-b").identity).rglob("*"))
    again = network.store("dev-b").enrol(network.url, "--code", code)

    assert again.returncode == 1
    assert "Not enrolled: this code is wrong, was used, has expired, or is for another device" in again.stderr
    assert sorted((network.store("dev-b").identity).rglob("*")) == before


def test_a_code_is_for_one_device(network):
    """With the code of one, another is not let in, and the words are the same as for any wrong code."""
    code = network.code("dev-c")
    for name in ("dev-d", "nobody-knows-it"):
        ended = network.store(name).enrol(network.url, "--code", code)
        assert ended.returncode == 1
        assert "this code is wrong, was used, has expired, or is for another device" in ended.stderr
        assert not (network.store(name).identity).exists()


def test_another_headquarters_is_not_spoken_to(network):
    """A code whose fingerprint does not fit: the secret is not told to whoever answers."""
    code = network.code("dev-e")
    wrong = code.partition(".")[0] + "." + "0" * 26
    ended = network.store("dev-e").enrol(network.url, "--code", wrong)

    assert ended.returncode == 1
    assert "is not the headquarters that gave this code" in ended.stderr
    assert network.store("dev-e").enrol(network.url, "--code", code).returncode == 0


def test_a_code_that_is_none(network):
    """What is missing is said before anybody is asked."""
    ended = network.store("dev-e").enrol(network.url, "--code", "12345-ABCDE")

    assert "the code has a dot in it" in ended.stderr


def test_the_code_may_be_typed_as_people_type():
    """Small letters, spaces for dashes, O for 0 and L for 1 are the same code."""
    code = read_code("01234-56789-ABCDE-FGHJK." + "0" * 26)

    assert read_code("o1234 56789 abcde fghjk." + "o" * 26) == code
    assert read_code("0l234-56789-ABCDE-FGHJK . " + "0" * 26) == code


def test_headquarters_that_is_not_there(network):
    """Its address is named."""
    ended = network.store("dev-e").enrol("https://127.0.0.1:9", "--code", network.code("dev-f"))

    assert "Not enrolled: https://127.0.0.1:9/v1/authority is not reached" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_clock_that_is_wrong(network):
    """A device that believes to be in another year is told that it is the clock, and keeps its code."""
    if not shutil.which("faketime"):
        (pytest.fail if os.environ.get("FOOTFALL_REQUIRE_ALL") else pytest.skip)("faketime is missing")
    code = network.code("dev-g")
    ended = network.store("dev-g").enrol(network.url, "--code", code, before=("faketime", "-f", "-2y"))
    assert "Not enrolled: this device's clock is wrong: it says " in ended.stderr
    assert "The certificates are not at fault" in ended.stderr
    ended = network.store("dev-g").enrol(network.url, "--code", code, before=("faketime", "-f", "+3y"))
    assert "by this device's clock, which says" in ended.stderr
    assert "where it is wrong, set the clock" in ended.stderr

    assert network.store("dev-g").enrol(network.url, "--code", code).returncode == 0


def test_a_broker_that_cannot_be_reached(network):
    """The first enrolment is kept all the same, for the code is spent; an earlier one that works is not given up."""
    ended = network.store("dev-h", port=9).enrol(network.url, "--code", network.code("dev-h"))
    assert ended.returncode == 1
    assert "dev-h is enrolled until 2" in ended.stderr
    assert "But the broker 127.0.0.1 could not be used: " in ended.stderr
    kept = (network.store("dev-h").identity / "current").readlink()

    ended = network.store("dev-h", port=9).enrol(network.url, "--code", network.code("dev-h"))
    assert "The earlier enrolment is still used" in ended.stderr
    assert (network.store("dev-h").identity / "current").readlink() == kept


def test_a_file_for_a_store_without_a_line(network):
    """Headquarters makes the key; the file holds it, so it is readable by its owner alone."""
    assert network.hq.command("device", "add", "dev-i", "--store", "s1").returncode == 0
    file = network.folder / "dev-i.json"
    made = network.hq.command("device", "bundle", "dev-i", "--out", str(file))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    ended = network.store("dev-j").enrol("--file", str(file))
    assert "the certificate is for dev-i, and this device is dev-j" in ended.stderr
    ended = network.store("dev-i").enrol("--file", str(file))
    assert ended.returncode == 0, ended.stderr


def test_a_password_in_place_of_a_certificate(network):
    """Mosquitto takes the hash that we make; the password is shown once and kept nowhere."""
    said = network.hq.command("device", "add", "dev-k", "--store", "s1", "--password")
    password = said.stdout.partition("password ")[2].split()[0]
    assert len(password) == 20

    def publish(secret: str, topic: str) -> str:
        ended = subprocess.run(
            [
                *(program("mosquitto_pub"), "-V", "mqttv5", "-q", "1", "-i", "k", "-u", "dev-k", "-P", secret),
                *("-h", "127.0.0.1", "-p", str(network.passwords), "--cafile", f"{network.folder}/broker/ca.crt"),
                *("-t", topic, "-m", "x"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return ended.stdout + ended.stderr

    while publish(password, "footfall/v1/acme/s1/dev-k/batch"):  # until the broker has read it again
        pass
    assert "ot authorized" in publish(password, "footfall/v1/acme/s1/dev-a/batch")
    assert "ot authori" in publish("x" * 20, "footfall/v1/acme/s1/dev-k/batch")
    everything = b"".join(p.read_bytes() for p in (network.folder / "broker").iterdir() if p.is_file())
    assert password.encode() not in everything


def test_a_revoked_device_is_out(network):
    """Its code, its certificate and its name are worth nothing any more, and the words say so."""
    store = network.store("dev-l")
    assert store.enrol(network.url, "--code", network.code("dev-l")).returncode == 0
    said = network.hq.command("device", "revoke", "dev-l")
    assert said.stdout.endswith("dev-l is revoked.\n")

    again = network.hq.command("device", "add", "dev-l", "--store", "s1")
    assert again.returncode == 1
    assert "dev-l was revoked, and its key may be in other hands: give the new device an id of its own" in again.stderr
    assert network.hq.command("device", "bundle", "dev-l", "--out", "x").returncode == 1
    assert "user dev-l" not in (network.folder / "broker/acl").read_text()
    assert "revoked" in next(
        line for line in network.hq.command("device", "list").stdout.splitlines() if " dev-l " in line
    )


def test_revoking_nobody(network):
    """A slip of the finger is told."""
    said = network.hq.command("device", "revoke", "dev-zz")

    assert said.returncode == 1
    assert "there is no device dev-zz" in said.stderr
