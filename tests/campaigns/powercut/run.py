"""What a power cut, a kill or a flipped bit may do to the buffer, tried many times over. `run.py powercut`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.campaigns.powercut import cuts, flips, kills, states


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("run.py powercut", description=__doc__)
    parser.add_argument("--states", type=int, default=5000, help="crash states replayed from recorded writes")
    parser.add_argument("--cuts", type=int, default=10, help="real cuts of ext4 on a loop image; needs root")
    parser.add_argument("--flips", type=int, default=1000, help="single bits flipped in a buffer's file")
    parser.add_argument("--every", type=int, default=20, help="kill at every so-manieth write or sync; 1 is each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    told: dict[str, object] = {"seed": options.seed}
    if shutil.which("strace"):
        told["states"] = states.campaign(options.states, options.seed)
        told["kills"] = kills.lives(options.every)
        told["migrations"] = kills.migrations(options.every)
    else:
        told["states"] = told["kills"] = told["migrations"] = {"skipped": "strace is missing"}
    try:
        told["cuts"] = cuts.campaign(options.cuts, options.seed)
    except cuts.Unable as why:
        told["cuts"] = {"skipped": str(why)}
    told["flips"] = flips.campaign(options.flips, options.seed)
    told["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(told, indent=1) if options.json else _as_text(told))
    return 1 if any(isinstance(one, dict) and one.get("problems") for one in told.values()) else 0


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
