"""The samples are the manual: each loads, and each setting is in one, with its true default."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from agent.foundation.toml import load

HOUSE = Path(__file__).parents[2]
CONFIG = HOUSE / "config"
SAMPLES = sorted(path.relative_to(CONFIG).as_posix() for path in CONFIG.rglob("*.toml"))

# Which model reads which sample, first match wins; imported when needed.
MODELS = (
    (r"agent\.toml", "agent.settings", "Settings"),
    (r"(history/)?layout\.toml|stores/\w+\.toml", "agent.contract.layout", "Layout"),
    (r"(history/)?alerts\.toml|stores/\w+\.alerts\.toml", "agent.alerts.rules", "Rules"),
    (r"receiver\.toml", "cloud_receiver.settings", "Settings"),
    (r"sensors/\w+\.toml", "agent.settings", "Sensors"),
    (r"scenarios/[\w-]+\.toml", "agent.simulator.scenario", "Scenario"),
)


def model_of(sample: str) -> type[BaseModel]:
    for pattern, module, name in MODELS:
        if re.fullmatch(pattern, sample):
            model: type[BaseModel] = getattr(importlib.import_module(module), name)
            return model
    pytest.fail(f"config/{sample}: no model is named for it in {Path(__file__).name}")


def switched_on(text: str) -> str:
    """The sample with every key that is off (`# key = value`) switched on."""
    return re.sub(r"^# (?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_loads(sample):
    """What is shown to people works as it is."""
    assert load(CONFIG / sample, model_of(sample))


@pytest.mark.parametrize("sample", [s for s in SAMPLES if "/" not in s])
def test_a_key_that_is_off_shows_its_default(sample, tmp_path):
    """Switching a commented key on changes nothing."""
    model = model_of(sample)
    path = tmp_path / "all.toml"
    path.write_text(switched_on((CONFIG / sample).read_text()))

    assert load(path, model) == load(CONFIG / sample, model)


def keys(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        waiting = [field.annotation]
        while waiting:
            annotation = waiting.pop()
            waiting += get_args(annotation)
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                found |= keys(annotation)
    return found


@pytest.mark.parametrize("sample", [s for s in SAMPLES if "/" not in s])
def test_every_setting_is_in_its_sample(sample):
    """A setting that nobody can find is not there."""
    text = (CONFIG / sample).read_text()

    assert {key for key in keys(model_of(sample)) if not re.search(rf"\b{key}\b( =|\])", text)} == set()


def test_agent_and_layout_fit_together():
    """The two samples describe the same store."""
    read = importlib.import_module("agent.settings").read_configuration

    assert read(CONFIG / "agent.toml").zone_of(read(CONFIG / "agent.toml").settings.sensor[1]).key == "Europe/Madrid"


def test_every_driver_has_its_sample_and_its_answers():
    """A brand is complete: code, sample, recorded answers, a row in the README."""
    folder = HOUSE / "agent" / "drivers"
    brands = {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    readme = (HOUSE / "README.md").read_text()

    assert {b for b in brands if not (CONFIG / "sensors" / f"{b}.toml").exists()} == set()
    assert {b for b in brands if not any((HOUSE / "tests" / "data").glob(f"{b}/*"))} == set()
    assert {b for b in brands if f"`{b}`" not in readme} == set()
