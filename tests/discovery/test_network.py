"""An installer's first hour: `discover`, `camera test` and `camera add` on a network of four cameras.

The network is a bridge in a namespace that this test makes, with each camera in another: nothing of it reaches the
machine's own network, and what is found was found by real packets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.settings import read_configuration

HOUSE = Path(__file__).parents[2]
AGENT = f"{sys.executable} -m agent"
ACCOUNT = "--username counter --zone Europe/Lisbon --password-file"


class Network:
    def __init__(self) -> None:
        alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
        self._process = subprocess.Popen(
            [*alone, sys.executable, "-m", "tests.discovery.store"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HOUSE,
            env={**os.environ, "PYTHONPATH": str(HOUSE)},
        )
        assert self._process.stdout.readline() == "ready\n"

    def run(self, command: str) -> dict:
        """A command in there: its exit status and what it said."""
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        with self._process:  # closes both pipes, and waits
            self._process.stdin.close()


@pytest.fixture(scope="module")
def network():
    found = Network()
    yield found
    found.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "agent.toml").write_text(
        '[store]\ntenant = "example"\nid = "s1"\n[device]\nid = "pi-1"\n[mqtt]\nhost = "mqtt.example.com"\n'
        'ca_file = "ca.crt"  # ours\n[[sensor]]\nid = "old"\ndriver = "milesight"\naddress = "192.0.2.99"\n'
    )
    (tmp_path / "layout.toml").write_text(
        'version = "1"\neffective_from = 2026-01-01\ntime_zone = "Europe/Lisbon"\n[[sensor]]\nid = "old"\n'
    )
    (tmp_path / "password").write_text("example\n")
    (tmp_path / "wrong").write_text("wrong\n")
    return tmp_path


def test_each_way_of_looking_finds_what_it_can_and_the_range_is_said(network):
    """WS-Discovery (also with a reused message id), mDNS, makers' prefixes and the range, put together by address."""
    told = network.run(f"{AGENT} discover --range 192.0.2.8/29 --seconds 2 --json")

    assert told["status"] == 0, told
    found = json.loads(told["out"])
    assert found["ranges"] == ["192.0.2.8/29"]
    assert [(one["name"], one["address"], one["prefix"]) for one in found["interfaces"]] == [
        ("store0", "192.0.2.1", 24)
    ]
    assert found["problems"] == []
    assert {one["address"]: (one["brand"], set(one["told_by"])) for one in found["found"]} == {
        "192.0.2.11": ("milesight", {"ws-discovery", "mac", "http"}),
        "192.0.2.12": ("axis", {"mdns", "mac", "http"}),
        "192.0.2.13": ("hikvision", {"ws-discovery", "http"}),
        "192.0.2.14": ("hanwha", {"mac", "http"}),
    }


def test_without_a_range_only_who_announces_itself_is_found_and_the_person_is_told_how_to_ask_more(network):
    """The silent camera is missing, and the text names the network it could be asked with."""
    network.run("ip neigh flush dev store0")  # what an earlier look left behind would still be seen
    told = network.run(f"{AGENT} discover --seconds 2 --interface store0")

    assert told["status"] == 0
    assert "store0 (192.0.2.1" in told["out"]
    assert "--range 192.0.2.0/24" in told["out"]
    assert "192.0.2.13" in told["out"]
    assert "192.0.2.14" not in told["out"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--interface nosuch", "no interface 'nosuch' with an IPv4 address; there are: store0"),
        ("--range 10.0.0.0/8", "1024 at most"),
        ("--range camera", "write one such as 192.0.2.0/24"),
    ],
)
def test_a_scan_that_cannot_be_made_is_refused_in_words(network, arguments, said):
    """An interface or a range that is none is named, with what there is."""
    told = network.run(f"{AGENT} discover {arguments}")
    assert told["status"] == 2
    assert said in told["errors"]


@pytest.mark.parametrize("address", ["192.0.2.11", "192.0.2.12", "http://192.0.2.13/", "192.0.2.14:80"])
def test_a_camera_is_tried_from_the_first_packet_to_a_number(network, folder, address):
    """Each brand is recognised without a password, logged in to with it, asked for everything, and shows a count."""
    told = network.run(f"{AGENT} camera test {address} {ACCOUNT} {folder}/password --json")

    assert told["status"] == 0, told
    steps = {step["name"]: step for step in json.loads(told["out"])}
    for name in ("brand", "reach", "log in", "data: lines", "reading", "sample"):
        assert steps[name]["outcome"] == "ok", steps
    assert steps["clock"]["outcome"] in {"ok", "skipped"}


@pytest.mark.parametrize("address", ["192.0.2.11", "192.0.2.12"])
def test_a_wrong_password_is_tried_once_and_named(network, folder, address):
    """The log-in fails and everything after it is left out: some cameras lock an account after a few wrong tries."""
    told = network.run(f"{AGENT} camera test {address} {ACCOUNT} {folder}/wrong --json")

    assert told["status"] == 1
    steps = {step["name"]: step for step in json.loads(told["out"])}
    assert steps["log in"]["outcome"] == "failed"
    assert "own page" in steps["log in"]["next"]
    assert {step["outcome"] for name, step in steps.items() if name not in {"brand", "reach", "log in"}} == {"skipped"}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.77", "no connection"),
        ("127.0.0.1", "this machine itself"),
        ("169.254.169.254", "metadata"),
    ],
)
def test_an_address_without_a_camera_fails_at_the_first_step(network, address, said):
    """Nobody there, or an address that no camera may have; the remedy is beside it."""
    told = network.run(f"{AGENT} camera test {address} --json")
    assert told["status"] == 1
    first = json.loads(told["out"])[0]
    assert (first["name"], first["outcome"]) == ("reach", "failed")
    assert said in first["said"]
    assert first["next"]


def test_what_passed_is_written_and_checks(network, folder):
    """agent.toml and the layout gain a table, comments stay, the password has a file of its own for one user."""
    config = folder / "agent.toml"
    add = f"{AGENT} camera add side-door 192.0.2.12 {ACCOUNT} {folder}/password --config {config}"
    told = network.run(add)

    assert told["status"] == 0, told
    assert "# ours" in config.read_text()
    found = read_configuration(config)
    sensor = found.settings.sensor[1]
    assert (sensor.id, sensor.driver, sensor.address, sensor.username) == (
        "side-door",
        "axis",
        "192.0.2.12",
        "counter",
    )
    assert found.secret(sensor.password_file) == "example"
    assert (folder / "side-door.password").stat().st_mode & 0o777 == 0o600
    assert [line.number for line in found.layout.sensor[1].line] == [1]
    assert network.run(f"{AGENT} camera test side-door --config {config}")["status"] == 0
    again = network.run(add)
    assert again["status"] == 2
    assert "already" in again["errors"]


def test_what_did_not_pass_is_not_written_unless_forced(network, folder):
    """Nothing changes after a failed test; --force writes it for a camera that is not there yet."""
    config = folder / "agent.toml"
    before = config.read_text()
    add = f"{AGENT} camera add later 192.0.2.78 --driver axis {ACCOUNT} {folder}/password --config {config}"

    refused = network.run(add)
    assert refused["status"] == 1
    assert "Nothing was written" in refused["errors"]
    assert config.read_text() == before

    assert network.run(f"{add} --force")["status"] == 0
    assert [sensor.id for sensor in read_configuration(config).settings.sensor] == ["old", "later"]
