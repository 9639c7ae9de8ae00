"""`footfall-agent`: the daemon starts without the command line's libraries, every other command with them."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command named first."""
    if sys.argv[1:2] == ["run"] and "--help" not in sys.argv:
        # structlog loads rich wherever it is installed, for trace backs in colour: 50 ms and 3 MB of every daemon's.
        sys.modules["rich"] = None  # type: ignore[assignment]  # how Python is told that a module cannot be had
        from agent.app import main as run  # noqa: PLC0415 - each way loads only what it needs

        sys.exit(run(sys.argv[2:]))
    from agent.cli import app  # noqa: PLC0415 - as above

    app(prog_name="footfall-agent")


if __name__ == "__main__":
    main()
