"""The sample of the broker's configuration is what the command writes, to the letter."""

from __future__ import annotations

from pathlib import Path

from cloud_receiver.devices import broker
from cloud_receiver.devices.registry import Device

SAMPLE = (Path(__file__).parents[2] / "config" / "mosquitto.conf").read_text()


def test_the_sample_is_what_is_written():
    """Who reads it knows what a broker of ours runs with."""
    made = broker.configuration(Path("/etc/mosquitto/footfall"), broker.Listeners(("mqtt.example.com",)))
    rights = broker.acl([Device("lisboa-01-pi", "example", "lisboa-01", 0, None, None, None, None)])

    assert made in SAMPLE
    assert [line[4:] for line in SAMPLE.partition(made)[2].splitlines() if line.startswith("#   ")] == [
        line for line in rights.splitlines() if line
    ]


def test_rights_of_your_own_are_kept(tmp_path):
    """A reader of the topics that is no device: two files beside ours, which are never written."""
    (tmp_path / "acl.local").write_text("user wall\ntopic read footfall/v1/acme/+/+/live/#\n")
    (tmp_path / "passwords.local").write_text(f"wall:{broker.hash_password('example')}\n")
    for _ in range(2):
        broker.write_access(tmp_path, [])

    assert (tmp_path / "acl").read_text().count("user wall") == 1
    assert (tmp_path / "passwords").read_text().count("wall:$7$") == 1
