"""How a campaign ends: promises, which its exit status answers for, and targets, which a busy machine may miss."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.rig.processes import CHECKOUT, ProcessError

if TYPE_CHECKING:
    from collections.abc import Coroutine

INTERRUPTED = 130  # the shell's status for Ctrl-C


def say(text: str) -> None:
    """Words for who watches; figures have standard output for themselves."""
    print(text, file=sys.stderr, flush=True)


def circumstances() -> dict[str, Any]:
    """What was tried, and how busy the machine was when it began."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.strip()
    return {"commit": commit or "unknown", "load": round(os.getloadavg()[0], 1), "cores": os.cpu_count()}


def judged(
    told: dict[str, Any], promises: dict[str, bool], targets: dict[str, tuple[float | None, float]]
) -> dict[str, Any]:
    """The figures, with whether each promise held and each target (what it is, what it may be at most) was met."""
    aims = {
        name: {"is": found, "at_most": most, "met": found is not None and found <= most}
        for name, (found, most) in targets.items()
    }
    return {**told, "promises": promises, "targets": aims, "ok": all(promises.values())}


async def to_the_end(performance: Coroutine[None, None, dict[str, Any]], *, as_json: bool) -> int:
    """Perform and print the figures; SIGTERM and Ctrl-C leave no process behind. The exit status."""
    before = circumstances()
    performing = asyncio.create_task(performance)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, performing.cancel)
    try:
        told = await performing
    except asyncio.CancelledError:
        return INTERRUPTED
    except (ProcessError, TimeoutError) as error:
        say(str(error) or "not in time")
        told = {"ok": False, "error": str(error).partition("\n")[0] or "not in time"}
    told |= before
    print(json.dumps(told) if as_json else "\n".join(f"{name:>20}  {value}" for name, value in told.items()))
    return 0 if told["ok"] else 1
