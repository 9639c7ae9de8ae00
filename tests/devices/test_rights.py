"""On a real Mosquitto each device may do what the wire allows it, on its own branch, and nothing else anywhere."""

from __future__ import annotations

import base64
import re
import subprocess
import time

import pytest

from agent.contract.topics import Branch, hq_state
from agent.enrol import keys
from cloud_receiver.devices import broker
from cloud_receiver.devices.authority import Authority
from cloud_receiver.devices.broker import READS, RECEIVER, WRITES
from tests.devices.mosquitto import Broker, Watcher, free_port, known, program

NAMES = [f"dev{k}" for k in range(6)]
STORES = {name: f"s{k // 2}" for k, name in enumerate(NAMES)}  # two devices a store


def leaves(which) -> list[str]:
    return [leaf.replace("#", "checkout") for leaf in which]


def branch(name: str) -> Branch:
    return Branch("acme", STORES[name], name)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("rights"), [known(name, STORES[name]) for name in NAMES]) as made:
        for name in NAMES:
            made.certify(name)
        yield made


@pytest.fixture
def watchers(running):
    """Everybody asks for everything, the receiver as it really does; nobody is revoked."""
    broker.write_access(running.folder, [known(name, STORES[name]) for name in NAMES])
    broker.reload(str(running.pid))
    shared = [f"$share/ingest/footfall/v1/acme/+/+/{leaf}" for leaf in leaves(WRITES)]
    made = {RECEIVER: Watcher(running, "receiver", *shared)}
    made |= {name: Watcher(running, name, "#") for name in NAMES}
    for name in NAMES:  # heard: each is subscribed
        while (branch(name).topic("ack"), "begin") not in made[name].heard:
            running.publish("receiver", branch(name).topic("ack"), "begin")
    while (branch("dev0").topic("reply"), "begin") not in made[RECEIVER].heard:
        running.publish("dev0", branch("dev0").topic("reply"), "begin")
    yield made
    for watcher in made.values():
        watcher.stop()


def end(running, watchers) -> None:
    """What is on its way has arrived when this has: the broker keeps the order."""
    for name in NAMES:
        running.publish("receiver", branch(name).topic("ack"), "end")
        watchers[name].wait_for("end")
    running.publish("dev0", branch("dev0").topic("reply"), "end")
    watchers[RECEIVER].wait_for("end")


def heard(watchers) -> set[tuple[str, str, str]]:
    return {
        (who, topic, text)
        for who, watcher in watchers.items()
        for topic, text in watcher.heard
        if text not in ("begin", "end")
    }


@pytest.mark.timeout(300)
def test_the_matrix(running, watchers):
    """Six devices and headquarters, each on all topics of each: heard is what the wire allows, and nothing more."""
    said = {}
    for who in (*NAMES, RECEIVER):
        user = "receiver" if who == RECEIVER else who
        for whose in NAMES:
            for leaf in leaves(WRITES + READS):
                said[who, whose, leaf] = running.publish(user, branch(whose).topic(leaf), f"by {who}")
        said[who, RECEIVER, "state"] = running.publish(user, hq_state("acme", "w"), f"by {who}")
    end(running, watchers)

    written = {(RECEIVER, branch(name).topic(leaf), f"by {name}") for name in NAMES for leaf in leaves(WRITES)}
    read = {(name, branch(name).topic(leaf), f"by {RECEIVER}") for name in NAMES for leaf in leaves(READS)}
    states = {(name, hq_state("acme", "w"), f"by {RECEIVER}") for name in NAMES}
    assert heard(watchers) == written | read | states

    denied = {key for key, text in said.items() if "ot authorized" in text}
    allowed = {(name, name, leaf) for name in NAMES for leaf in leaves(WRITES)}
    allowed |= {(RECEIVER, name, leaf) for name in NAMES for leaf in leaves(READS)} | {(RECEIVER, RECEIVER, "state")}
    assert set(said) - denied == allowed
    assert len(denied) == len(said) - len(allowed) == 7 * (6 * 12 + 1) - 6 * 9 - 6 * 3 - 1


@pytest.mark.timeout(120)
def test_a_revoked_device_is_denied_at_the_reload_and_nobody_else_notices(running, watchers):
    """SIGHUP reads the rights again; the connections of the others stay as they are."""
    before = running.log.read_text().count("\n")
    devices = [known(name, STORES[name], revoked=1 if name == "dev5" else None) for name in NAMES]
    broker.write_access(running.folder, devices)
    began = time.monotonic()
    broker.reload(str(running.pid))
    while "ot authorized" not in running.publish("dev5", branch("dev5").topic("batch"), "still here?"):
        pass
    took = time.monotonic() - began

    running.publish("receiver", branch("dev5").topic("cmd/backfill"), "for the revoked one")
    for name in NAMES[:5]:
        running.publish("receiver", branch(name).topic("ack"), "afterwards")
        watchers[name].wait_for("afterwards")
    running.publish("dev0", branch("dev0").topic("batch"), "afterwards")
    watchers[RECEIVER].wait_for("afterwards")
    assert took < 300
    assert "for the revoked one" not in {text for _, text in watchers["dev5"].heard}
    lines = running.log.read_text().splitlines()[before:]
    assert [line for line in lines if "watch-" in line and "watch-dev5" not in line] == []


def test_without_a_certificate_of_ours_nobody_is_let_in(running, tmp_path):
    """Neither with none, nor with one that another authority gave to the same name."""
    options = running.options("dev0")
    asked = keys.ask("dev0")
    stranger = Authority(tmp_path / "foreign", time.time()).sign_device("dev0", asked.csr, time.time())
    (tmp_path / "dev0.crt").write_text(stranger.pem)
    (tmp_path / "dev0.key").write_text(asked.key)
    bare = options[: options.index("--cert")]
    for shown in ([], ["--cert", f"{tmp_path}/dev0.crt", "--key", f"{tmp_path}/dev0.key"]):
        ended = subprocess.run(
            [program("mosquitto_pub"), *bare, *shown, "-i", "nobody", "-t", branch("dev0").topic("batch"), "-m", "x"],
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert ended.returncode != 0
    assert "as nobody" not in running.log.read_text()


@pytest.mark.timeout(60)
def test_no_will_reaches_where_its_device_may_not_write(running, watchers):
    """The last word of a device that dies is held to the same rights: its own state, and not another's."""
    for whose in ("dev0", "dev1"):
        name = f"will-{whose}"
        options = ["-i", name, "-t", "x", "--will-topic", branch(whose).topic("state"), "--will-payload", name]
        dying = subprocess.Popen([program("mosquitto_sub"), *running.options("dev0"), *options])
        while not re.search(f"(connected from|closed|disconnected|not authori).*{name}|{name}.*not auth", log(running)):
            if dying.poll() is not None:
                break
        dying.kill()
        dying.wait()
    watchers[RECEIVER].wait_for("will-dev0")
    end(running, watchers)

    assert "will-dev1" not in {text for _, text in watchers[RECEIVER].heard}


def log(running) -> str:
    return running.log.read_text()


@pytest.mark.timeout(60)
def test_without_its_password_nobody_is_let_in(tmp_path):
    """Also while nobody has one yet, with a name that is known by its certificate, and on this very machine."""
    ports = {"passwords": free_port(), "loopback": free_port()}
    with Broker(tmp_path, [known("dev0")], **ports) as made:
        for kind, port in ports.items():
            tls = ["--cafile", f"{made.folder}/ca.crt"] if kind == "passwords" else []
            for who in (
                [],
                ["-u", "dev0"],
                ["-u", "dev0", "-P", "x"],
                ["-u", RECEIVER, "-P", "x"],
                ["-u", "", "-P", ""],
            ):
                ended = subprocess.run(
                    [
                        *(program("mosquitto_pub"), "-V", "mqttv5", "-i", "z", "-h", "127.0.0.1", "-p", str(port)),
                        *(*tls, *who, "-q", "1", "-t", branch("dev0").topic("batch"), "-m", "x"),
                    ],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=30,
                )
                assert "Not authorized" in ended.stderr, (kind, who)


def test_a_password_is_hashed_as_mosquitto_does(tmp_path):
    """mosquitto_passwd makes the same of the same password and salt, but for its number of turns."""
    file = tmp_path / "passwords"
    file.touch()
    subprocess.run([program("mosquitto_passwd"), "-b", str(file), "dev", "hello"], check=True, timeout=30)
    _, algorithm, turns, salt, digest = file.read_text().strip().partition(":")[2].split("$")
    ours = broker.hash_password("hello", base64.b64decode(salt), int(turns))

    assert ours == f"${algorithm}${turns}${salt}${digest}"
