"""Which rules an agent runs: its own, the last good ones, or those that come with the code; and what it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent import alerting
from agent.alerts.rules import Rules
from agent.contract.messages import AcknowledgeCommand
from agent.foundation.toml import ConfigurationError, load
from agent.settings import read_configuration
from agent.sync.desk import Refusal

CONFIG = Path(__file__).parents[2] / "config"
AGENT = """
[store]
tenant = "example"
id = "lisboa-01"
[device]
id = "pi"
[mqtt]
host = "localhost"
{more}
[[sensor]]
id = "door"
driver = "milesight"
address = "192.0.2.11"
"""
LAYOUT = """
version = "1"
effective_from = 2026-03-02
time_zone = "Europe/Lisbon"
capacity = 100
[[sensor]]
id = "door"
line = [{ number = 1 }]
region = [{ number = 1 }]
[[zone]]
name = "jewellery"
purpose = "premium"
places = ["door/region:1"]
"""
CROWD = '[[alert]]\nname = "crowd"\nwhen = "occupancy > 50"\n'


def configured(folder, rules="", more=""):
    (folder / "agent.toml").write_text(AGENT.format(more=more))
    (folder / "layout.toml").write_text(LAYOUT)
    if rules:
        (folder / "alerts.toml").write_text(rules)
    return read_configuration(folder / "agent.toml")


def test_the_rules_of_the_code_are_those_of_the_sample():
    """What the sample shows is what a store without rules has."""
    sample = tomllib.loads((CONFIG / "alerts.toml").read_text())["alert"]

    assert tomllib.loads(alerting.DEFAULTS.read_text()) == {"alert": sample}
    assert load(alerting.DEFAULTS, Rules)


def test_a_store_without_rules_has_those_of_the_code(tmp_path):
    """And is told which of them its sensors cannot serve, and why."""
    bound, problem = alerting.read(configured(tmp_path))

    assert problem == ""
    assert {"overcrowding", "silent-sensor", "device-alarm"} <= {watch.rule.name for watch in bound.watches}
    (refused,) = [refusal for refusal in bound.refused if refusal.rule == "unattended"]
    assert "no device here tags staff" in refused.reason


def test_wrong_rules_leave_the_last_good_ones_in_force(tmp_path, monkeypatch):
    """The store goes on being watched, and what is wrong is said by file, line and key."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert alerting.read(configured(tmp_path, CROWD))[1] == ""
    found = configured(tmp_path, CROWD + '[[alert]]\nname = "queue"\nwhen = "ocupancy > 9"\n')
    bound, problem = alerting.read(found)

    assert [watch.rule.name for watch in bound.watches] == ["crowd"]
    assert problem.startswith(f"{tmp_path / 'alerts.toml'}:6: alert.1.when: queue: `ocupancy > 9`")
    assert 'did you mean "occupancy"?' in problem
    with pytest.raises(ConfigurationError, match="did you mean"):
        alerting.check(found)


def test_a_named_file_must_be_there(tmp_path):
    """Whoever names one wants its rules, not others."""
    found = configured(tmp_path, more='[alerts]\nrules = "mine.toml"')

    with pytest.raises(ConfigurationError, match=r"alerts\.rules: there is no file"):
        alerting.check(found)
    assert alerting.read(found)[1]


def test_a_layout_names_no_file_elsewhere(tmp_path):
    """It may come from headquarters, which has no business in other folders of this machine."""
    found = configured(tmp_path, CROWD)
    layout = found.layout.model_copy(update={"rules": "/etc/elsewhere/alerts.toml"})

    assert alerting.rules_file(found._replace(layout=layout)) == tmp_path / "alerts.toml"


@pytest.mark.parametrize(
    ("more", "file"),
    [
        ('[page]\npin_file = "pin"', "pin"),
        ('[[alerts.webhook]]\nname = "x"\nurl = "https://hooks.example.com/"\nsecret_file = "key"', "key"),
    ],
)
def test_a_secret_that_is_too_short_is_refused(tmp_path, more, file):
    """A PIN of four digits is guessed in an hour."""
    (tmp_path / file).write_text("1234\n")

    with pytest.raises(ConfigurationError, match=f"{file} is too short"):
        alerting.check(configured(tmp_path, more=more))


class Alarms:
    """Has one open alert."""

    async def acknowledge(self, *_):
        return None


async def test_what_is_not_open_cannot_be_taken_on(tmp_path):
    """Headquarters and the command line are told so."""
    made = alerting.Alerting(configured(tmp_path), Alarms(), None)
    command = AcknowledgeCommand(id="1", device="pi", expires="2026-03-02T12:00:00Z", alert="gone")

    with pytest.raises(Refusal, match="there is no open alert gone"):
        await made.hq(command)
    with pytest.raises(ValueError, match="there is no open alert gone"):
        await made.wish({"alert": "gone"})
