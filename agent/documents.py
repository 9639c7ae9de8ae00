"""Writes the wire's documents where they are checked in: `python3 run.py documents`."""

from __future__ import annotations

import json
from pathlib import Path

from agent.contract.asyncapi import documents

FOLDER = Path(__file__).parent / "contract" / "documents"


def texts() -> dict[str, str]:
    """What each file has to say, by name."""
    return {name: json.dumps(document, indent=1) + "\n" for name, document in documents().items()}


def main() -> None:
    """Write them all, and take away what is no longer made."""
    FOLDER.mkdir(exist_ok=True)
    made = texts()
    for old in FOLDER.glob("*.json"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
