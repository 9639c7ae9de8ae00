"""What is written wrong is told by file, line and key with a remedy; what this store cannot measure is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import rule_engine
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.alerts.arithmetic import plain
from agent.alerts.binding import bound
from agent.alerts.durations import seconds, words
from agent.alerts.expressions import compiled
from agent.alerts.rules import KINDS, Rules
from agent.contract.contradictions import Contradictions
from agent.foundation.toml import ConfigurationError, load
from tests.alerts.conftest import a_layout, some_rules

HOUSE = Path(__file__).parents[2]
NAMES = ("queue_length", "occupancy", "occupancy_ratio", "staff")


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("0s", 0), ("1h 5m", 3900)]
)
def test_a_duration(text, expected):
    """Days, hours, minutes and seconds, the longest first."""
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        (5, 'write "5s" or "5m"'),
        ("5", '"5m"'),
        ("5 min", '"5m"'),
        ("30m1h", "longest first"),
        ("5m5m", "each unit once"),
        ("", '"90s"'),
        ("90d", "31 days"),
        ("-5m", '"5m"'),
    ],
)
def test_no_duration(written, remedy):
    """What is none says what to write."""
    with pytest.raises(ValueError, match=remedy):
        seconds(written)


def test_durations_in_words():
    """As people say them."""
    assert [words(n) for n in (45, 300, 7800, 259_200)] == ["45 s", "5 min", "2 h 10 min", "3 days"]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("queue_lenght > 8", 'did you mean "queue_length"'),
        ("temperature > 8", "known here: occupancy"),
        ("queue_length > 8 && staff == 0", "write `and`"),
        ("queue_length ≥ 8", "write `>=`"),
        ("queue_length >", "something is missing"),
        ("queue_length > 8 8", "column"),
        ("queue_length", "compare it"),
        ("3 > 2", "never changes"),
        ("queue_length ** 9 > 2", "powers"),
        ('queue_length > "8"', "no meaning"),
        ("__import__('os')", "no meaning"),
        ("", "empty"),
        ("queue_length > 1 and " * 40, "300 characters"),
    ],
)
def test_a_condition_that_is_wrong(text, remedy):
    """A misspelt name, an operator of another language, a number that is no condition: each with its remedy."""
    with pytest.raises(ValueError, match=remedy.replace("(", r"\(")):
        compiled(text, NAMES)


CONDITIONS = (
    "queue_length > 8",
    "occupancy / 2 + staff * 3 - 1 >= queue_length",
    "not (staff == 0 and occupancy > 0) or queue_length < 3",
    "occupancy_ratio <= 0.5 and -staff != -1 or occupancy > 1.5 * queue_length",
)


@settings(max_examples=200, deadline=None)
@given(text=st.sampled_from(CONDITIONS), numbers=st.lists(st.integers(0, 400), min_size=4, max_size=4))
def test_the_quick_way_says_what_rule_engine_says(text, numbers):
    """What is evaluated as a plain function is what the library means by it."""
    values = dict(zip(NAMES, (number / 8 for number in numbers), strict=True))

    assert plain(text)(values) == rule_engine.Rule(text).matches(values)


@pytest.mark.parametrize("text", ["1 < staff < 3", "staff % 2 == 0", "staff // 2 == 1"])
def test_what_is_more_than_that_is_left_to_rule_engine(text):
    """No meaning of our own is put on what the quick way does not know."""
    assert plain(text) is None


def test_a_condition_that_divides_by_nothing_says_nothing():
    """It is told apart from one that does not hold."""
    with pytest.raises(ZeroDivisionError):
        compiled("occupancy / staff > 15", NAMES).holds({"occupancy": 3.0, "staff": 0.0})


@pytest.mark.parametrize(
    ("block", "line", "text"),
    [
        ('name = "a"\nwhen = "staff > 0"\nfor = 5', 4, 'alert.0.for: 5 has no unit; write "5s" or "5m"'),
        (
            'name = "a"\nwhen = "staff > 0"\nseverty = "info"',
            4,
            'alert.0.severty: unknown key — did you mean "severity"?',
        ),
        ('name = "a"\nwhen = "staff > 0"\nseverity = "high"', 4, "alert.0.severity: Input should be"),
        ('name = "a"\nkind = "treshold"\nwhen = "staff > 0"', 1, "known here: data, deviation"),
        ('name = "a"\nwhen = "staff > 0"\npurposes = ["queue"]', 1, 'write scope = "zone"'),
        ('name = "a"\nwhen = "staff > 0"\ntext = "{staff.__class__}"', 4, "is no metric's name"),
        ('name = "a"', 1, "when: this key is required"),
        ('name = "a"\nkind = "silent"\nwhen = "staff > 0"', 4, "alert.0.when: unknown key"),
        (
            'name = "a"\nwhen = "staff > 0"\n[[alert]]\nname = "a"\nwhen = "staff > 1"',
            5,
            "give one of them another name",
        ),
    ],
)
def test_a_file_of_rules_that_is_wrong(tmp_path, block, line, text):
    """The line and the key of each mistake."""
    path = tmp_path / "alerts.toml"
    path.write_text(f"[[alert]]\n{block}\n")

    with pytest.raises(ConfigurationError) as error:
        load(path, Rules)
    assert f"alerts.toml:{line}: " in str(error.value)
    assert text in str(error.value)


def test_every_kind_is_in_the_sample():
    """The sample is the manual: each file in kinds/ has a block."""
    rules = load(HOUSE / "config" / "alerts.toml", Rules)

    assert {rule.kind for rule in rules.alert} == set(KINDS)


def test_a_name_that_is_nowhere_is_an_error():
    """It is told with the key, so that the line can be found."""
    with pytest.raises(Contradictions, match="did you mean") as error:
        bound(some_rules('[[alert]]\nname = "a"\nwhen = "ocupancy > 3"\n'), a_layout())
    assert error.value.located[0].key == ("alert", 0, "when")


def test_a_place_that_is_nowhere_is_an_error():
    """A misspelt zone does not leave a rule without effect."""
    with pytest.raises(Contradictions, match='did you mean "checkout"'):
        bound(
            some_rules('[[alert]]\nname = "a"\nscope = "zone"\nplaces = ["chekout"]\nwhen = "visits > 3"\n'), a_layout()
        )


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ('scope = "zone"\npurposes = ["premium"]\nwhen = "staff == 0 and occupancy > 0"', "no device here tags staff"),
        ('scope = "zone"\nplaces = ["jewellery"]\nwhen = "occupancy > 9"', "not how many are in it"),
        ('scope = "zone"\npurposes = ["service"]\nwhen = "visits > 9"', "no zone with the purpose service"),
        ('scope = "zone"\nplaces = ["checkout"]\nwhen = "occupancy_ratio > 0.9"', "write capacity"),
    ],
)
def test_what_this_store_cannot_measure_is_refused_with_the_reason(rule, reason):
    """The rule is not quietly without effect, and the others run."""
    found = bound(
        some_rules(f'[[alert]]\nname = "a"\n{rule}\n[[alert]]\nname = "b"\nwhen = "occupancy > 3"\n'), a_layout()
    )

    assert [watch.rule.name for watch in found.watches] == ["b"]
    assert [refusal.rule for refusal in found.refused] == ["a"]
    assert reason in found.refused[0].reason


@pytest.mark.parametrize(
    ("when", "limit"),
    [
        ("capture_rate > 1", "capture_rate is 0 to 1"),
        ("occupancy < 0", "occupancy is 0 to any"),
        ("completeness_ratio + 1 < 0.9 and occupancy > 3", "completeness_ratio is 0 to 1"),
        ("not footfall >= 0", "footfall is 0 to any"),
    ],
)
def test_a_rule_that_can_never_fire_is_refused(when, limit):
    """It is not left to be trusted in silence: the reason says what its figures can be."""
    (refusal,) = bound(some_rules(f'[[alert]]\nname = "a"\nwhen = "{when}"\n'), a_layout()).refused

    assert "can never hold" in refusal.reason
    assert limit in refusal.reason


def test_staff_that_is_entered_allows_the_rule():
    """What somebody enters is measured."""
    layout = a_layout("[staffing]\nentered = true\n")
    found = bound(
        some_rules('[[alert]]\nname = "a"\nscope = "zone"\nplaces = ["checkout"]\nwhen = "staff == 0"\n'), layout
    )

    assert [watch.scope for watch in found.watches] == ["zone:checkout"]


def test_rules_are_read_without_the_rule_engine():
    """Its 9 MB are spent when rules are bound, after the page listens, and only by a store that has conditions."""
    parts = "sys, agent.alerts.rules, agent.alerts.binding, agent.alerts.engine"
    code = f"import {parts}; sys.exit('rule_engine' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=HOUSE, check=False).returncode == 0
