"""Writes the documents of wire, layout and rules where they are checked in: `python3 run.py documents`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.alerts.rules import Rules
from agent.contract.asyncapi import DIALECT, documents
from agent.contract.layout import Layout

if TYPE_CHECKING:
    from pydantic import BaseModel

FOLDER = Path(__file__).parent / "contract" / "documents"


def texts() -> dict[str, str]:
    """What each file has to say, by name."""
    made = {**documents(), **editors()}
    return {name: json.dumps(document, indent=1) + "\n" for name, document in made.items()}


def editors() -> dict[str, dict[str, Any]]:
    """JSON Schema of the two files that people write, so that an editor completes and checks them as they type."""
    models: dict[str, type[BaseModel]] = {"layout.schema.json": Layout, "alerts.schema.json": Rules}
    return {name: {"$schema": DIALECT, **model.model_json_schema()} for name, model in models.items()}


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
