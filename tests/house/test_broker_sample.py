"""The sample for the broker is one that Mosquitto takes, and its access rules keep devices apart."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
from pathlib import Path

import pytest

from agent.contract.topics import Branch, hq_state
from tests.rig.broker import free_port, mosquitto_path

SAMPLE = (Path(__file__).parents[2] / "config" / "mosquitto.conf").read_text()
TLS = ("cafile", "certfile", "keyfile", "tls_version", "require_certificate", "use_identity_as_username", "ciphers")


def without_tls(folder: Path, port: int) -> str:
    """The sample with its folder and port replaced, and without what needs certificates."""
    lines = [line for line in SAMPLE.splitlines() if not line.startswith(TLS)]
    text = "\n".join(lines).replace("listener 8883", f"listener {port} 127.0.0.1")
    return text.replace("/etc/mosquitto/footfall", str(folder))


@pytest.mark.skipif(
    mosquitto_path() is None and not os.environ.get("FOOTFALL_REQUIRE_ALL"), reason="mosquitto is not installed"
)
def test_mosquitto_takes_the_sample(tmp_path):
    """Every directive is one that the installed Mosquitto knows, and none is on its way out."""
    acl = re.findall(r"^#   (.*)$", SAMPLE, flags=re.MULTILINE)
    (tmp_path / "acl").write_text("\n".join(acl) + "\n")
    (tmp_path / "passwords").touch()
    debian = f"\nuser {getpass.getuser()}\npersistence_location {tmp_path}/\n"
    (tmp_path / "sample.conf").write_text(without_tls(tmp_path, free_port()) + debian)
    broker = subprocess.Popen(
        [str(mosquitto_path()), "-c", str(tmp_path / "sample.conf"), "-v"], stderr=subprocess.PIPE, text=True
    )
    said = []
    try:
        for line in broker.stderr:
            said.append(line)
            if " running" in line:
                break
    finally:
        broker.kill()  # a SIGTERM between "running" and its loop is forgotten
        broker.wait(timeout=10)
        broker.stderr.close()

    assert " running" in said[-1], "".join(said)
    assert not [line for line in said if re.search("Error|Unknown|deprecated|recommended", line)]


def test_a_device_has_the_rights_of_the_wire_and_no_more():
    """It writes and reads what is its own; its answers and commands it may only read."""
    block = SAMPLE.partition("#   user lisboa-01-pi\n")[2]
    rights = set(re.findall(r"topic (write|read|readwrite) (\S+)", block))

    branch = Branch("example", "lisboa-01", "lisboa-01-pi")
    written = ("birth", "state", "live/#", "batch", "backlog", "alert", "health", "reply", "config/reported")
    assert rights == {
        *(("write", branch.topic(leaf)) for leaf in written),
        *(("read", branch.topic(leaf)) for leaf in ("ack", "config/desired", "cmd/#")),
        ("read", hq_state("example", "+")),
    }
