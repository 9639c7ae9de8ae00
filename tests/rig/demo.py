"""`python -m tests.rig.demo`: a whole store, end to end, with an outage, and the proof that nothing was lost."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rig.broker import mosquitto_path
from tests.rig.processes import ProcessError
from tests.rig.screen import Screen
from tests.rig.script import PARTS, Script
from tests.rig.stage import Plan, Stage
from tests.rig.store import AGENT, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rig.oracle import Reconciliation

FIRST_SENT_AFTER = 200  # rows that must have been sent for the first time after the outage
UNSAFE_AGENT = "tests.rig.delete_on_puback"
INTERRUPTED = 130  # the shell's status for Ctrl-C


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(prog="demo", description="A simulated store from the cameras to headquarters.")
    parser.add_argument("--once", action="store_true", help="end after the table; status 0 only if nothing was lost")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there")
    parser.add_argument("--kill", type=_parts, default=(), metavar="PARTS", help=f"kill each once: {','.join(PARTS)}")
    parser.add_argument("--no-mosquitto", action="store_true", help="use the embedded broker, which speaks MQTT 3.1.1")
    parser.add_argument("--seed", type=int, help="another store day; the same seed gives the same shoppers")
    parser.add_argument("--keep", action="store_true", help="leave configurations, databases and logs, and say where")
    parser.add_argument("--unsafe-delete-on-puback", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.json and not chosen.json.absolute().parent.is_dir():
        parser.error(f"--json: {chosen.json.parent} is no folder")
    return chosen


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: write some of {','.join(PARTS)}")
    return parts


def report(script: Script, found: Reconciliation, seconds: float) -> dict[str, Any]:
    """The figures, as they go into the JSON."""
    health = script.health
    return {
        "ok": found.ok and script.outage["first_sent_after"] >= FIRST_SENT_AFTER,
        "broker": script.store.broker.name,
        "sensors": len(script.store.stage.cameras),
        "history": script.history,
        "outage": script.outage,
        "reconciliation": found.figures,
        "agent": {"rss_mb": health["rss_mb"], "kernels": health["kernels"], "ready_s": script.store.ready_s},
        "seconds": round(seconds, 1),
    }


async def perform(options: argparse.Namespace, screen: Screen) -> bool:
    """Play it; whether all was well."""
    plan = Plan(seed=options.seed, mosquitto=not options.no_mosquitto)
    agent = UNSAFE_AGENT if options.unsafe_delete_on_puback else AGENT
    with Stage(plan, keep=options.keep) as stage:
        if options.keep:
            screen.say(f"  everything of this run stays in {stage.folder}", "dim")
        async with Store(stage, agent=agent) as store:
            script = Script(store, screen, options.kill)
            found = await script.play()
            told = report(script, found, screen.seconds)
            if options.json:
                options.json.write_text(json.dumps(told, indent=2) + "\n")
            _conclude(script, found, told)
            if not options.once:
                await script.go_on()
    return bool(told["ok"])


def _conclude(script: Script, found: Reconciliation, told: dict[str, Any]) -> None:
    screen, outage, agent, history = script.screen, told["outage"], told["agent"], told["history"]
    waited = f"{outage['seconds']:.0f} s, {outage['buffered_rows']:,} rows buffered"
    size = f"{agent['rss_mb']:.0f} MB, kernels {agent['kernels']}"
    screen.table(
        found,
        {
            "history": f"{history['days']} days, {history['rows']:,} rows",
            "outage": f"{waited}, {outage['first_sent_after']:,} first sent after it",
            "agent": f"{size}, its page ready after {agent['ready_s']:.2f} s",
            "broker": f"{told['broker']}; all of this took {told['seconds']:.0f} s",
        },
    )
    if told["ok"]:
        screen.event("✔", "nothing lost, nothing counted twice, nothing invented", "bold green")
    else:
        screen.event("✘", "the numbers do not agree", "bold red")
    screen.say("Next: put it on a Raspberry Pi with config/agent.toml and the units in systemd/; README.md says how.")


async def main(options: argparse.Namespace) -> int:
    """Play it so that Ctrl-C, a closed terminal and SIGTERM leave nothing behind."""
    screen = Screen()
    performing = asyncio.create_task(perform(options, screen))
    loop = asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if not interrupted:  # once: the cleaning up must not be interrupted too
            interrupted = True
            screen.say("\nstopping ...", "dim")
            performing.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    try:
        return 0 if await performing else 1
    except asyncio.CancelledError:
        return INTERRUPTED
    except ProcessError as error:
        screen.event("✘", "the demo could not go on", "bold red")
        screen.console.print(str(error), markup=False, soft_wrap=True)
        if options.json:
            options.json.write_text(json.dumps({"ok": False, "error": str(error)}, indent=2) + "\n")
        return 1


if __name__ == "__main__":
    chosen = options_of(None)
    if not chosen.no_mosquitto and mosquitto_path() is None:
        print("Mosquitto is not installed: the embedded broker is used (apt install mosquitto for the real one)")
    try:
        sys.exit(asyncio.run(main(chosen)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
