"""What the daemon has in memory when its page answers: nothing of the command line, and no kernel yet."""

from __future__ import annotations

import json
import subprocess
import sys

LATER = ["numba", "pygments", "rich", "rule_engine", "typer", "zeroconf"]

START = f"""
import json, sys
sys.argv = ["footfall-agent", "run", "--config", sys.argv[1]]
from agent.__main__ import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, [name for name in {LATER} if sys.modules.get(name)]]))
"""


def test_the_daemon_loads_nothing_that_only_others_need(tmp_path):
    """Its parts are loaded before it reads its configuration, and a missing one ends it: 78."""
    missing = tmp_path / "agent.toml"
    done = subprocess.run([sys.executable, "-c", START, str(missing)], capture_output=True, text=True, check=False)

    assert json.loads(done.stdout.splitlines()[-1]) == [78, []], done.stderr
