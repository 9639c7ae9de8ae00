"""What is committed works on other machines, names no place of ours, and says what each module is for."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

HOUSE = Path(__file__).parents[2]
TOPS = ("agent", "cloud_receiver", "config", "systemd", "tests", "packaging", ".ci")
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".sql",
    ".html",
    ".css",
    ".js",
    ".conf",
    ".service",
    ".ini",
    ".mako",
    ".json",
    ".csv",
    "",
}

# Brackets keep these patterns from finding themselves.
MACHINE = re.compile(r"(?<![\w.~-])/(?:w[o]rk|r[o]ot|h[o]me/\w)(?![\w-])")
REGISTRY = re.compile(r"p[y]pi\.org|p[y]thonhosted|registry\.n[p]mjs|deb\.d[e]bian\.org|/s[i]mple/")
CREDENTIAL = re.compile(r"BEGIN [A-Z ]*PRIVATE K[E]Y|gh[po]_\w{30}|AKIA[0-9A-Z]{16}")


def texts() -> dict[str, str]:
    files = [path for top in TOPS if (HOUSE / top).exists() for path in (HOUSE / top).rglob("*")]
    files += [*HOUSE.glob("*.md"), HOUSE / "run.py", HOUSE / "pyproject.toml"]
    kept = [path for path in files if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts]
    return {str(path.relative_to(HOUSE)): path.read_text(errors="replace") for path in kept}


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_path_of_one_machine():
    """A clone anywhere else works the same."""
    assert found(MACHINE) == []


def test_no_registry_is_named():
    """Which index packages come from is the reader's own setting."""
    assert found(REGISTRY) == []


def test_no_credential_is_committed():
    """Keys are made when they are needed."""
    assert found(CREDENTIAL) == []


def test_every_module_says_what_it_is_for():
    """One line that adds something; only the two package roots are empty."""
    modules = [path for package in ("agent", "cloud_receiver") for path in (HOUSE / package).rglob("*.py")]
    silent = [path for path in modules if not ast.get_docstring(ast.parse(path.read_text()))]

    roots = {HOUSE / "agent" / "__init__.py", HOUSE / "cloud_receiver" / "__init__.py"}
    assert [str(path.relative_to(HOUSE)) for path in silent if path not in roots] == []


def test_no_package_shadows_a_library():
    """A package called packaging or config would hide the one that pip and others import."""
    assert not (HOUSE / "packaging" / "__init__.py").exists()
    assert not (HOUSE / "config" / "__init__.py").exists()
    assert list((HOUSE / "tests").rglob("__init__.py")) == []


def test_the_top_stays_as_it_is():
    """One distribution, two packages, two commands."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())

    assert project["project"]["name"] == "footfall"
    assert set(project["project"]["scripts"]) == {"footfall-agent", "footfall-receiver"}
    assert project["tool"]["setuptools"]["packages"]["find"]["include"] == ["agent*", "cloud_receiver*"]


def test_linters_are_silenced_one_by_one():
    """Every exception names its rule and gives its reason."""
    rule = r"# n[o]qa(?!: [A-Z]+\d+(, [A-Z]+\d+)* - \S)"
    kind = r"# type: ign[o]re(?!\[[a-z-]+(, [a-z-]+)*\]  # \S)"

    assert [line for line in found(re.compile(f"{rule}|{kind}")) if ".py:" in line] == []
