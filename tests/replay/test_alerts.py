"""A manager tries thresholds on a recorded Saturday: the sample, as the README shows it."""

from __future__ import annotations

import csv
import random
import re
from datetime import datetime
from pathlib import Path

import pytest

from tests.replay.history import LAYOUT, START, command, replay, row, write

HOUSE = Path(__file__).parents[2]
SAMPLE = HOUSE / "config" / "history"
SATURDAY = [SAMPLE / "layout.toml", SAMPLE / "saturday.csv"]


def rules_with(tmp_path, *change):
    file = tmp_path / "alerts.toml"
    file.write_text((SAMPLE / "alerts.toml").read_text().replace(*change))
    return file


def test_a_saturday_says_how_often_how_long_and_when():
    """The summary is what the alerts add up to, and the layout's own rules are tried where none are named."""
    told = replay(*SATURDAY)

    assert {(one["rule"], one["scope"], one["times"], *one["hours"]) for one in told["summary"]} == {
        ("long-queue", "zone:checkout", 1, "16"),
        ("overcrowding", "store", 1, "16"),
    }
    for one in told["summary"]:
        mine = [alert["seconds"] for alert in told["alerts"] if alert["rule"] == one["rule"]]
        assert (len(mine), sum(mine)) == (one["times"], one["seconds"])


def test_a_lower_threshold_calls_earlier_and_longer(tmp_path):
    """What somebody wants to know before switching it on."""
    usual = replay(*SATURDAY)
    lower = replay(*SATURDAY, "--rules", rules_with(tmp_path, "queue_length >= 5", "queue_length >= 4"))
    never = replay(*SATURDAY, "--rules", rules_with(tmp_path, "queue_length >= 5", "queue_length >= 50"))

    def queue(told):
        return [one for one in told["alerts"] if one["rule"] == "long-queue"]

    assert min(one["began"] for one in queue(lower)) < min(one["began"] for one in queue(usual))
    assert sum(one["seconds"] for one in queue(lower)) > sum(one["seconds"] for one in queue(usual))
    assert queue(never) == []


def test_an_alert_begins_when_its_condition_has_held():
    """From the recorded rows alone: the first two minutes in a row with five in the queue, and no earlier."""
    with (SAMPLE / "saturday.csv").open() as file:
        length = {one["end"]: float(one["value"]) for one in csv.DictReader(file) if one["metric"] == "queue_length"}
    ends = sorted(length)
    first = next(c for a, b, c in zip(ends, ends[1:], ends[2:], strict=False) if min(length[a], length[b]) >= 5)

    (one,) = [one for one in replay(*SATURDAY)["alerts"] if one["rule"] == "long-queue"]
    assert datetime.fromisoformat(one["began"]) == datetime.fromisoformat(first)
    assert [step["state"] for step in one["steps"]] == ["firing", "resolved"]


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_and_repeated_it_says_the_same(tmp_path, seed):
    """To the byte, alerts with their ids included, for people and for programs."""
    with (SAMPLE / "saturday.csv").open() as file:
        header, *rows = csv.reader(file)
    mixed = rows * 2
    random.Random(seed).shuffle(mixed)  # noqa: S311 - an order, not a secret
    other = write(tmp_path / "mixed.csv", mixed, header)

    for options in ([], ["--json", "--live"]):
        assert command(SATURDAY[0], other, *options) == command(*SATURDAY, *options)


def test_from_leaves_out_what_began_before():
    """An alert that was raised before the stretch is not one of the stretch."""
    assert replay(*SATURDAY, "--from", "2026-03-07T16:30Z")["alerts"] == []
    assert len(replay(*SATURDAY, "--from", "2026-03-07T16:00Z", "--to", "2026-03-07T16:30Z")["alerts"]) == 2


def test_open_at_the_end_is_said_so():
    """Not ended, and lasting up to the end."""
    told = replay(*SATURDAY, "--to", "2026-03-07T16:30Z")

    assert all(one["ended"] is None and one["seconds"] > 0 for one in told["alerts"])
    assert "and on" in command(*SATURDAY, "--to", "2026-03-07T16:30Z")[1]


def test_what_cannot_be_tried_says_why():
    """A rule this store cannot measure, and one over the agent itself, which no recording tells."""
    told = replay(*SATURDAY, "--rules", HOUSE / "config" / "alerts.toml")

    reasons = {one["rule"]: one["reason"] for one in told["refused"]}
    assert "no zone with the purpose premium" in reasons["unattended"]
    assert reasons["room-runs-out"] == "a recording does not tell how the agent itself was"


def test_a_wrong_rule_is_named_with_its_line(tmp_path):
    """As everywhere: file, line, key, and what was probably meant."""
    status, _, err = command(*SATURDAY, "--rules", rules_with(tmp_path, "queue_length >= 5", "queue_lenght >= 5"))

    assert status == 78
    assert re.search(r"alerts\.toml:\d+: alert\.0\.when: .*queue_length", err)


def test_without_rules_it_says_so(tmp_path):
    """Figures are told all the same."""
    layout = tmp_path / "layout.toml"
    layout.write_text(LAYOUT)
    status, out, _ = command(layout, SATURDAY[1])

    assert status == 0
    assert "No rules were tried" in out


def test_counts_by_hand_say_how_well_a_line_counts(tmp_path):
    """Beside what the line told of the same minutes."""
    counts = write(
        tmp_path / "counts.csv",
        [
            ("door", "1", "2026-03-07T15:00Z", "2026-03-07T15:15Z", 16, 9),
            ("door", "line:1", "2026-03-07T16:00Z", "2026-03-07T16:15Z", 20, 12),
        ],
        ("sensor", "line", "from", "to", "in", "out"),
    )

    told = {one["way"]: one for one in replay(*SATURDAY, "--counts", counts)["accuracy"]}

    assert (told["in"]["by_hand"], told["in"]["seconds"]) == (36, 1800)
    assert told["in"]["lower"] < told["in"]["share"] < told["in"]["upper"]
    assert "By hand: door line 1 counts" in command(*SATURDAY, "--counts", counts)[1]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("door,1,2026-03-07T15:00,2026-03-07T15:15Z,16,9", "counts.csv:2: .* has no zone"),
        ("door,1,2026-03-07T15:00Z,2026-03-07T15:15Z,many,9", "counts.csv:2: .*many"),
        ("door,1,2026-03-07T15:00Z,2026-03-07T15:15Z,,9", "counts.csv:2: column in is missing"),
        ("door,7,2026-03-07T15:00Z,2026-03-07T15:15Z,16,9", "no line door line:7; it has door line:1"),
    ],
)
def test_a_wrong_count_is_refused(tmp_path, line, told):
    """With its place and what to write."""
    counts = tmp_path / "counts.csv"
    counts.write_text(f"sensor,line,from,to,in,out\n{line}\n")

    status, _, err = command(*SATURDAY, "--counts", counts)

    assert status == 2
    assert re.search(told, err)


def test_every_key_of_the_json_is_in_the_readme():
    """Who writes a program against it reads there what each means."""
    told = replay(*SATURDAY, "--live")
    readme = (HOUSE / "README.md").read_text()
    inner = [
        told["observations"][0],
        told["alerts"][0],
        told["alerts"][0]["steps"][0],
        told["summary"][0],
        told["live"][0],
    ]

    assert [key for one in (told, *inner) for key in one if f"`{key}`" not in readme] == []


def test_the_command_of_the_readme_runs(monkeypatch):
    """As it stands there, from a checkout."""
    monkeypatch.chdir(HOUSE)
    shown = re.search(r"^footfall-agent replay (config/.*)$", (HOUSE / "README.md").read_text(), flags=re.MULTILINE)

    status, out, _ = command(*shown[1].split())

    assert status == 0
    assert "How often, how long" in out


def test_rows_too_wide_for_a_rule_are_remarked_upon(tmp_path):
    """By hours alone a rule that wants fresh minutes knows nothing most of the time, and that is no alert's fault."""
    rows = [row("door", "line:1", "in", START + 3600 * i, START + 3600 * (i + 1), 5) for i in range(6)]

    (remark,) = replay(SATURDAY[0], write(tmp_path / "hours.csv", rows))["remarks"]

    assert remark.startswith("most intervals are 60 min long and a rule calls its numbers stale after 3 min")
