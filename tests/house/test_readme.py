"""Every command is in the README, and the README names no command that is not there."""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

if TYPE_CHECKING:
    import click

HOUSE = Path(__file__).parents[2]
README = (HOUSE / "README.md").read_text()
PROGRAMS = {"footfall-agent": ("agent.cli", "app"), "footfall-receiver": ("cloud_receiver.cli", "cli")}


def leaves(command: click.Command, path: str) -> set[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return {path}
    return {leaf for name, child in inner.items() if not child.hidden for leaf in leaves(child, f"{path} {name}")}


def commands(program: str) -> set[str]:
    module, name = PROGRAMS[program]
    return leaves(typer.main.get_command(getattr(importlib.import_module(module), name)), program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_of_a_program_is_in_the_readme(program):
    """Whoever reads the README knows all that the program can do."""
    assert {command for command in commands(program) if f"`{command}" not in README} == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_readme_promises_no_command_that_is_not_there(program):
    """What the table of commands shows can be typed."""
    shown = re.findall(rf"^\| `({program}(?: [a-z][a-z-]*)+)", README, flags=re.MULTILINE)

    assert set(shown) == commands(program)


def test_every_command_of_run_py_is_in_the_readme():
    """run.py's own usage and the README name the same commands and options."""
    usage = runpy.run_path(str(HOUSE / "run.py"))["USAGE"]
    named = set(re.findall(r"^  ([a-z]+) ", usage, flags=re.MULTILINE))

    assert named == set(re.findall(r"^\| `python3 run\.py ([a-z]+)", README, flags=re.MULTILINE))
    assert {option for option in re.findall(r"\[(--[a-z-]+)", usage) if option not in README} == set()


def test_every_address_of_the_status_page_is_in_the_readme():
    """Whoever watches over many stores can ask the page without reading its source."""
    routes = re.findall(r'add_get\("([^"{]+)"', (HOUSE / "agent" / "web" / "page.py").read_text())

    assert len(routes) > 1
    assert [route for route in routes if f"`{route}`" not in README] == []


def test_the_readme_opens_with_what_and_then_the_two_commands():
    """The first screen says what it does and how to see it."""
    opening = README[:1500]

    assert opening.index("Counts the people") < opening.index("run.py demo") < opening.index("run.py test")


def test_links_of_the_documents_lead_somewhere():
    """A file that is linked is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README + (HOUSE / "CONTRIBUTING.md").read_text())

    assert [link for link in links if not (HOUSE / link).exists()] == []
