"""Versions in files and tables, the library, the whole stores in config/, and the words of `layout check`."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from agent.contract.layout import RegionType, StoreType
from agent.contract.measurable import BASELINES as ENDS
from agent.contract.measurable import FIGURES, names, why_not
from agent.contract.metrics import EDGE_METRICS
from agent.documents import FOLDER
from agent.foundation.toml import ConfigurationError
from agent.layouts import explanation, read_library, read_rules, versions

HOUSE = Path(__file__).parents[2]
STORES = sorted((HOUSE / "config" / "stores").glob("*.toml"))
RULES = HOUSE / "config" / "alerts.toml"


def a_version(version: str, day: str) -> str:
    return f'version = "{version}"\neffective_from = {day}\ntime_zone = "Europe/Lisbon"\nsensor = [{{ id = "door" }}]\n'


def test_a_folder_of_versions_is_read_by_their_days(tmp_path):
    """A correction is a version with an earlier day, whatever its file is called."""
    (tmp_path / "b.toml").write_text(a_version("2", "2026-06-01"))
    (tmp_path / "z-correction.toml").write_text(a_version("1b", "2026-03-01"))

    assert [layout.version for layout in versions(tmp_path)] == ["1b", "2"]


def test_several_versions_in_one_file(tmp_path):
    """Each is a [[layout]] table."""
    one, two = (f"[[layout]]\n{a_version(v, day)}" for v, day in (("2", "2026-06-01"), ("1", "2026-03-01")))
    (tmp_path / "layout.toml").write_text(one + two)

    assert [layout.version for layout in versions(tmp_path / "layout.toml")] == ["1", "2"]


def test_two_versions_of_one_day_are_refused(tmp_path):
    """Which of them counts nobody could say."""
    (tmp_path / "a.toml").write_text(a_version("1", "2026-06-01"))
    (tmp_path / "b.toml").write_text(a_version("2", "2026-06-01"))

    with pytest.raises(ConfigurationError, match=r"b\.toml: effective_from: 2026-06-01 is also .* a\.toml"):
        versions(tmp_path)


def test_an_empty_folder_says_what_to_put_there(tmp_path):
    """No layout is an error with a remedy."""
    with pytest.raises(ConfigurationError, match="put one there"):
        versions(tmp_path)


def test_the_library_knows_every_type():
    """A type that can be written is described, with figures that exist."""
    known = read_library()

    assert {entry.type for entry in known.region} == set(RegionType)
    assert {entry.type for entry in known.store} == set(StoreType)
    assert all(entry.advice and entry.figures for entry in (*known.region, *known.store))


@pytest.mark.parametrize("file", STORES, ids=lambda file: file.stem)
def test_a_whole_store_measures_what_its_type_lives_by(file):
    """Each example is complete: its type's figures can be measured, and its queue has an alert."""
    (layout,) = versions(file)
    entry = read_library().store_entry(layout.store_type)
    rules = read_rules(RULES, layout)

    assert [figure for figure in entry.figures if why_not(layout)["store", figure]] == []
    assert {"overcrowding", "long-queue", "long-wait"} <= {watch.rule.name for watch in rules.watches}


def test_an_unattended_counter_needs_somebody_who_tells_of_staff():
    """The jewellery's sensor tags staff, the bar's staff is entered; without either the rule is refused."""
    found = {file.stem: read_rules(RULES, versions(file)[0]) for file in STORES}
    watched = {name: [w.scope for w in rules.watches if w.rule.name == "unattended"] for name, rules in found.items()}
    (bar,) = versions(HOUSE / "config" / "stores" / "restaurant.toml")
    nobody = bar.model_copy(update={"staffing": bar.staffing.model_copy(update={"entered": False})})
    refused = [r.reason for r in read_rules(RULES, nobody).refused if r.rule == "unattended"]

    assert watched == {"fashion": ["zone:jewellery"], "restaurant": ["zone:bar"], "supermarket": []}
    assert "no device here tags staff and nobody enters" in refused[0]


def test_rules_that_are_wrong_for_a_store_are_told_by_line(tmp_path):
    """What can only be known with the layout also has file, line and key."""
    (tmp_path / "alerts.toml").write_text('[[alert]]\nname = "a"\nfor = "1m"\nwhen = "ocupancy > 3"\n')

    with pytest.raises(ConfigurationError, match=r"alerts\.toml:4: alert\.0\.when: .*did you mean \"occupancy\""):
        read_rules(tmp_path / "alerts.toml", versions(STORES[0])[0])


@pytest.mark.parametrize("file", [*STORES, HOUSE / "config" / "layout.toml", RULES], ids=lambda file: file.stem)
def test_editors_accept_what_the_agent_accepts(file):
    """The schema named in the first line of a sample takes the sample."""
    first = file.read_text().splitlines()[0]
    schema = json.loads((file.parent / first.removeprefix("#:schema ")).read_text())
    found = json.loads(json.dumps(tomllib.loads(file.read_text()), default=lambda moment: moment.isoformat()))

    assert (file.parent / first.removeprefix("#:schema ")).parent.resolve() == FOLDER
    Draft202012Validator.check_schema(schema)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(found)] == []


def layout_check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "layout", "check", *arguments]
    return subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)


def test_layout_check_says_what_can_and_what_cannot():
    """In words, with the reason and the alerts this store can have."""
    found = layout_check("config/layout.toml", "--rules", "config/alerts.toml")

    assert found.returncode == 0, found.stderr
    assert "queue not measurable with this camera" in found.stdout
    assert "not long-queue at zone:checkout" in found.stdout
    assert "What to look at first in a retail store" in found.stdout


def test_layout_check_of_a_wrong_layout(tmp_path):
    """Status 78, and file, line, key and remedy on standard error."""
    (tmp_path / "layout.toml").write_text('version = "1"\ntime_zone = "Lisbon"\n')
    found = layout_check(str(tmp_path / "layout.toml"))

    assert found.returncode == 78
    assert "layout.toml:2: time_zone: 'Lisbon' is no IANA time zone; write one such as Europe/Lisbon" in found.stderr


def test_rules_bind_the_same_for_the_same_store():
    """Two agents with the same files watch the same, in the same order."""
    (layout,) = versions(STORES[0])
    first, second = (read_rules(RULES, layout) for _ in range(2))

    assert [watch.key for watch in first.watches] == [watch.key for watch in second.watches]


def test_every_figure_of_the_edge_can_be_asked_for():
    """What the agent works out has its row in the list that explanations and rules are made from."""
    named = {name for level in FIGURES for name in names(level)}

    assert set(EDGE_METRICS) - named == set()


@pytest.mark.parametrize("file", STORES, ids=lambda file: file.stem)
def test_layout_check_has_a_word_for_every_figure(file):
    """Each figure of the edge that could be asked of the store or its zones is either measured or refused with why."""
    (layout,) = versions(file)
    said = explanation(layout)

    reasons = why_not(layout)
    expected = {metric for (scope, metric), why in reasons.items() if scope == "store" and not metric.endswith(ENDS)}
    assert [metric for metric in sorted(expected) if metric not in said] == []
    assert all(why in said for why in reasons.values() if why and "not queue" not in why)
