"""A store with a door, a queue and a premium zone, and an engine over rules written in a line or two."""

from __future__ import annotations

import tomllib

import pytest

from agent.alerts.binding import bound
from agent.alerts.engine import Engine
from agent.alerts.facts import Fact
from agent.alerts.rules import Rules
from agent.contract.layout import Layout

STORE = """
version = "1"
effective_from = 2026-03-02
time_zone = "Europe/Lisbon"
capacity = 100
[[sensor]]
id = "door-1"
line = [{ number = 1 }, { number = 2, role = "passer-by" }]
[[sensor]]
id = "till-1"
tells = ["crossings", "visits", "occupancy", "queue_length"]
region = [{ number = 1 }]
line = [{ number = 1, role = "internal" }]
[[sensor]]
id = "jewels-1"
region = [{ number = 1 }]
[[zone]]
name = "checkout"
purpose = "queue"
places = ["till-1/region:1"]
leaves = ["till-1/line:1"]
[[zone]]
name = "jewellery"
purpose = "premium"
places = ["jewels-1/region:1"]
"""
OPENING = '\n[[opening]]\ndays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]\nfrom = "09:00"\nuntil = "20:00"\n'
NOON = 1772452800  # 2026-03-02T12:00:00Z, a Monday


def a_layout(more: str = "") -> Layout:
    return Layout.model_validate(tomllib.loads(STORE + more))


def some_rules(text: str) -> Rules:
    return Rules.model_validate(tomllib.loads(text))


def an_engine(rules: str, more: str = "") -> Engine:
    layout = a_layout(more)
    return Engine("lisboa-01", layout, bound(some_rules(rules), layout))


def queue(value: float | None, at: float, number: int = 0) -> Fact:
    return Fact("zone:checkout", "queue_length", value, at, number)


def told(transitions) -> list[tuple[str, str, int]]:
    """The rule, state and moment after noon of each transition."""
    return [(t.rule, t.state, t.at - NOON) for t in transitions]


@pytest.fixture
def layout() -> Layout:
    return a_layout()
