"""Cameras that send, in the configuration: what is wrong is told before anything opens, secrets only if asked."""

import pytest
from typer.testing import CliRunner

from agent.addresses import told
from agent.cli import app
from agent.foundation.toml import ConfigurationError
from agent.settings import read_configuration
from tests.runtime.sending import MILESIGHT, SECRET, Agent


@pytest.fixture
def folder(tmp_path):
    Agent(tmp_path, {"door": MILESIGHT, "side": ("xovis", "")})
    return tmp_path


def checked(folder, *options):
    return CliRunner().invoke(app, ["check", "--config", str(folder / "agent.toml"), *options])


def test_check_says_what_to_enter_in_the_camera(folder):
    """A URL for each; the secret is in it only where it is asked for."""
    plain, shown = checked(folder), checked(folder, "--secrets")

    assert (plain.exit_code, shown.exit_code) == (0, 0)
    assert (
        "door: enter in the camera, as where it sends its counts by HTTP POST: http://ADDRESS:0/push/door/…"
        in plain.output
    )
    assert SECRET not in plain.output
    assert f"/push/side/{SECRET}" in shown.output


@pytest.mark.parametrize(
    ("secret", "mode", "why"),
    [
        ("short", 0o600, "needs 16 to 128 letters"),
        ("with/a/slash/and/more", 0o600, "needs 16 to 128 letters"),
        (SECRET, 0o644, "others may read this secret; say: chmod 600 door.secret"),
    ],
)
def test_a_secret_that_cannot_be_used(folder, secret, mode, why):
    """Too short to be one, not fit for a URL, or readable for everybody; what to do is said, the secret is not."""
    file = folder / "door.secret"
    file.write_text(secret)
    file.chmod(mode)

    with pytest.raises(ConfigurationError) as caught:
        told(read_configuration(folder / "agent.toml"))
    assert why in str(caught.value)
    assert secret not in str(caught.value)
    assert checked(folder).exit_code == 78


@pytest.mark.parametrize("topic", ["a/#/b", "a/b+", "#a", "a\\u0000b"])
def test_a_topic_that_cannot_be_subscribed_to(folder, topic):
    """It is refused with the line it stands in."""
    path = folder / "agent.toml"
    path.write_text(
        path.read_text().replace('push = { secret_file = "door.secret" }', f'push = {{ topic = "{topic}" }}')
    )

    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path)
    assert "is no topic to subscribe to" in str(caught.value)


def test_a_camera_that_does_not_send(folder):
    """A brand that is asked and never sends cannot be given a secret: nothing would ever come."""
    path = folder / "agent.toml"
    path.write_text(path.read_text().replace('driver = "xovis"', 'driver = "dahua"'))

    found = checked(folder)
    assert found.exit_code == 78
    assert "side: a dahua camera of this kind does not send its counts" in found.output


def test_a_camera_that_only_sends_and_that_nobody_hears(folder):
    """It is no mistake, as it may be on its way; but it is said."""
    path = folder / "agent.toml"
    path.write_text(path.read_text().replace('push = { secret_file = "side.secret" }', ""))

    found = checked(folder)
    assert found.exit_code == 0
    assert "side: it only sends its counts, and nothing takes them: give it [sensor.push]" in found.output
