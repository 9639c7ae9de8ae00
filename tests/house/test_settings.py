"""The agent's settings refuse what would fail later, or reach where it must not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from agent.foundation.toml import ConfigurationError
from agent.settings import INSTALLED, read_configuration

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The samples with a certificate of our own, and the files they name."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    shutil.copy(CONFIG / "layout.toml", tmp_path)
    text = (CONFIG / "agent.toml").read_text()
    for key, name in (("ca_file", "ca.crt"), ("cert_file", "device.crt"), ("key_file", "device.key")):
        text = text.replace(f'# {key} = ""', f'{key} = "{name}"')
    (tmp_path / "agent.toml").write_text(text)
    for name in ("door-1.password", "door-2.password", "ca.crt", "device.crt", "device.key"):
        (tmp_path / name).write_text(f"content of {name}\n")
    return tmp_path


def refused(folder: Path, old: str, new: str, file: str = "agent.toml") -> str:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(folder / "agent.toml", with_files=True)
    return str(caught.value)


def test_the_sample_is_complete(folder):
    """With its files beside it the sample can be run."""
    found = read_configuration(folder / "agent.toml", with_files=True)

    assert found.secret(found.settings.sensor[0].password_file) == "content of door-1.password"


@pytest.mark.parametrize(
    "address",
    [
        "http://192.0.2.11",
        "admin:secret@192.0.2.11",
        "192.0.2.11/admin",
        "192.0.2.11:0",
        "192.0.2.11:65536",
        "192.0.2.11:80:80",
        "[::1",
        "[zz]:80",
        "",
        "door 1",
        "192.0.2.11?x=1",
        "192.0.2.11#",
        "192.0.2.11\\n",
    ],
)
def test_an_address_is_host_and_port_and_nothing_else(folder, address):
    """No scheme, user name, path or line break can be smuggled into a request."""
    said = refused(folder, "192.0.2.11", address)

    assert re.search(r"agent\.toml:\d+: sensor\.0\.address: (write host or host:port|.* is no host name)", said)
    assert "secret" not in said


@pytest.mark.parametrize("address", ["127.0.0.1:80", "169.254.169.254", "[::1]:80", "[fe80::1]", "224.0.0.1"])
def test_an_address_that_no_camera_has_is_refused_with_its_line(folder, address):
    """This machine, links and metadata: a mistake or a trick, said before anything is asked."""
    said = refused(folder, "192.0.2.11", address)
    assert re.search(r"agent\.toml:\d+: sensor\.0\.address: .*(this machine|link-local|one device)", said)


def test_simulated_cameras_on_this_machine_are_allowed_by_a_setting(folder):
    """[cameras] loopback = true, as the demo writes it."""
    path = folder / "agent.toml"
    text = path.read_text().replace("192.0.2.11", "127.0.0.1:80", 1).replace("[cameras]", "[cameras]\nloopback = true")
    path.write_text(text)
    assert read_configuration(path).settings.sensor[0].address == "127.0.0.1:80"


@pytest.mark.parametrize("address", ["192.0.2.11", "192.0.2.11:8080", "camera-1.example.com:80", "[2001:db8::7]:80"])
def test_ordinary_addresses_are_accepted(folder, address):
    """Names, addresses of both families, with and without port."""
    path = folder / "agent.toml"
    path.write_text(path.read_text().replace("192.0.2.11", address, 1))

    assert read_configuration(path).settings.sensor[0].address == address


def test_an_unknown_driver_lists_those_there_are(folder):
    """The file names of the drivers are what can be written."""
    said = refused(folder, "milesight", "milesite")

    assert "sensor.0.driver: there is no driver 'milesite'; there are: " in said
    assert "milesight" in said.partition("there are: ")[2]


def test_two_sensors_cannot_share_an_id(folder):
    """Their numbers would overwrite each other."""
    assert "more than one [[sensor]] has the id door-1" in refused(folder, 'id = "door-2"', 'id = "door-1"')


def test_a_sensor_without_layout_is_named(folder):
    """What its lines mean must be said before it counts."""
    assert "no [[sensor]] with the id door-9" in refused(folder, 'id = "door-2"', 'id = "door-9"')


def test_an_error_in_the_layout_names_the_layout(folder):
    """The error points into the file that is wrong."""
    said = refused(folder, "door-2/region:1", "door-2/region:7", "layout.toml")

    assert "layout.toml:" in said
    assert "'door-2/region:7' is none of" in said


def test_headquarters_branch_is_no_store(folder):
    """A device must not speak where headquarters does."""
    assert "store.id: " in refused(folder, 'id = "lisboa-01" ', 'id = "_hq" ')


def test_a_line_that_leaves_the_machine_has_tls(folder):
    """Without authority and without enrolment the configuration is wrong, and what to do is said."""
    path = folder / "agent.toml"
    path.write_text((CONFIG / "agent.toml").read_text().replace('# path = ""  ', 'path = "buffer.db"'))

    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path, with_files=True)
    assert re.search(r"agent\.toml:1\d: mqtt\.host: mqtt\.example\.com is another machine.*TLS", str(caught.value))
    assert "footfall-agent enrol URL --code CODE" in str(caught.value)

    path.write_text(path.read_text().replace("mqtt.example.com", "127.0.0.1"))
    assert read_configuration(path, with_files=True)
    path.write_text(path.read_text().replace("127.0.0.1", "mqtt.example.com"))
    (folder / "buffer.identity/current").mkdir(parents=True)
    assert read_configuration(path, with_files=True)


def test_every_missing_file_is_named_at_once(folder):
    """One run of check tells all that is missing."""
    (folder / "door-1.password").unlink()
    (folder / "device.key").unlink()

    with pytest.raises(ConfigurationError) as caught:
        read_configuration(folder / "agent.toml", with_files=True)
    assert [line.split(", which")[0].rpartition("/")[2] for line in str(caught.value).splitlines()] == [
        "door-1.password",
        "device.key",
    ]


def test_credentials_of_systemd_come_first(folder, tmp_path_factory, monkeypatch):
    """Under the unit the same configuration takes keys and passwords from LoadCredential."""
    given = tmp_path_factory.mktemp("credentials")
    (given / "device.key").write_text("from systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    (folder / "device.key").unlink()

    found = read_configuration(folder / "agent.toml", with_files=True)
    assert found.named("device.key") == given / "device.key"
    assert found.named("device.crt") == folder / "device.crt"


def test_the_command_line_finds_the_services_agent(folder, monkeypatch):
    """Who asks for the status has none of the unit's variables, and still meets the agent that runs under it."""
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    mine = read_configuration(folder / "agent.toml")
    installed = mine._replace(file=INSTALLED / "agent.toml")
    asked = installed.buffer_path, installed.socket_path
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/footfall")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/footfall")

    assert (installed.buffer_path, installed.socket_path) == asked
    assert asked == (Path("/var/lib/footfall/lisboa-01-pi.db"), Path("/run/footfall/agent.sock"))


def test_an_agent_by_hand_keeps_to_its_users_folder(folder, monkeypatch):
    """A trial on a machine where the service runs does not touch the service's buffer."""
    for variable in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    found = read_configuration(folder / "agent.toml")

    assert found.buffer_path == folder / "state" / "footfall" / "lisboa-01-pi.db"
    assert found.socket_path == folder / "state" / "footfall" / "lisboa-01-pi.sock"
