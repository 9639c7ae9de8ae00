"""Whatever the bytes: every reader of what comes from outside, under coverage-guided fuzzing. `run.py fuzz`."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.campaigns.fuzzing.loop import has_atheris, mutated
from tests.campaigns.fuzzing.targets import Target, targets

ROOT = Path(__file__).resolve().parents[3]
_UNITS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_SLOWEST = re.compile(r"stat::slowest_unit_time_sec:\s+(\d+)")
_COVERAGE = re.compile(r"cov: (\d+) ")
_MORE = 60  # seconds beyond its own that a child gets to start and to end


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("run.py fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="for each reader")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each reader, at most; 0 is no limit")
    parser.add_argument("--only", default="", help="readers whose name holds this")
    parser.add_argument("--folder", type=Path, help="keeps what was found, for the next time")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    options = parser.parse_args(arguments)
    chosen = [target for name, target in sorted(targets().items()) if options.only in name]
    with tempfile.TemporaryDirectory(prefix="footfall-fuzz-") as temporary:
        folder = (options.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        told = {target.name: _fuzzed(target, folder, options.seconds, options.runs) for target in chosen}
    found = {"engine": "atheris" if has_atheris() else "mutation without coverage: atheris is missing", "readers": told}
    print(json.dumps(found, indent=1) if options.json else _as_text(found))
    return 1 if any(one["problem"] for one in told.values()) else 0


def _fuzzed(target: Target, folder: Path, seconds: int, runs: int) -> dict[str, Any]:
    print(f"{target.name} …", file=sys.stderr, flush=True)
    if has_atheris():
        return _guided(target.name, folder, seconds, runs)
    try:
        done, slowest = mutated(target, runs or 10**9, seconds)
    except Exception as problem:  # noqa: BLE001 - anything at all is what is looked for
        return {"executions": 0, "coverage": 0, "slowest_s": 0, "problem": repr(problem)}
    return {"executions": done, "coverage": 0, "slowest_s": round(slowest, 2), "problem": ""}


def _guided(name: str, folder: Path, seconds: int, runs: int) -> dict[str, Any]:
    """In a process of its own, as libFuzzer ends it."""
    command = [sys.executable, "-m", "tests.campaigns.fuzzing.loop", name, str(folder), f"-max_total_time={seconds}"]
    if runs:
        command.append(f"-runs={runs}")
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=seconds + _MORE, check=False
    )
    said = ended.stderr + ended.stdout
    units, slowest, coverage = (pattern.findall(said) for pattern in (_UNITS, _SLOWEST, _COVERAGE))
    problem = "" if ended.returncode == 0 else _problem(said, folder)
    return {
        "executions": int(units[-1]) if units else 0,
        "coverage": int(coverage[-1]) if coverage else 0,
        "slowest_s": int(slowest[-1]) if slowest else 0,
        "problem": problem,
    }


def _problem(said: str, folder: Path) -> str:
    """What was raised, and the input that did it, short enough to be copied into a test."""
    lines = [line for line in said.splitlines() if re.match(r"\s*[\w.]*(?:Error|Exception|Hang)\b", line.strip())]
    written = re.findall(r"Test unit written to (\S+)", said)
    bodies = [Path(path).read_bytes()[:300] for path in written if Path(path).is_relative_to(folder)]
    return f"{(lines or said.splitlines() or ['?'])[-1].strip()[:300]} at {bodies[:1]}"


def _as_text(found: dict[str, Any]) -> str:
    lines = [f"engine: {found['engine']}"]
    for name, one in found["readers"].items():
        figures = f"{one['executions']:>9,} inputs, {one['coverage']:>6,} places reached, slowest {one['slowest_s']} s"
        lines.append(f"{name:20} {figures}{'   ' + one['problem'] if one['problem'] else ''}")
    total = sum(one["executions"] for one in found["readers"].values())
    wrong = sum(bool(one["problem"]) for one in found["readers"].values())
    return "\n".join([*lines, f"{total:,} inputs in all, {wrong} readers with a problem"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
