"""The configuration HQ wants: what it may say, and that a trial ends by itself."""

import asyncio
import copy
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from agent.contract.messages import Desired, document_sha
from agent.desired import STARTS, Trial
from agent.foundation.clock import Clock
from agent.settings import read_configuration
from tests.sync.headquarters import Hq, eventually

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The samples as a device's own configuration."""
    for name in ("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("agent.toml", "layout.toml"):
        shutil.copy(CHECKOUT / "config" / name, tmp_path)
    for name in ("door-1.password", "door-2.password", "ca.crt", "device.crt", "device.key"):
        (tmp_path / name).write_text("x\n")
    file = tmp_path / "agent.toml"
    file.write_text(file.read_text().replace('"mqtt.example.com"', '"127.0.0.1"'))
    return read_configuration(file, with_files=True)


def desired(version=1, **settings):
    doc = {"settings": settings}
    return Desired(version=version, sha256=document_sha(doc), doc=doc)


class Life:
    """One start of the agent as far as the trial sees it."""

    def __init__(self, own, patience=300.0):
        self.restarts = 0
        self.trial = Trial(own, Clock(), self._restart, patience=patience)

    def _restart(self):
        self.restarts += 1

    @property
    def days(self):
        return self.trial.configuration.settings.history.days


async def test_a_configuration_is_tried_and_kept_when_hq_is_heard(own):
    """Taken, restarted with it, proven by hello, and there at every later start."""
    first = Life(own)
    assert (await first.trial.take(desired(history={"days": 3}))).state == "trying"
    assert (first.restarts, first.days) == (1, 7)
    assert first.trial.heard() is None  # this life still runs the old one

    second = Life(own)
    assert second.days == 3
    assert second.trial.standing().state == "trying"
    assert second.trial.heard().state == "running"
    assert second.trial.heard() is None

    assert Life(own).days == 3
    assert Life(own).trial.standing().state == "running"


async def test_the_same_again_changes_nothing(own):
    """A retained message comes at every connection: no restart, the same report."""
    wanted = desired(history={"days": 3})
    await Life(own).trial.take(wanted)
    life = Life(own)
    life.trial.heard()

    assert (await life.trial.take(wanted)).state == "running"
    assert (await life.trial.take(wanted.model_copy(update={"version": 9}))).state == "running"
    assert life.restarts == 0


async def test_an_older_version_is_refused(own):
    """A replayed message does not bring an old configuration back."""
    await Life(own).trial.take(desired(5, history={"days": 3}))
    life = Life(own)
    life.trial.heard()

    for version in (4, 5):
        said = await life.trial.take(desired(version, history={"days": 2}))
        assert (said.state, said.why) == ("refused", f"version {version} is not newer than 5")
    assert (life.restarts, Life(own).days) == (0, 3)


async def test_without_hello_it_goes_back(own):
    """A configuration that breaks contact is undone by the device itself, reported, and not tried again."""
    wanted = desired(mqtt={"every": 60})
    await Life(own).trial.take(wanted)
    life = Life(own, patience=0.01)
    watching = asyncio.create_task(life.trial.watch())
    await eventually(lambda: life.restarts)
    watching.cancel()

    back = Life(own)
    assert back.trial.configuration == own
    assert (back.trial.standing().state, "no hello" in back.trial.standing().why) == ("reverted", True)
    assert (await back.trial.take(wanted)).state == "reverted"
    assert back.restarts == 0


async def test_a_trial_that_kills_the_agent_is_over_after_three_starts(own):
    """It cannot loop: starts are counted in the file before anything else is done with it."""
    await Life(own).trial.take(desired(history={"days": 3}))
    for _ in range(STARTS):
        assert Life(own).days == 3

    life = Life(own)
    assert life.days == 7
    assert life.trial.standing().state == "reverted"


async def test_a_damaged_file_is_as_if_hq_never_wanted_anything(own):
    """The device runs what its installer wrote."""
    await Life(own).trial.take(desired(history={"days": 3}))
    (own.file.parent / "desired.json").write_bytes(b"\0" * 100)

    assert Life(own).trial.configuration == own


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"device": {"id": "other"}}, "settings.device may not"),
        ({"mqtt": {"host": "203.0.113.9"}}, "settings.mqtt.host may not"),
        ({"mqtt": {"password_file": "x"}}, "settings.mqtt.password_file may not"),
        ({"buffer": {"path": "/tmp/x"}}, "settings.buffer may not"),  # noqa: S108 - never opened
        ({"page": {"host": "0.0.0.0"}}, "settings.page.host may not"),  # noqa: S104 - refused
        ({"history": {"days": 9999}}, "history.days"),
        ({"history": 3}, "settings.history may not"),
        (
            {"sensor": [{"id": "door-1", "driver": "milesight", "address": "h", "password_file": "/etc/shadow"}]},
            "may not",
        ),
        ({"sensor": [{"id": "door-1", "driver": "milesight", "address": "h", "options": {"token": "x"}}]}, "may not"),
        ({"sensor": [{"id": "door-1", "driver": "milesight", "address": "http://h"}]}, "address"),
        ({"sensor": [{"id": "new", "driver": "milesight", "address": "h"}]}, "no [[sensor]] with the id new"),
        ({"sensor": []}, "sensor"),
        ({"sensor": "door"}, "a list of tables"),
    ],
)
async def test_only_what_is_allowed_can_be_set_from_hq(own, settings, why):
    """Names, secrets, files and our own addresses are the installer's; what is wrong is refused before it is tried."""
    life = Life(own)
    said = await life.trial.take(desired(**settings))

    assert (said.state, life.restarts) == ("refused", 0)
    assert why in said.why
    assert Life(own).trial.configuration == own


async def test_a_document_that_is_not_the_one_named_is_refused(own):
    """The hash is of the document's canonical JSON."""
    wanted = desired(history={"days": 3})
    wanted.doc["settings"]["history"]["days"] = 4

    assert (await Life(own).trial.take(wanted)).why == "sha256 does not name this document"
    assert document_sha({"b": 1, "a": "ü"}) == document_sha(json.loads('{"a":"\\u00fc","b":1}'))


async def test_a_sensor_keeps_its_password_when_hq_moves_it(own):
    """Secrets never travel: HQ names the sensor, the device adds what it knows."""
    moved = [{"id": "door-1", "driver": "milesight", "address": "192.0.2.99"}]
    await Life(own).trial.take(desired(sensor=moved))

    [sensor] = Life(own).trial.configuration.settings.sensor
    assert (sensor.address, sensor.password_file, sensor.username) == ("192.0.2.99", "door-1.password", "viewer")


async def test_a_layout_comes_whole(own):
    """HQ's layout replaces the device's."""
    layout = copy.deepcopy(own.layout.model_dump(mode="json")) | {"version": "from HQ"}
    doc = {"layout": layout}
    await Life(own).trial.take(Desired(version=1, sha256=document_sha(doc), doc=doc))

    assert Life(own).trial.configuration.layout.version == "from HQ"
    assert Life(own).trial.configuration.layouts == (Life(own).trial.configuration.layout,)


async def test_a_layout_from_another_day_stands_beside_the_device_s_own(own):
    """What held before holds on for its days, and a correction of them is a version from an earlier day."""
    dated = own.layout.model_dump(mode="json") | {"version": "2", "effective_from": "2031-05-01"}
    doc = {"layout": dated}
    await Life(own).trial.take(Desired(version=1, sha256=document_sha(doc), doc=doc))
    found = Life(own).trial.configuration

    assert [one.version for one in found.layouts] == [own.layout.version, "2"]
    assert found.layout == own.layout

    both = {"layout": [dated, dated | {"version": "1b", "effective_from": "2020-01-01"}]}
    await Life(own).trial.take(Desired(version=2, sha256=document_sha(both), doc=both))
    assert [one.version for one in Life(own).trial.configuration.layouts] == ["2", "1b"]


async def test_a_layout_that_contradicts_itself_is_refused_with_its_key(own):
    """HQ hears which key is wrong and what to write; the device keeps what it has."""
    wrong = own.layout.model_dump(mode="json") | {"zone": [{"name": "a", "purpose": "browsing"}]}
    doc = {"layout": wrong}
    told = await Life(own).trial.take(Desired(version=1, sha256=document_sha(doc), doc=doc))

    assert told.state == "refused"
    assert "zone a has no source" in told.why


AGENT = """
[store]
tenant = "acme"
id = "s1"
[device]
id = "pi-1"
[mqtt]
host = "127.0.0.1"
port = {port}
[buffer]
path = "buffer.db"
[page]
port = 0
[cameras]
loopback = true
[kernels]
mode = "python"
[[sensor]]
id = "door"
driver = "milesight"
address = "127.0.0.1:9"
"""
LAYOUT = """
version = "1"
effective_from = 2026-01-01
time_zone = "UTC"
[[sensor]]
id = "door"
"""


async def _while_it_runs(agent, waiting) -> None:
    """Wait for something of an agent; one that ended will never do it."""
    done, ended = asyncio.ensure_future(waiting), asyncio.ensure_future(agent.wait())
    await asyncio.wait([done, ended], return_when=asyncio.FIRST_COMPLETED)
    assert done.done(), f"the agent ended with {ended.result()}"
    ended.cancel()


async def test_a_real_agent_restarts_with_what_hq_wants_and_keeps_its_buffer(tmp_path, broker):
    """The same process, buffer and epoch; trying, then running once HQ has said hello to it."""
    (tmp_path / "agent.toml").write_text(AGENT.format(port=broker.port))
    (tmp_path / "layout.toml").write_text(LAYOUT)
    command = [sys.executable, "-m", "agent", "run", "--config", str(tmp_path / "agent.toml")]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    async with Hq(broker.port) as hq:
        agent = await asyncio.create_subprocess_exec(
            *command, cwd=CHECKOUT, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await _while_it_runs(agent, hq.until(lambda: hq.of("birth")))
            wanted = desired(history={"days": 3}, log={"level": "debug"})
            await hq.tell("config/desired", wanted.payload(), retain=True)
            reported = lambda: [one.json["state"] for one in hq.of("config/reported")]  # noqa: E731 - short
            await _while_it_runs(agent, hq.until(lambda: reported()[-1:] == ["running"]))
            states, births = reported(), [one.json for one in hq.of("birth")]
        finally:
            if agent.returncode is None:
                agent.send_signal(signal.SIGTERM)
            assert await agent.wait() == 0

    assert set(states) == {"trying", "running"}
    assert len({birth["run"] for birth in births}) == 2
    assert len({birth["epoch"] for birth in births}) == 1
    assert births[-1]["boot"] == 2
