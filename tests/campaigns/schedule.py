"""What happens in a chaos campaign and when, all from one seed: kills, and beside them faults of the two lines."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

# Two lines: the store's to the broker, and the receivers' to the broker.
STORE, HQ = "store", "hq"
PARTS = ("agent", "broker", "receiver", "database")
# Kind of fault → (how often beside the others, seconds at least, seconds at most).
FAULTS = {
    "cut": (4, 0.2, 5.0),
    "delayed": (3, 1.0, 6.0),
    "half-open": (1, 0.0, 0.0),
    "torn": (3, 0.0, 0.0),
    "repeated": (4, 2.0, 10.0),
    "late": (4, 2.0, 10.0),
    "stalled": (3, 0.5, 5.0),
}
# Mean of 1.3 s between kills: each part gets 5 s between two of its own, about thrice what it needs to come back.
LEAST_GAP, MOST_GAP = 0.2, 2.6
TOGETHER = 0.12  # share of kills at the same moment as the one before, as where one machine goes
FROZEN = 0.35  # share of kills that come after a SIGSTOP of so many seconds
FROZEN_FOR = (0.05, 0.8)
# A receiver is always frozen first, for longer than an agent's pause between two batches: what the broker acknowledged
# meanwhile was never decided. An agent that believes the broker loses at each of these kills.
RECEIVER_FROZEN_FOR = (1.2, 2.4)


class Event(NamedTuple):
    """One thing that happens: at so many real seconds, to a part or a line, for so long; `strength` of a fault."""

    at: float
    what: str
    target: str
    lasting: float = 0.0
    strength: float = 0.0


def schedule(seed: int, kills: int, parts: tuple[str, ...] = PARTS) -> list[Event]:
    """All events in order of time; the same arguments give the same events for ever."""
    killing, failing = Random(f"kills {seed}"), Random(f"faults {seed}")  # noqa: S311 - replayable on purpose
    victims = [parts[k % len(parts)] for k in range(kills)]
    killing.shuffle(victims)
    at = 1.0
    events = []
    for victim in victims:
        at += 0.0 if killing.random() < TOGETHER else killing.uniform(LEAST_GAP, MOST_GAP)
        frozen = _frozen(killing, victim)
        events.append(Event(round(at, 3), "killed", victim, round(frozen, 3)))
    end, at = at, 0.0
    while (at := at + failing.uniform(0.5, 4.0)) < end:
        events.append(_fault(failing, round(at, 3), parts))
    return sorted(events)


def _frozen(random: Random, victim: str) -> float:
    if victim == "receiver" or victim.startswith("worker"):
        return random.uniform(*RECEIVER_FROZEN_FOR)
    return random.uniform(*FROZEN_FOR) if random.random() < FROZEN else 0.0


def _fault(random: Random, at: float, parts: tuple[str, ...]) -> Event:
    what = random.choices(list(FAULTS), [weight for weight, *_ in FAULTS.values()])[0]
    _, least, most = FAULTS[what]
    target = random.choice(parts if what == "stalled" else (STORE, HQ))
    return Event(at, what, target, round(random.uniform(least, most), 3), round(random.uniform(0.1, 0.6), 3))
