"""run.py finds or makes its environment where it is safe, and says in words what is missing."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
RUN = runpy.run_path(str(HOUSE / "run.py"))


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, **env}
    command = [sys.executable, str(HOUSE / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=given, timeout=50, check=False)


def made_by_hand(folder: Path) -> Path:
    """An environment that run.py did not make: a python and nothing else."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    return folder


@pytest.mark.parametrize(("arguments", "status"), [((), 2), (("nonsense",), 2), (("--help",), 0)])
def test_usage_is_shown_for_what_is_no_command(arguments, status):
    """Nothing is made before it is known what for."""
    done = run(*arguments, FOOTFALL_ENV="/nowhere/at/all")

    assert (done.returncode, done.stdout) == (status, RUN["USAGE"])


def test_an_old_python_is_told_what_it_needs(monkeypatch):
    """The version and the package that has a newer one are named."""
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))

    with pytest.raises(SystemExit, match=r"needs Python 3.11 or later.*\n.*apt-get install python3"):
        runpy.run_path(str(HOUSE / "run.py"), run_name="__main__")


def test_a_named_environment_is_used_as_it_is(tmp_path, monkeypatch):
    """What somebody else made is neither changed nor thrown away."""
    theirs = made_by_hand(tmp_path / "theirs")
    monkeypatch.setenv("FOOTFALL_ENV", str(theirs))

    assert RUN["environment"]("dev") == theirs / "bin" / "python"
    assert sorted(path.name for path in theirs.rglob("*")) == ["bin", "python"]


def test_a_folder_that_is_somebody_elses_is_not_overwritten(tmp_path):
    """A mistyped FOOTFALL_ENV costs a message, not a folder."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()

    done = run("lint", FOOTFALL_ENV=str(tmp_path / "photos"))

    assert done.returncode == 1
    assert "is not empty and was not made by run.py" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_a_trap_in_the_shared_folder_is_seen(tmp_path):
    """A link that somebody put there first is not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "trap").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(RUN["Stop"], match="is not a folder of this user"):
        RUN["_own_folder"](tmp_path / "trap")
    assert RUN["_own_folder"](tmp_path / "new") == tmp_path / "new"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


def test_the_environment_depends_on_what_is_in_it(monkeypatch):
    """Another checkout or another Python gets an environment of its own."""
    one = RUN["_stamp"]()
    monkeypatch.setattr(sys, "version", "another one")

    assert RUN["_stamp"]() != one


def test_arguments_status_and_ctrl_c_pass_through(tmp_path):
    """run.py becomes the program: no process in between, no trace back of its own."""
    env = made_by_hand(tmp_path / "env")
    (env / "bin" / "python").unlink()
    (env / "bin" / "python").write_text('#!/bin/sh\necho "$@"\nexec sleep 30\n')
    (env / "bin" / "python").chmod(0o755)
    command = [sys.executable, str(HOUSE / "run.py"), "agent", "status", "--json"]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "FOOTFALL_ENV": str(env)}
    )
    assert started.stdout.readline() == "-P -m agent status --json\n"
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=20)

    assert (started.returncode, errors) == (-signal.SIGINT, "")


def test_the_shells_python_settings_do_not_leak_in(tmp_path, monkeypatch):
    """Somebody's PYTHONPATH or PYTHONSTARTUP changes nothing; our commands are first on PATH."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("PYTHONWARNINGS", "error")

    env = RUN["surroundings"](tmp_path / "bin" / "python")

    assert env["PYTHONPATH"] == str(HOUSE)
    assert "PYTHONWARNINGS" not in env
    assert env["PATH"].startswith(str(tmp_path / "bin"))
