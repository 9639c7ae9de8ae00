"""A brand is four things: a file, a sample configuration, recorded answers, and a paragraph that says what it is."""

import inspect
import json
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
from agent.drivers.reading.decoded import observations

ROOT = Path(__file__).parents[2]
STATUSES = ("VENDORSAMPLE", "VENDORDOC", "THIRDPARTYTEST", "QUOTED", "RECONSTRUCTED")
LATER = 4_102_444_800


@pytest.fixture(params=brands())
def name(request):
    return request.param


def recorded_of(name):
    return sorted((ROOT / "tests" / "data" / name).iterdir())


def body_of(path):
    body = path.read_bytes()
    envelope = json.loads(body) if path.suffix == ".json" else {}
    return envelope["body"].encode() if "body" in envelope else body


def test_there_are_brands():
    """The folder is what tells the brands; the contract is none."""

    assert "milesight" in brands()
    assert not {"base", "reading"} & set(brands())


def test_paragraph(name):
    """Its module says in a paragraph what it reads."""

    assert len(inspect.getdoc(brand(name)).splitlines()) > 2


async def test_driver(name, rig):
    """It opens a driver without connecting, which says what it asks for and how often."""

    driver = brand(name).open_driver(await rig.device("192.0.2.10"))

    assert driver.cadence
    assert all(isinstance(kind, Kind) and seconds > 0 for kind, seconds in driver.cadence.items())
    assert inspect.iscoroutinefunction(driver.history)
    assert inspect.iscoroutinefunction(driver.counters)


async def test_sample(name, rig):
    """Its sample configuration loads, names it, and its options are ones it takes."""

    sample = tomllib.loads((ROOT / "config" / "sensors" / f"{name}.toml").read_text())

    for sensor in sample["sensor"]:
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
        rows, problems = observations(name, body_of(path), kind, ZoneInfo("Europe/Lisbon"), LATER)
        has_lines = any(row.place.startswith("line:") for row in history.rows)
        assert len(rows) == sum(not has_lines or row.place != "sensor" for row in history.rows)
        assert not problems
        json.dumps(rows)


def test_unknown():
    """An unknown name is answered with those there are; a part of the folder that is no brand is none."""

    for name in ("milesite", "base", "reading", "../milesight", "agent.cli", ""):
        with pytest.raises(ValueError, match=r"there are: .*milesight"):
            brand(name)


def test_from_elsewhere(monkeypatch):
    """A brand that another distribution installs is found by its entry point."""

    entry = EntryPoint("acme", "agent.drivers.milesight", "footfall.drivers")
    monkeypatch.setattr(module, "entry_points", lambda **params: EntryPoints([entry]).select(**params))

    assert "acme" in brands()
    assert brand("acme") is brand("milesight")
