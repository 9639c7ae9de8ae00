"""A brand is four things: a file, a sample configuration, recorded answers, and a paragraph that says what it is."""

import inspect
import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.contract.metrics import METRICS
from agent.contract.observation import Observation, Origin, Quality, checked
from agent.drivers.base import Kind
from agent.drivers.reading import brands as module
from agent.drivers.reading.brands import brand, brands
from agent.drivers.reading.decoded import observations, unwrapped

ROOT = Path(__file__).parents[2]
STATUSES = ("DEVICE", "VENDORSAMPLE", "VENDORDOC", "DOC", "THIRDPARTYTEST", "QUOTED", "RECONSTRUCTED")
LATER = 4_102_444_800
ACME = '''
"""Somebody else's counter, which answers with a number."""
from agent.drivers.base import History, Kind, Row

def open_driver(device):
    raise ValueError("this one is only decoded")

def decode(body, kind, zone, now):
    return Kind.LINES, History([Row("line:1", "in", 0, 60, float(body))])
'''


@pytest.fixture(params=brands())
def name(request):
    return request.param


def recorded_of(name):
    return sorted((ROOT / "tests" / "data" / name).iterdir())


def body_of(path):
    return unwrapped(path.read_bytes())


def sample_of(name):
    return tomllib.loads((ROOT / "config" / "sensors" / f"{name}.toml").read_text())["sensor"]


def test_there_are_brands():
    """The folder is what tells the brands; the contract is none."""

    assert "milesight" in brands()
    assert not {"base", "reading"} & set(brands())


def test_paragraph(name):
    """Its module says in a paragraph what it reads."""

    assert len(inspect.getdoc(brand(name)).splitlines()) > 2


async def test_driver(name, rig):
    """It opens a driver without connecting, which says what it asks for and how often, or takes what is sent."""

    options = sample_of(name)[0].get("options", {})
    driver = brand(name).open_driver(await rig.device("192.0.2.10", **options))

    assert driver.cadence or callable(driver.receive)
    assert all(isinstance(kind, Kind) and seconds > 0 for kind, seconds in driver.cadence.items())
    assert inspect.iscoroutinefunction(driver.history)
    assert inspect.iscoroutinefunction(driver.counters)


async def test_sample(name, rig):
    """Its sample configuration loads, names it, and its options are ones it takes."""

    for sensor in sample_of(name):
        assert sensor["driver"] == name
        ZoneInfo(sensor["zone"])
        assert "password" not in sensor
        brand(name).open_driver(await rig.device(sensor["address"], **sensor.get("options", {})))


def test_recorded_answers(name):
    """There are recorded answers, whose names say where they came from, and each is read without a problem."""

    assert recorded_of(name)
    for path in recorded_of(name):
        assert any(f"_{status}" in path.name for status in STATUSES), path.name
        kind, history = brand(name).decode(body_of(path), None, ZoneInfo("Europe/Lisbon"), LATER)
        assert not history.problems, path.name
        assert [row.start for row in history.rows] == sorted(row.start for row in history.rows)
        for row in history.rows:
            assert row.metric in METRICS
            end = max(row.end, row.start + 1)  # a reading of a moment becomes an interval in the poller
            checked(Observation("x", row.place, row.metric, row.start, end, row.value, Origin.LOG, Quality.MEASURED))
        assert isinstance(kind, Kind)
        rows, problems = observations(name, path.read_bytes(), None, ZoneInfo("Europe/Lisbon"), LATER)
        has_lines = any(row.place.startswith("line:") for row in history.rows)
        assert len(rows) == sum(not has_lines or row.place != "sensor" for row in history.rows)
        assert not problems
        json.dumps(rows)


async def test_wrong_options(name, rig):
    """An option that the brand does not have is refused with those it has; so is an address that is none."""

    options = sample_of(name)[0].get("options", {})

    with pytest.raises(ValueError, match="option 'colour'"):
        brand(name).open_driver(await rig.device("192.0.2.10", colour="red", **options))
    with pytest.raises(ValueError, match="address"):
        brand(name).open_driver(await rig.device("http://192.0.2.10/", **options))


def test_quality(name):
    """It is said of each what it was verified against and what is unknown; no brand claims more than it has."""

    told = tomllib.loads((ROOT / "agent" / "drivers" / "quality.toml").read_text())

    assert set(told) == set(brands())
    assert set(told[name]) == {"scale", "device", "document", "client", "unknown"}
    assert told[name]["unknown"]
    assert told[name]["scale"] in {"bronze", "silver", "gold"}
    assert told[name]["scale"] != "gold" or told[name]["device"]


def test_unknown():
    """An unknown name is answered with those there are; a part of the folder that is no brand is none."""

    for name in ("milesite", "base", "reading", "../milesight", "agent.cli", ""):
        with pytest.raises(ValueError, match=r"there are: .*milesight"):
            brand(name)


def test_readme(name):
    """The README's table of brands has a row for it, which says what is read."""

    rows = [line.split("|") for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("|")]

    [row] = [row for row in rows if len(row) == 5 and row[2].strip() == f"`{name}`"]
    assert len(row[3].strip()) > 10


def test_installed_from_elsewhere(tmp_path):
    """A distribution that is installed beside ours, as pip unpacks a wheel, brings a driver that the commands know."""

    about = tmp_path / "acme_counter-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-counter\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[footfall.drivers]\nacme = acme_counter.driver\n")
    (about / "RECORD").write_text("acme_counter/driver.py,,\nacme_counter-1.0.dist-info/METADATA,,\n")
    (tmp_path / "acme_counter").mkdir()
    (tmp_path / "acme_counter" / "driver.py").write_text(ACME)
    (tmp_path / "answer.txt").write_text("7")
    command = [sys.executable, "-m", "agent", "decode", "acme", str(tmp_path / "answer.txt")]

    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert '"line:1"' in ended.stdout
    assert '"value": 7' in ended.stdout


def test_from_elsewhere(monkeypatch):
    """A brand that another distribution installs is found by its entry point."""

    entry = EntryPoint("acme", "agent.drivers.milesight", "footfall.drivers")
    monkeypatch.setattr(module, "entry_points", lambda **params: EntryPoints([entry]).select(**params))

    assert "acme" in brands()
    assert brand("acme") is brand("milesight")
