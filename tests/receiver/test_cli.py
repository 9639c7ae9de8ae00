"""The receiver's command line and configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.foundation.toml import ConfigurationError
from cloud_receiver.settings import read_configuration
from tests.receiver.hq import Headquarters, rows

SAMPLE = Path(__file__).resolve().parents[2] / "config/receiver.toml"


def test_the_sample_loads():
    """And its commented defaults are the defaults."""
    settings = read_configuration(SAMPLE).settings
    assert (settings.receiver.worker, settings.limits.undecided, settings.mqtt.version) == ("", 2000, 5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[receiver]\ntenant="a"\n[mqtt]\nhots="x"\n', 'did you mean "host"'),
        ('[receiver]\ntenant="a/b"\n[mqtt]\nhost="x"\n', "2: receiver.tenant"),
        ('[receiver]\ntenant="a"\n[mqtt]\nhost="x"\n[database]\nurl="mysql://x"\n', "postgresql://"),
        ('[receiver]\ntenant="a"\n[mqtt]\nhost="x"\n[database]\nurl="postgresql://x"\ndata_dir="y"\n', "exclude"),
        ('[receiver]\ntenant="a"\n[mqtt]\nhost="x"\ncert_file="c"\n', "come together"),
        ('[receiver]\ntenant="a"\n[mqtt]\nhost="x"\n', "3: mqtt: x is another machine.* needs TLS: set ca_file"),
    ],
)
def test_a_wrong_configuration_names_line_and_key(tmp_path, text, says):
    """And what to write instead."""
    file = tmp_path / "receiver.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=says.replace("[", r"\[")):
        read_configuration(file)


@pytest.mark.parametrize("command", [["run"], ["check"], ["device", "list"]])
def test_a_wrong_configuration_ends_with_status_78(tmp_path, command):
    """So that systemd does not loop on it."""
    hq = Headquarters(tmp_path, 1, more='colour = "red"\n')
    ended = hq.command(*command)
    assert ended.returncode == 78
    assert "unknown key" in ended.stderr


def test_check_opens_nothing(tmp_path):
    """A right configuration is said to be right, though nobody is at its address."""
    ended = Headquarters(tmp_path, 1).command("check")
    assert (ended.returncode, list(tmp_path.iterdir())) == (0, [tmp_path / "receiver.toml"])


def test_a_database_that_cannot_be_is_told_in_words(tmp_path):
    """No trace back."""
    hq = Headquarters(tmp_path, 1)
    (tmp_path / "hq").write_text("no folder")
    ended = hq.command("device", "list")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


async def test_a_device_is_added_while_the_receiver_runs_and_also_while_not(hq):
    """Known from then on; a second time moves it to another store."""
    async with hq.device(known=False) as device:
        name, store = device.branch.device, device.branch.store
        assert hq.command("device", "add", name, "--store", "elsewhere").returncode == 0
        assert hq.command("device", "add", name, "--store", store).returncode == 0
        assert (await device.send(device.batch([(1, 2)], rows(2))))["st"] == "committed"
        assert len(await device.rows()) == 2
    assert hq.stop() == 0
    listed = hq.command("device", "list")
    assert listed.returncode == 0, listed.stderr
    assert f" {name} " in listed.stdout
    assert not (hq.folder / "hq/data/postmaster.pid").exists()
    hq.start()


def test_a_name_that_does_not_fit_a_topic_is_refused(hq):
    """It would never be heard."""
    ended = hq.command("device", "add", "a/b", "--store", "s")
    assert ended.returncode == 78
    assert "a/b" in ended.stderr
