"""The short form of `run.py fuzz`: every reader, a few hundred inputs; and the loop finds what is planted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.fuzzing.loop import Hang, has_atheris, mutated, tried
from tests.campaigns.fuzzing.targets import Target, targets

ROOT = Path(__file__).parents[2]
TARGETS = targets()


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_readers(name):
    """No reader raises what it should not, makes what cannot be stored, or takes a second, on its seeds or mutants."""

    target = TARGETS[name]

    for seed in target.seeds:
        tried(target, seed)
    assert mutated(target, 150, seconds=30)[0] == 150


def test_it_finds_a_crash():
    """A reader that cannot take a lone brace is found out."""

    target = Target("planted", lambda body: json.loads(body) if body.endswith(b"{") else None, [b'{"a": 1}'])

    with pytest.raises(json.JSONDecodeError):
        mutated(target, 5000, seconds=30)


def test_it_finds_a_hang():
    """A reader that takes a second of CPU for one input is found out."""

    with pytest.raises(Hang):
        tried(Target("slow", lambda _: [sum(range(10**6)) for _ in range(80)], []), b"")


def test_the_command():
    """The command reports executions of each reader, by coverage where atheris is there."""

    command = [sys.executable, "tests/campaigns/fuzzing/run.py", "--runs", "200", "--only", "log-in", "--json"]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120, check=False)

    found = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert found["engine"].startswith("atheris" if has_atheris() else "mutation")
    assert found["readers"]["log-in"]["executions"] >= 200
    assert found["readers"]["log-in"]["problem"] == ""
