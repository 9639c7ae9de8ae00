"""What a power cut, a kill or a flipped bit may do, tried many times over. `run.py powercut`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.campaigns.powercut import cuts, flips, kills, lives, states
from tests.campaigns.powercut.killer import NUMBERS
from tests.campaigns.verdict import circumstances
from tests.rig.broker import mosquitto_path

LIVES = {
    "buffer": kills.lives,
    "migration": kills.migrations,
    "salvage": kills.salvages,
    "agent": lives.agent,
    "receiver": lives.receiver,
}


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("run.py powercut", description=__doc__)
    parser.add_argument("--states", type=int, default=5000, help="crash states replayed from recorded writes")
    parser.add_argument("--cuts", type=int, default=10, help="real cuts of ext4 on a loop image; needs root")
    parser.add_argument("--flips", type=int, default=1000, help="single bits flipped in a buffer's file")
    parser.add_argument(
        "--life", action="append", choices=(*LIVES, "none"), help="whose lives are killed; all where not given"
    )
    parser.add_argument("--every", type=int, default=40, help="kill at every so-manieth call; 1 is each")
    parser.add_argument("--first", type=int, default=1, help="the first call at which a life is killed")
    parser.add_argument("--lives", type=int, default=10**6, help="so many lives at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = options_of(arguments)
    began = time.monotonic()
    told: dict[str, object] = {"seed": options.seed, **circumstances()}
    told["states"] = _states(options) if options.states else None
    told |= {name: _lives(name, options) for name in options.life or LIVES if name != "none"}
    told["cuts"] = _cuts(options) if options.cuts else None
    told["flips"] = flips.campaign(options.flips, options.seed) if options.flips else None
    told = {name: one for name, one in told.items() if one is not None}
    told["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(told, indent=1) if options.json else _as_text(told))
    return 1 if any(isinstance(one, dict) and one.get("problems") for one in told.values()) else 0


def _states(options: argparse.Namespace) -> dict[str, object]:
    if not shutil.which("strace"):
        return {"skipped": "strace is missing"}
    return states.campaign(options.states, options.seed)


def _lives(name: str, options: argparse.Namespace) -> dict[str, object]:
    if not NUMBERS:
        return {"skipped": "this machine's system calls are not listed in killer.py"}
    if name in ("agent", "receiver") and mosquitto_path() is None:
        return {"skipped": "Mosquitto is missing"}
    return LIVES[name](options.every, options.first, options.lives)


def _cuts(options: argparse.Namespace) -> dict[str, object]:
    try:
        return cuts.campaign(options.cuts, options.seed)
    except cuts.Unable as why:
        return {"skipped": str(why)}


def _as_text(told: dict[str, object]) -> str:
    lines = []
    for name, one in told.items():
        figures = (
            ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in one.items() if key != "problems")
            if isinstance(one, dict)
            else one
        )
        lines.append(f"{name:12} {figures}")
        lines += [f"{'':12} {problem}" for problem in (one.get("problems", ()) if isinstance(one, dict) else ())]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
