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
