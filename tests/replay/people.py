"""How long people stay and where they go, told by counts alone: worlds in which each step is known, replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tests.kernels import worlds
from tests.replay.truth import DAY, DOOR, MIDNIGHT, replayed, rows_of

if TYPE_CHECKING:
    from pathlib import Path

SHARES = np.array([[0.80, 0.12, 0.0, 0.02], [0.05, 0.85, 0.06, 0.0], [0.0, 0.06, 0.84, 0.08], [0.03, 0.0, 0.05, 0.80]])
ARRIVE = (2.0, 0.2, 0.1, 0.3)  # persons a minute from outside into each zone
NAMES = "abcd"
OPEN = slice(540, 1260)  # minutes of the day


class Stays(NamedTuple):
    """What four weeks of minutes tell; the truth is 5.9 % within three minutes and 22.5 minutes on average."""

    bounce: float
    median: float  # minutes


def stays(folder: Path, missed: tuple[float, float]) -> Stays:
    """33 days: stays are told on Thursdays, of the four weeks before, once the night is over."""
    world = worlds.store(*missed, days=33)
    rows = [
        row
        for way, counts in (("in", world.entered), ("out", world.left))
        for row in rows_of("door", "line:1", way, counts.ravel())
    ]
    answer = replayed(folder, DOOR.format(zone="UTC", reset=0), rows)
    bounce, median = (answer.windows(name).value[-1] for name in ("bounce_share", "stay_median_seconds"))
    return Stays(float(bounce), float(median) / 60)


def true_median() -> float:
    """Of gamma(1.5) stays of 15 minutes each part, by drawing many."""
    return float(np.median(np.random.default_rng(1).gamma(1.5, 15.0, 400_000)))


def _layout() -> str:
    zones = "".join(
        f'[[zone]]\nname = "{name}"\npurpose = "browsing"\nplaces = ["eye/region:{i}"]\njoins = ["eye/line:{i}"]\n'
        for i, name in enumerate(NAMES, 1)
    )
    near = "".join(
        f'[[relationship]]\nfrom = "{NAMES[a]}"\nto = "{NAMES[b]}"\nkind = "adjacent"\n'
        for a in range(4)
        for b in range(a + 1, 4)
        if SHARES[a, b] or SHARES[b, a]
    )
    lines = ", ".join(f"{{ number = {i} }}" for i in range(1, 5))
    return (
        'version = "1"\neffective_from = 2026-01-01\ntime_zone = "UTC"\nreset_hour = 0\n[[sensor]]\nid = "eye"\n'
        f'tells = ["crossings", "occupancy"]\nline = [{lines}]\nregion = [{lines}]\n{zones}{near}'
    )


def flow(folder: Path, days: int) -> float:
    """Of all moves between the zones on the last day, the share that is put in the wrong place."""
    random = np.random.default_rng(0)
    present, entered, gone = np.zeros((3, days * 1440, 4))
    moves = np.zeros((days, 4, 4))
    for day in range(days):
        here = np.zeros(4)
        for t in range(day * 1440 + OPEN.start, day * 1440 + OPEN.stop):
            present[t] = here
            went = np.array(
                [random.multinomial(int(n), [*row, 1 - sum(row)]) for n, row in zip(here, SHARES, strict=True)]
            )
            entered[t], gone[t] = random.poisson(ARRIVE), went[:, 4]
            moves[day] += went[:, :4]
            here = went[:, :4].sum(axis=0) + entered[t]
        gone[day * 1440 + OPEN.stop] = present[day * 1440 + OPEN.stop] = here
    rows = []
    for i in range(4):
        rows += rows_of("eye", f"region:{i + 1}", "occupancy", present[:, i])
        rows += rows_of("eye", f"line:{i + 1}", "in", entered[:, i])
        rows += rows_of("eye", f"line:{i + 1}", "out", gone[:, i])
    rows += rows_of("eye", "line:1", "in", np.zeros(60), start=MIDNIGHT + days * DAY)  # the night after
    answer = replayed(folder, _layout(), rows)
    told, truth = np.zeros((4, 4)), moves[-1]
    for a in range(4):
        for b in range(4):
            if a != b and (SHARES[a, b] or SHARES[b, a]):
                told[a, b] = answer.windows("flow", f"zone:{NAMES[a]}>{NAMES[b]}").value[-1]
    between = ~np.eye(4, dtype=bool)
    return float(np.abs(told - truth)[between].sum() / truth[between].sum())
